package controllers_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/internal/awsiam"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// story is a namespace, an AWS account and an operator that knows of no others,
// so that stories do not meet though they share a control plane.
type story struct {
	t         *testing.T
	ctx       context.Context
	namespace string
	others    []string // more namespaces of the operator
	config    controllers.Config
	account   *awslocal.Server
	endpoint  string
	iam       *iam.Client // an administrator of the account
	sts       *sts.Client
	writes    *writeCounter
	stop      func() // stops the operator
	unwatch   func() // ends the check of the invariants
	budget    *ratelimit.Limiter
	operator  aws.Credentials // of the operator's role
	refused   *refusals       // by AWS, because a permission is missing
}

// awaitTimeout is the timeout of each wait of a story.
const awaitTimeout = 30 * time.Second

// boundaryARN is a policy of the account that stories may use.
const boundaryARN = "arn:aws:iam::123456789012:policy/boundary"

// begin starts a story with an operator whose configuration edit changes.
func begin(t *testing.T, edits ...func(*controllers.Config)) *story {
	t.Helper()
	t.Parallel()
	s := prepare(t, edits...)
	s.createProvider()
	s.start()
	return s
}

// in returns the story for a subtest.
func (s *story) in(t *testing.T) *story {
	t.Helper()
	other := *s
	other.t = t
	return &other
}

// prepare is begin without a provider and a running operator.
func prepare(t *testing.T, edits ...func(*controllers.Config)) *story {
	t.Helper()
	return prepareIn(t, awslocal.Options{}, edits...)
}

// prepareIn is prepare in an AWS account of one's own choice.
func prepareIn(t *testing.T, options awslocal.Options, edits ...func(*controllers.Config)) *story {
	t.Helper()
	if cluster == nil {
		t.Skip("stories need a control plane; -short runs the unit tests only")
	}
	refused := &refusals{}
	options.Seed, options.RootCAs, options.Log = 1, clusterCA(), slog.New(refused)
	options.Authorize, options.AccessKeys = true, map[string]string{administrator.AccessKeyID: administrator.SecretAccessKey}
	s := &story{
		t:       t,
		ctx:     t.Context(),
		account: awslocal.New(options),
		refused: refused,
		writes:  newWriteCounter(),
		config: controllers.Config{
			ClusterName:             "test",
			RolePath:                "/podidentity/test/",
			Audience:                plan.DefaultAudience,
			DriftCheckInterval:      time.Hour,
			MaxConcurrentReconciles: 2,
		},
	}
	for _, edit := range edits {
		edit(&s.config)
	}
	server := httptest.NewServer(s.account)
	t.Cleanup(server.Close)
	s.endpoint = server.URL
	cfg := aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(s.endpoint),
		Credentials:  credentials.StaticCredentialsProvider{Value: administrator},
	}
	s.iam, s.sts = iam.NewFromConfig(cfg), sts.NewFromConfig(cfg)
	s.createOperator()
	s.createNamespace()
	s.watchInvariants()
	return s
}

var namespaces atomic.Int64

// createNamespace makes the story's namespace and, at the end, deletes what is
// in it; no operator may be left to wait for.
func (s *story) createNamespace() {
	s.t.Helper()
	s.namespace = fmt.Sprintf("story-%d", namespaces.Add(1))
	s.must(user.Create(s.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}))
}

// start starts the operator, as main does.
func (s *story) start() {
	s.t.Helper()
	restConfig := *cluster.Config
	restConfig.Wrap(s.writes.count)
	options := controllers.CacheOptions()
	options.DefaultNamespaces = map[string]cache.Config{s.namespace: {}}
	for _, namespace := range s.others {
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	anyName := true
	mgr, err := ctrl.NewManager(&restConfig, ctrl.Options{
		Scheme:     scheme,
		Cache:      options,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: &anyName},
	})
	s.must(err)
	clients := s.clients()
	ctx, cancel := context.WithCancel(s.ctx)
	connections := controllers.AWS{
		Roles:     awsiam.NewRoles(clients.IAM),
		Providers: awsiam.NewProviders(clients.IAM),
		Account:   awsiam.NewAccount(clients.STS),
	}
	if s.account.Events().Queue != "" {
		connections.Events = clients.EventQueue(s.endpoint + "/123456789012/" + eventQueue)
	}
	s.must(controllers.Setup(ctx, mgr, s.config, connections))
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				s.t.Errorf("the operator ended with: %v", err)
			}
		})
	}
	s.t.Cleanup(s.stop)
}

// clients returns the operator's own clients, pointed at the story's account.
func (s *story) clients() *awsiam.Clients {
	s.t.Helper()
	clients, err := awsiam.NewClients(s.ctx, awsiam.ClientOptions{
		Version:        "test",
		Limiter:        s.budget,
		OnAttempt:      func(c awsiam.Attempt) { controllers.ObserveAWSRequest(c.Operation, c.Outcome, c.Duration) },
		OnThrottleWait: controllers.ObserveRateLimitWait,
		Load: []func(*awsconfig.LoadOptions) error{
			awsconfig.WithBaseEndpoint(s.endpoint),
			awsconfig.WithCredentialsProvider(credentials.StaticCredentialsProvider{Value: s.operator}),
		},
	})
	s.must(err)
	return clients
}

// createProvider has the account trust the cluster's issuer.
func (s *story) createProvider() {
	s.t.Helper()
	_, err := s.iam.CreateOpenIDConnectProvider(s.ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String(cluster.Issuer), ClientIDList: []string{plan.DefaultAudience},
	})
	s.must(err)
}

// clusterCA returns what the issuer's certificate is proven by.
func clusterCA() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cluster.CAData)
	return pool
}

// apply applies YAML as kubectl does, in the story's namespace.
func (s *story) apply(manifest string) *v1alpha1.PodIdentity {
	s.t.Helper()
	pi, err := s.tryApply(manifest)
	s.must(err)
	return pi
}

func (s *story) tryApply(manifest string) (*v1alpha1.PodIdentity, error) {
	s.t.Helper()
	var content map[string]any
	s.must(yaml.Unmarshal([]byte("apiVersion: iam.podidentity.io/v1alpha1\nkind: PodIdentity\n"+dedent(manifest)), &content))
	u := unstructuredOf(content, s.namespace)
	err := user.Apply(s.ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("story"), client.ForceOwnership)
	if err != nil {
		return nil, err
	}
	return s.get(u.GetName()), nil
}

// get returns the PodIdentity, nil if there is none.
func (s *story) get(name string) *v1alpha1.PodIdentity {
	s.t.Helper()
	pi := &v1alpha1.PodIdentity{}
	err := user.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, pi)
	if apierrors.IsNotFound(err) {
		return nil
	}
	s.must(err)
	return pi
}

func (s *story) delete(name string) {
	s.t.Helper()
	s.must(user.Delete(s.ctx, &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}}))
}

// eventually waits until check is true.
func (s *story) eventually(what string, check func() bool) {
	s.t.Helper()
	err := wait.PollUntilContextTimeout(s.ctx, 20*time.Millisecond, awaitTimeout, true, func(context.Context) (bool, error) { return check(), nil })
	if err != nil {
		s.t.Fatalf("timed out waiting for %s", what)
	}
}

// awaitReady waits until the identity is ready at its newest generation.
func (s *story) awaitReady(name string) *v1alpha1.PodIdentity {
	s.t.Helper()
	return s.await(name, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
}

// await waits until a condition of the newest generation says so.
func (s *story) await(name, kind string, status metav1.ConditionStatus, reason string) *v1alpha1.PodIdentity {
	s.t.Helper()
	var pi *v1alpha1.PodIdentity
	err := wait.PollUntilContextTimeout(s.ctx, 20*time.Millisecond, awaitTimeout, true, func(context.Context) (bool, error) {
		if pi = s.get(name); pi == nil {
			return false, nil
		}
		c := meta.FindStatusCondition(pi.Status.Conditions, kind)
		return c != nil && c.Status == status && c.Reason == reason && c.ObservedGeneration == pi.Generation, nil
	})
	if err != nil {
		s.t.Fatalf("timed out waiting for %s of %s to be %s because of %s; it is:\n%s", kind, name, status, reason, describe(pi))
	}
	return pi
}

// awaitGone waits until the object is gone.
func (s *story) awaitGone(name string) {
	s.t.Helper()
	s.eventually(name+" to be gone", func() bool { return s.get(name) == nil })
}

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// describe prints the status for a message.
func describe(pi *v1alpha1.PodIdentity) string {
	if pi == nil {
		return "not there"
	}
	out, err := yaml.Marshal(pi.Status)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// dedent removes the indentation of the first line from all lines, so that YAML
// stands in a test as the test is indented.
func dedent(text string) string {
	text = strings.Trim(text, "\n")
	indent := len(text) - len(strings.TrimLeft(text, "\t"))
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, strings.Repeat("\t", indent))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\t\n") + "\n"
}
