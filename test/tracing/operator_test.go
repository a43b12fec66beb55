package tracing_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/testenv"
	"github.com/podidentity/podidentity-operator/test/tracing"
)

const marker = "only-in-the-document"

// The operator's own binary sends what it does to a collector: a reconcile, its phases,
// and their calls to AWS, without what is secret; and a collector that stops answering
// neither delays an identity nor the end of the process.
func TestOperator_SendsTraces(t *testing.T) {
	e := newEnv(t)
	stop := e.startOperator()

	e.create("checkout")
	e.AwaitReady("checkout")
	tree := e.awaitTrace("checkout")
	for _, path := range [][]string{
		{"reconcile", "evaluate guardrails"},
		{"reconcile", "reconcile the role", "IAM/CreateRole"},
		{"reconcile", "reconcile the role", "IAM/PutRolePolicy"},
		{"reconcile", "reconcile the ServiceAccounts"},
		{"reconcile", "count pods"},
	} {
		if !follow(tree, path...) {
			t.Errorf("no spans %s below each other", strings.Join(path, " → "))
		}
	}
	call := tree.Find("IAM/CreateRole")
	for key, want := range map[string]string{"rpc.system": "aws-api", "rpc.service": "IAM", "rpc.method": "CreateRole"} {
		if got := call.Attribute(key); got != want {
			t.Errorf("%s of the call is %q, want %q", key, got, want)
		}
	}
	if call.Attribute("aws.request_id") == "" || len(call.Span.Events) == 0 {
		t.Errorf("the call has neither request ID nor attempts: %v", call.Span)
	}
	e.await("a trace of the drift check", func() bool {
		return slices.ContainsFunc(e.collector.Trees(), func(n *tracing.Node) bool { return n.Find("drift check") != nil })
	})

	e.create("rejected")
	e.await("a trace of the failure", func() bool {
		return slices.ContainsFunc(e.collector.Trees(), func(n *tracing.Node) bool {
			return n.Attribute("podidentity.name") == "rejected" && n.Attribute("podidentity.reason") == v1alpha1.ReasonGuardrailViolated &&
				n.Find("evaluate guardrails").Attribute("error.type") == v1alpha1.ReasonGuardrailViolated
		})
	})
	said := e.collector.Text(t)
	for _, hidden := range []string{marker, testenv.Administrator().SecretAccessKey, "Statement", "eyJ", "AKIA"} {
		if strings.Contains(said, hidden) {
			t.Errorf("the spans contain %q", hidden)
		}
	}

	e.collector.Silence(true)
	e.create("second")
	e.AwaitReady("second")
	e.await("a batch without an answer", func() bool { return e.collector.Waiting() > 0 })
	began := time.Now()
	stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the operator took %v to stop while the collector did not answer", took)
	}
}

// follow reports whether spans of these names are below each other.
func follow(n *tracing.Node, path ...string) bool {
	if n == nil || n.Span.Name != path[0] {
		return false
	}
	return len(path) == 1 || slices.ContainsFunc(n.Below, func(below *tracing.Node) bool { return follow(below, path[1:]...) })
}

// env is a cluster, an AWS account, and a collector of traces.
type env struct {
	*testenv.Env

	collector *tracing.Receiver
}

func newEnv(t *testing.T) *env {
	t.Helper()
	collector := tracing.Start(t)
	e := &env{Env: testenv.Start(t, testenv.ClusterOptions{}).NewEnv(t, testenv.Options{}), collector: collector}
	e.TrustIssuer()
	return e
}

// startOperator starts the operator, and returns how to stop it as Kubernetes does.
func (e *env) startOperator() (stop func()) {
	e.Helper()
	operator := e.StartBinary(testenv.Binary{
		Path: testenv.Build(e.T), Kubeconfig: e.KubeconfigPath, Env: map[string]string{"OTEL_BSP_SCHEDULE_DELAY": "50"},
		Args: []string{
			"--cluster-name=traced", "--leader-election-namespace=default", "--iam-propagation-delay=0s", "--drift-check-interval=1s",
			"--otlp-endpoint=" + e.collector.URL,
		},
	})
	return func() { operator.Signal(syscall.SIGTERM) }
}

// create creates an identity whose policy has the marker; the one called rejected asks
// for what the baseline rejects.
func (e *env) create(name string) {
	e.Helper()
	action := v1alpha1.Action("s3:GetObject")
	if name == "rejected" {
		action = "iam:*"
	}
	e.Must(e.Client.Create(e.Context(), &v1alpha1.PodIdentity{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: v1alpha1.PodIdentitySpec{Policies: v1alpha1.PoliciesSpec{Inline: []v1alpha1.InlinePolicy{{
			Name: "p", Statements: []v1alpha1.Statement{{Effect: "Allow", Actions: []v1alpha1.Action{action}, Resources: []v1alpha1.Resource{"arn:aws:s3:::" + marker + "/*"}}},
		}}}},
	}))
}

// awaitTrace waits for the trace of the reconcile that created the role of an identity.
func (e *env) awaitTrace(name string) *tracing.Node {
	e.Helper()
	var found *tracing.Node
	e.await("the trace of "+name, func() bool {
		for _, n := range e.collector.Trees() {
			if n.Attribute("podidentity.name") == name && n.Attribute("k8s.namespace.name") == "default" && n.Find("IAM/CreateRole") != nil {
				found = n
			}
		}
		return found != nil && found.Find("count pods") != nil
	})
	return found
}

// await waits until check returns true. The message of a failure contains the spans.
func (e *env) await(what string, check func() bool) {
	e.Helper()
	e.Eventually(what, check, func() string { return e.collector.Text(e.T) })
}
