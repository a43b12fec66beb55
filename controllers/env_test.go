package controllers_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

// env is a namespace, an AWS account and an operator that knows of no others, so that tests
// do not meet though they share a control plane.
type env struct {
	*testenv.Env

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
	rejected  *rejections     // by AWS, because a permission is missing
}

// awaitTimeout is the timeout of each wait.
const awaitTimeout = 30 * time.Second

// boundaryARN is a policy of the account that tests may use.
const boundaryARN = "arn:aws:iam::123456789012:policy/boundary"

// startEnv returns an environment with an operator, whose configuration edits change.
func startEnv(t *testing.T, edits ...func(*controllers.Config)) *env {
	t.Helper()
	t.Parallel()
	s := newEnv(t, edits...)
	s.createProvider()
	s.start()
	return s
}

// in returns the environment for a subtest.
func (s *env) in(t *testing.T) *env {
	t.Helper()
	other := *s
	other.t, other.Env = t, s.In(t)
	return &other
}

// newEnv is startEnv without a provider and a running operator.
func newEnv(t *testing.T, edits ...func(*controllers.Config)) *env {
	t.Helper()
	return newEnvIn(t, awslocal.Options{}, edits...)
}

// newEnvIn is newEnv with options of the AWS account.
func newEnvIn(t *testing.T, options awslocal.Options, edits ...func(*controllers.Config)) *env {
	t.Helper()
	if cluster == nil {
		t.Skip("the test needs a control plane; -short runs the unit tests only")
	}
	rejected := &rejections{}
	options.Log = slog.New(rejected)
	e := cluster.NewEnv(t, testenv.Options{AWS: options, Namespace: fmt.Sprintf("test-%d", namespaces.Add(1)), Timeout: awaitTimeout})
	s := &env{
		Env: e, t: t, ctx: t.Context(), namespace: e.Namespace,
		account: e.AWS.Server, endpoint: e.AWS.URL, iam: e.AWS.IAM, sts: e.AWS.STS,
		rejected: rejected,
		writes:   newWriteCounter(),
		config:   testenv.DefaultConfig("test"),
	}
	for _, edit := range edits {
		edit(&s.config)
	}
	s.createOperator()
	s.must(cluster.CreateNamespace(s.ctx, s.namespace, nil))
	s.watchInvariants()
	return s
}

var namespaces atomic.Int64

// start starts the operator, as main does.
func (s *env) start() {
	s.t.Helper()
	s.stop = s.StartOperator(s.operatorOptions())
}

func (s *env) operatorOptions() testenv.Operator {
	kubernetes := *cluster.Config
	kubernetes.Wrap(s.writes.count)
	o := testenv.Operator{
		Config: s.config, Kubernetes: &kubernetes, Namespaces: append([]string{s.namespace}, s.others...),
		AWS: credentials.StaticCredentialsProvider{Value: s.operator}, Endpoint: s.endpoint, Limiter: s.budget,
	}
	if s.account.Events().Queue != "" {
		o.EventQueue = s.endpoint + "/" + testenv.AccountID + "/" + eventQueue
	}
	return o
}

// createProvider has the account trust the cluster's issuer.
func (s *env) createProvider() {
	s.t.Helper()
	s.TrustIssuer()
}

// apply applies YAML as kubectl does, in the namespace.
func (s *env) apply(manifest string) *v1alpha1.PodIdentity {
	s.t.Helper()
	pi, err := s.tryApply(manifest)
	s.must(err)
	return pi
}

func (s *env) tryApply(manifest string) (*v1alpha1.PodIdentity, error) {
	s.t.Helper()
	var content map[string]any
	s.must(yaml.Unmarshal([]byte("apiVersion: iam.podidentity.io/v1alpha1\nkind: PodIdentity\n"+dedent(manifest)), &content))
	u := unstructuredOf(content, s.namespace)
	err := user.Apply(s.ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("team"), client.ForceOwnership)
	if err != nil {
		return nil, err
	}
	return s.get(u.GetName()), nil
}

// get returns the PodIdentity, nil if there is none.
func (s *env) get(name string) *v1alpha1.PodIdentity {
	s.t.Helper()
	return s.Get(name)
}

func (s *env) delete(name string) {
	s.t.Helper()
	s.Delete(name)
}

// eventually waits until check is true.
func (s *env) eventually(what string, check func() bool) {
	s.t.Helper()
	s.Eventually(what, check)
}

// awaitReady waits until the identity is ready at its newest generation.
func (s *env) awaitReady(name string) *v1alpha1.PodIdentity {
	s.t.Helper()
	return s.AwaitReady(name)
}

// await waits until a condition of the newest generation has the status.
func (s *env) await(name, kind string, status metav1.ConditionStatus, reason string) *v1alpha1.PodIdentity {
	s.t.Helper()
	return s.Await(name, kind, status, reason)
}

// awaitGone waits until the object is gone.
func (s *env) awaitGone(name string) {
	s.t.Helper()
	s.AwaitGone(name)
}

func (s *env) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// describe prints the status for a message.
func describe(pi *v1alpha1.PodIdentity) string { return testenv.Status(pi) }

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
