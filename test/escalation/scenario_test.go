package escalation_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/internal/awsiam"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/installation"
)

// A scenario is a namespace of a tenant, a namespace of another team with an identity
// that is ready, an AWS account, and an operator that knows of no others.
type scenario struct {
	*testing.T

	namespace, neighbour string
	tenantName           string
	tenant               client.Client // edits the namespace, and has no other permission
	options              options
	account              *awslocal.Server
	endpoint             string
	iam                  *iam.Client // of an administrator of the account
	sts                  *sts.Client
	granted              installation.Granted // to the operator
	operator             aws.Credentials
	victim               *v1alpha1.PodIdentity // the identity of the other team
	stop                 func()                // stops the operator
	before               snapshot
}

// options configure a scenario.
type options struct {
	boundary      bool          // a boundary is applied to every role; it is off by default, as the flag is
	driftInterval time.Duration // of drift checks; by default there is none in a scenario
	limited       bool          // the client-side rate limiter has its default rates
}

// open opens a scenario. It runs in parallel to others.
func open(t *testing.T, o options) *scenario {
	t.Helper()
	if cluster == nil {
		t.Skip("scenarios need a control plane; -short omits them")
	}
	t.Parallel()
	if o.driftInterval == 0 {
		o.driftInterval = time.Hour
	}
	name := fmt.Sprintf("t%d", scenarios.Add(1))
	// A join of namespace and name by a dash would make one name of those of tenant and
	// neighbour.
	s := &scenario{T: t, namespace: name, neighbour: name + "-bank", tenantName: "tenant-" + name, options: o}
	createNamespace(t, s.namespace, map[string]string{"tenant": name})
	createNamespace(t, s.neighbour, nil)
	s.tenant = userWith(t, s.tenantName, s.namespace, "podidentity-editor-role", "edit")
	s.openAccount()
	s.start()
	s.createVictim()
	s.before = s.snapshot()
	return s
}

// openAccount opens an AWS account that enforces policies, with the operator's role.
func (s *scenario) openAccount() {
	s.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cluster.CAData)
	s.account = awslocal.New(awslocal.Options{
		Seed: 1, Account: accountID, RootCAs: pool, Authorize: true, AccessKeys: map[string]string{"admin": "secret"},
	})
	server := httptest.NewServer(s.account)
	s.Cleanup(server.Close)
	s.endpoint = server.URL
	s.iam, s.sts = s.awsAs(credentials.NewStaticCredentialsProvider("admin", "secret", ""))
	installed := installation.Installation{
		Root: root, Cluster: clusterName, AccountID: accountID, Issuer: cluster.Issuer, WithoutBoundary: !s.options.boundary,
	}
	_, err := installed.TrustIssuer(s.Context(), s.iam)
	s.must(err)
	s.granted, err = installed.Grant(s.Context(), s.iam)
	s.must(err)
	session, err := s.assume(installation.Namespace, installation.ServiceAccount, s.granted.Role)
	s.must(err)
	s.operator = session
}

// awsAs returns clients of the account.
func (s *scenario) awsAs(provider aws.CredentialsProvider) (*iam.Client, *sts.Client) {
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &s.endpoint, Credentials: provider}
	return iam.NewFromConfig(cfg), sts.NewFromConfig(cfg)
}

// assume assumes a role as a pod of a ServiceAccount does.
func (s *scenario) assume(namespace, serviceAccount, role string) (aws.Credentials, error) {
	s.Helper()
	return s.assumeFor(namespace, serviceAccount, role, plan.DefaultAudience)
}

// assumeFor is assume with a token for an audience.
func (s *scenario) assumeFor(namespace, serviceAccount, role, audience string) (aws.Credentials, error) {
	s.Helper()
	webIdentity, err := token(s.Context(), namespace, serviceAccount, audience)
	s.must(err)
	out, err := s.sts.AssumeRoleWithWebIdentity(s.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: aws.String("pod"), WebIdentityToken: &webIdentity,
	})
	if err != nil {
		return aws.Credentials{}, err
	}
	return aws.Credentials{
		AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken,
	}, nil
}

// start starts the operator, with its own permissions in Kubernetes and AWS.
func (s *scenario) start() {
	s.Helper()
	restConfig, err := cluster.ConfigFor(installation.User())
	s.must(err)
	cacheOptions := controllers.CacheOptions()
	cacheOptions.DefaultNamespaces = map[string]cache.Config{s.namespace: {}, s.neighbour: {}}
	anyName := true
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme: scheme, Cache: cacheOptions,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: &anyName},
	})
	s.must(err)
	var limiter *ratelimit.Limiter
	if s.options.limited {
		const reads, writes = 10, 5 // the defaults of the flags
		limiter = ratelimit.New(reads, writes)
	}
	clients, err := awsiam.NewClients(s.Context(), awsiam.ClientOptions{
		Version: "test", Limiter: limiter,
		Load: []func(*awsconfig.LoadOptions) error{
			awsconfig.WithBaseEndpoint(s.endpoint), awsconfig.WithRegion("us-east-1"),
			awsconfig.WithCredentialsProvider(credentials.StaticCredentialsProvider{Value: s.operator}),
		},
	})
	s.must(err)
	c := controllers.Config{
		ClusterName: clusterName, RolePath: rolePath, Audience: plan.DefaultAudience,
		DriftCheckInterval: s.options.driftInterval, MaxConcurrentReconciles: 4,
	}
	if s.options.boundary {
		c.PermissionsBoundary = s.granted.Boundary
	}
	ctx, cancel := context.WithCancel(s.Context())
	s.must(controllers.Setup(ctx, mgr, c, controllers.AWS{
		Roles: awsiam.NewRoles(clients.IAM), Providers: awsiam.NewProviders(clients.IAM), Account: awsiam.NewAccount(clients.STS),
	}))
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				s.Errorf("the operator ended with: %v", err)
			}
		})
	}
	s.Cleanup(s.stop)
}

// createVictim creates the identity of the other team.
func (s *scenario) createVictim() {
	s.Helper()
	s.must(admin.Create(s.Context(), s.identity(s.neighbour, "checkout", `
		policies:
		  managed: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
		  inline: [{name: money, statements: [{effect: Allow, actions: ["dynamodb:*"], resources: ["*"]}]}]
	`)))
	s.victim = s.awaitReady(s.neighbour, "checkout")
}

// createServiceAccount creates a ServiceAccount in the tenant's namespace.
func (s *scenario) createServiceAccount(name string, annotations map[string]string) {
	s.Helper()
	s.must(s.tenant.Create(s.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name, Annotations: annotations}}))
}

func (s *scenario) must(err error) {
	s.Helper()
	must(s.T, err)
}

func (s *scenario) eventually(what string, check func() bool) {
	s.Helper()
	eventually(s.T, what, check)
}
