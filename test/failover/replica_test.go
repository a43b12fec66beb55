package failover_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/podidentity/podidentity-operator/test/testenv"
)

// env is the environment of the test, and the operator's binary.
type env struct {
	*testenv.Env

	binary string
}

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{Env: testenv.Start(t, testenv.ClusterOptions{}).NewEnv(t, testenv.Options{}), binary: testenv.Build(t)}
	e.TrustIssuer()
	return e
}

// replica is one process of the operator.
type replica struct {
	*testenv.Process

	name string

	mu     sync.Mutex
	counts map[string]int // of calls to AWS, by action
	last   string         // the action at which the process is killed
	hold   string         // the action that gets no answer
}

// startReplica starts a replica with an endpoint of its own, which counts its calls,
// and returns when it is ready. Args are further flags.
func (e *env) startReplica(name string, args ...string) *replica {
	e.Helper()
	r := &replica{name: name, counts: map[string]int{}}
	endpoint := httptest.NewServer(r.counting(e.AWS))
	e.Cleanup(func() {
		endpoint.CloseClientConnections() // of a process that was killed
		endpoint.Close()
	})
	r.Process = e.StartBinary(testenv.Binary{
		Name: name, Path: e.binary, Kubeconfig: e.KubeconfigPath, Endpoint: endpoint.URL,
		Args: append([]string{
			"--cluster-name=failover", "--leader-election-namespace=default", "--leader-election-lease-duration=" + lease.String(),
			"--iam-propagation-delay=0s",
		}, args...),
	})
	return r
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
		_, action, ofQueue := strings.Cut(request.Header.Get("X-Amz-Target"), ".")
		if form, err := url.ParseQuery(string(body)); err == nil && !ofQueue {
			action = form.Get("Action")
		}
		r.mu.Lock()
		r.counts[action]++
		kill, hold := r.last == action, r.hold == action
		r.mu.Unlock()
		if hold {
			<-request.Context().Done()
			return
		}
		next.ServeHTTP(response, request)
		if kill {
			r.Signal(syscall.SIGKILL)
			panic(http.ErrAbortHandler) // no answer
		}
	})
}

// killAt has the process killed when it makes a call: the call takes effect, and there is no
// answer. Until then another call gets no answer either.
func (r *replica) killAt(call, hold string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.hold = call, hold
}

// calls returns the replica's calls to AWS so far, by action.
func (r *replica) calls() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}
