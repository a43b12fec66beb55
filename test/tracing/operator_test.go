package tracing_test

import (
	"context"
	"crypto/x509"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	// The test builds the operator, which the cache of go test does not know otherwise.
	_ "github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
	"github.com/podidentity/podidentity-operator/test/tracing"
)

const (
	region  = "eu-west-1"
	timeout = time.Minute
	secret  = "the-secret-access-key"
	marker  = "only-in-the-document"
)

// The operator's own binary sends what it does to a collector: a reconcile, its phases,
// and their calls to AWS, without what is secret; and a collector that stops answering
// neither delays an identity nor the end of the process.
func TestOperator_SendsTraces(t *testing.T) {
	w := open(t)
	stop := w.startOperator()

	w.create("checkout")
	w.awaitReady("checkout")
	tree := w.awaitTrace("checkout")
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
	w.await("a trace of the drift check", func() bool {
		return slices.ContainsFunc(w.collector.Trees(), func(n *tracing.Node) bool { return n.Find("drift check") != nil })
	})

	w.create("rejected")
	w.await("a trace of the failure", func() bool {
		return slices.ContainsFunc(w.collector.Trees(), func(n *tracing.Node) bool {
			return n.Attribute("podidentity.name") == "rejected" && n.Attribute("podidentity.reason") == v1alpha1.ReasonGuardrailViolated &&
				n.Find("evaluate guardrails").Attribute("error.type") == v1alpha1.ReasonGuardrailViolated
		})
	})
	said := w.collector.Text(t)
	for _, hidden := range []string{marker, secret, "Statement", "eyJ", "AKIA"} {
		if strings.Contains(said, hidden) {
			t.Errorf("the spans contain %q", hidden)
		}
	}

	w.collector.Silence(true)
	w.create("second")
	w.awaitReady("second")
	w.await("a batch without an answer", func() bool { return w.collector.Waiting() > 0 })
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

// world is a cluster, an AWS account, and a collector of traces.
type world struct {
	*testing.T
	cluster   *controlplane.ControlPlane
	user      client.Client
	endpoint  string
	collector *tracing.Receiver
}

func open(t *testing.T) *world {
	t.Helper()
	logf.SetLogger(logr.Discard())
	w := &world{T: t, collector: tracing.Start(t)}
	var err error
	w.cluster, err = controlplane.Start(t.Context(), controlplane.Options{CRDPaths: []string{"../../config/crd/bases"}})
	w.must(err)
	t.Cleanup(func() { w.must(w.cluster.Stop()) })
	scheme := runtime.NewScheme()
	w.must(v1alpha1.AddToScheme(scheme))
	w.user, err = client.New(w.cluster.Config, client.Options{Scheme: scheme})
	w.must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.cluster.CAData)
	server := httptest.NewServer(awslocal.New(awslocal.Options{Seed: 1, RootCAs: pool}))
	t.Cleanup(server.Close)
	w.endpoint = server.URL
	admin := iam.NewFromConfig(aws.Config{
		Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("admin", secret, ""),
	})
	_, err = admin.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: &w.cluster.Issuer, ClientIDList: []string{"sts.amazonaws.com"},
	})
	w.must(err)
	return w
}

// startOperator starts the operator, and returns how to stop it as Kubernetes does.
func (w *world) startOperator() (stop func()) {
	w.Helper()
	binary := filepath.Join(w.TempDir(), "manager")
	w.must(installation.Build(w.Context(), "../..", binary))
	log, err := os.Create(filepath.Join(w.TempDir(), "log"))
	w.must(err)
	cmd := exec.CommandContext(w.Context(), binary,
		"--cluster-name=traced", "--leader-election-namespace=default", "--iam-propagation-delay=0s", "--drift-check-interval=1s",
		"--health-probe-bind-address=0", "--metrics-bind-address=0", "--otlp-endpoint="+w.collector.URL,
	)
	cmd.Env = controlplane.Environ(map[string]string{
		"KUBECONFIG": w.cluster.KubeconfigPath, "AWS_ENDPOINT_URL": w.endpoint, "AWS_REGION": region,
		"AWS_ACCESS_KEY_ID": "admin", "AWS_SECRET_ACCESS_KEY": secret, "OTEL_BSP_SCHEDULE_DELAY": "50",
	})
	cmd.Stdout, cmd.Stderr = log, log
	w.must(cmd.Start())
	stop = func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Signal(syscall.SIGTERM) // fails only if it has ended
			_ = cmd.Wait()                          // the signal ended it
		}
	}
	w.Cleanup(func() {
		stop()
		if said, err := os.ReadFile(log.Name()); err == nil && w.Failed() {
			w.Logf("the operator:\n%s", said)
		}
	})
	return stop
}

// create creates an identity whose policy has the marker; the one called rejected asks
// for what the baseline rejects.
func (w *world) create(name string) {
	w.Helper()
	action := v1alpha1.Action("s3:GetObject")
	if name == "rejected" {
		action = "iam:*"
	}
	w.must(w.user.Create(w.Context(), &v1alpha1.PodIdentity{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: v1alpha1.PodIdentitySpec{Policies: v1alpha1.PoliciesSpec{Inline: []v1alpha1.InlinePolicy{{
			Name: "p", Statements: []v1alpha1.Statement{{Effect: "Allow", Actions: []v1alpha1.Action{action}, Resources: []v1alpha1.Resource{"arn:aws:s3:::" + marker + "/*"}}},
		}}}},
	}))
}

func (w *world) awaitReady(name string) {
	w.Helper()
	w.await(name+" to be ready", func() bool {
		pi := &v1alpha1.PodIdentity{}
		w.must(w.user.Get(w.Context(), client.ObjectKey{Namespace: "default", Name: name}, pi))
		return meta.IsStatusConditionTrue(pi.Status.Conditions, v1alpha1.ConditionReady)
	})
}

// awaitTrace waits for the trace of the reconcile that created the role of an identity.
func (w *world) awaitTrace(name string) *tracing.Node {
	w.Helper()
	var found *tracing.Node
	w.await("the trace of "+name, func() bool {
		for _, n := range w.collector.Trees() {
			if n.Attribute("podidentity.name") == name && n.Attribute("k8s.namespace.name") == "default" && n.Find("IAM/CreateRole") != nil {
				found = n
			}
		}
		return found != nil && found.Find("count pods") != nil
	})
	return found
}

func (w *world) await(what string, check func() bool) {
	w.Helper()
	err := wait.PollUntilContextTimeout(w.Context(), 20*time.Millisecond, timeout, true, func(context.Context) (bool, error) { return check(), nil })
	if err != nil {
		w.Fatalf("timed out waiting for %s; spans:\n%s", what, w.collector.Text(w.T))
	}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}
