package failover_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	// The test builds the operator, which the cache of go test does not know otherwise.
	_ "github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane"
)

const (
	region  = "eu-west-1"
	timeout = time.Minute
)

// world is a cluster and an AWS account.
type world struct {
	*testing.T
	cluster *controlplane.ControlPlane
	user    client.Client
	account *awslocal.Server
	binary  string // the operator
}

func open(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, binary: filepath.Join(t.TempDir(), "manager")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", w.binary, ".")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the operator: %v\n%s", err, out)
	}
	var err error
	w.cluster, err = controlplane.Start(t.Context(), controlplane.Options{CRDPaths: []string{"../../config/crd/bases"}})
	w.must(err)
	t.Cleanup(func() { w.must(w.cluster.Stop()) })
	scheme := runtime.NewScheme()
	w.must(v1alpha1.AddToScheme(scheme))
	w.user, err = client.New(w.cluster.Config, client.Options{Scheme: scheme})
	w.must(err)
	w.openAccount()
	return w
}

// openAccount opens an AWS account that trusts the cluster's issuer.
func (w *world) openAccount() {
	w.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.cluster.CAData)
	w.account = awslocal.New(awslocal.Options{Seed: 1, RootCAs: pool})
	server := httptest.NewServer(w.account)
	w.Cleanup(server.Close)
	admin := iam.NewFromConfig(aws.Config{
		Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("admin", "secret", ""),
	})
	_, err := admin.CreateOpenIDConnectProvider(w.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: &w.cluster.Issuer, ClientIDList: []string{"sts.amazonaws.com"},
	})
	w.must(err)
}

// replica is one process of the operator.
type replica struct {
	*world
	name string
	cmd  *exec.Cmd

	mu     sync.Mutex
	counts map[string]int // of calls to AWS, by action
}

// startReplica starts a replica with an endpoint of its own, which counts its calls,
// and returns when it is ready.
func (w *world) startReplica(name string) *replica {
	w.Helper()
	r := &replica{world: w, name: name, counts: map[string]int{}}
	endpoint := httptest.NewServer(r.counting(w.account))
	w.Cleanup(endpoint.Close)
	free, err := controlplane.FreeAddresses(1)
	w.must(err)
	log, err := os.Create(filepath.Join(w.TempDir(), name+".log"))
	w.must(err)
	w.Cleanup(func() { w.tell(log) })
	r.cmd = exec.CommandContext(w.Context(), w.binary,
		"--cluster-name=failover", "--leader-election-namespace=default", "--leader-election-lease-duration="+lease.String(),
		"--iam-propagation-delay=0s", "--health-probe-bind-address="+free[0], "--metrics-bind-address=0",
	)
	r.cmd.Env = controlplane.Environ(map[string]string{
		"KUBECONFIG": w.cluster.KubeconfigPath, "AWS_ENDPOINT_URL": endpoint.URL, "AWS_REGION": region,
		"AWS_ACCESS_KEY_ID": "admin", "AWS_SECRET_ACCESS_KEY": "secret",
	})
	r.cmd.Stdout, r.cmd.Stderr = log, log
	w.must(r.cmd.Start())
	w.Cleanup(func() { r.end(syscall.SIGKILL) })
	r.await("it to be ready", func() bool {
		request, err := http.NewRequestWithContext(w.Context(), http.MethodGet, "http://"+free[0]+"/readyz", nil)
		w.must(err)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		return response.Body.Close() == nil && response.StatusCode == http.StatusOK
	})
	return r
}

// tell prints the log of a replica if the test has failed.
func (w *world) tell(log *os.File) {
	defer log.Close() //nolint:errcheck // the test is over
	if said, err := os.ReadFile(log.Name()); err == nil && w.Failed() {
		w.Logf("%s:\n%s", filepath.Base(log.Name()), said)
	}
}

// counting counts the calls that next answers.
func (r *replica) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			http.Error(response, err.Error(), http.StatusBadRequest)
			return
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		if form, err := url.ParseQuery(string(body)); err == nil {
			r.mu.Lock()
			r.counts[form.Get("Action")]++
			r.mu.Unlock()
		}
		next.ServeHTTP(response, request)
	})
}

// calls returns the replica's calls to AWS so far, by action.
func (r *replica) calls() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}

// end sends the replica a signal, and waits for its end.
func (r *replica) end(signal syscall.Signal) {
	if r.cmd.ProcessState != nil {
		return
	}
	_ = r.cmd.Process.Signal(signal) // fails only if it has ended
	_ = r.cmd.Wait()                 // the signal ended it
}

// await waits until check is true.
func (r *replica) await(what string, check func() bool) {
	r.Helper()
	err := wait.PollUntilContextTimeout(r.Context(), 20*time.Millisecond, timeout, true, func(context.Context) (bool, error) { return check(), nil })
	if err != nil {
		r.Fatalf("the %s replica: timed out waiting for %s", r.name, what)
	}
}

// awaitReady waits until an identity is ready at its newest generation, and returns
// when that was found.
func (w *world) awaitReady(name string) time.Time {
	w.Helper()
	err := wait.PollUntilContextTimeout(w.Context(), 20*time.Millisecond, timeout, true, func(context.Context) (bool, error) {
		pi := w.get(name)
		ready := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == pi.Generation, nil
	})
	if err != nil {
		w.Fatalf("timed out waiting for %s to be ready: %+v", name, w.get(name).Status.Conditions)
	}
	return time.Now()
}

func (w *world) get(name string) *v1alpha1.PodIdentity {
	w.Helper()
	pi := &v1alpha1.PodIdentity{}
	w.must(w.user.Get(w.Context(), client.ObjectKey{Namespace: "default", Name: name}, pi))
	return pi
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}
