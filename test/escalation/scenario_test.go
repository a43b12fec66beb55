package escalation_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
	"github.com/podidentity/podidentity-operator/test/installation"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

// A scenario is a namespace of a tenant, a namespace of another team with an identity
// that is ready, an AWS account, and an operator that knows no others.
type scenario struct {
	*testenv.Env

	namespace, otherNamespace string
	tenantName                string
	tenant                    client.Client // edits the namespace, and has no other permission
	options                   options
	account                   *testenv.Account
	iam                       *iam.Client // of an administrator of the account
	sts                       *sts.Client
	granted                   installation.Granted // to the operator
	operator                  aws.Credentials
	victim                    *v1alpha1.PodIdentity // the identity of the other team
	stop                      func()                // stops the operator
	before                    snapshot
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
	// otherNamespace.
	s := &scenario{
		Env:       cluster.NewEnv(t, testenv.Options{Namespace: name, Timeout: timeout}),
		namespace: name, otherNamespace: name + "-bank", tenantName: "tenant-" + name, options: o,
	}
	createNamespace(t, s.namespace, map[string]string{"tenant": name})
	createNamespace(t, s.otherNamespace, nil)
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
	s.account, s.iam, s.sts = s.AWS, s.AWS.IAM, s.AWS.STS
	i := s.Installation(clusterName)
	i.WithoutBoundary = !s.options.boundary
	s.granted = s.Grant(i)
	session, err := s.assume(installation.Namespace, installation.ServiceAccount, s.granted.Role)
	s.must(err)
	s.operator = session
}

// awsAs returns clients of the account.
func (s *scenario) awsAs(provider aws.CredentialsProvider) (*iam.Client, *sts.Client) {
	cfg := s.AWS.ConfigFor(provider)
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
	kubernetes, err := cluster.ConfigFor(installation.User())
	s.must(err)
	o := testenv.Operator{
		Config: testenv.DefaultConfig(clusterName), Kubernetes: kubernetes, Namespaces: []string{s.namespace, s.otherNamespace},
		AWS: credentials.StaticCredentialsProvider{Value: s.operator},
	}
	o.Config.DriftCheckInterval, o.Config.MaxConcurrentReconciles = s.options.driftInterval, 4
	if s.options.limited {
		const reads, writes = 10, 5 // the defaults of the flags
		o.Limiter = ratelimit.New(reads, writes)
	}
	if s.options.boundary {
		o.Config.PermissionsBoundary = s.granted.Boundary
	}
	s.stop = s.StartOperator(o)
}

// createVictim creates the identity of the other team.
func (s *scenario) createVictim() {
	s.Helper()
	s.must(admin.Create(s.Context(), s.identity(s.otherNamespace, "checkout", `
		policies:
		  managed: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
		  inline: [{name: money, statements: [{effect: Allow, actions: ["dynamodb:*"], resources: ["*"]}]}]
	`)))
	s.victim = s.awaitReady(s.otherNamespace, "checkout")
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
