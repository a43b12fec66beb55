package failover_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
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
}

// startReplica starts a replica with an endpoint of its own, which counts its calls,
// and returns when it is ready.
func (e *env) startReplica(name string) *replica {
	e.Helper()
	r := &replica{name: name, counts: map[string]int{}}
	endpoint := httptest.NewServer(r.counting(e.AWS))
	e.Cleanup(endpoint.Close)
	r.Process = e.StartBinary(testenv.Binary{
		Name: name, Path: e.binary, Kubeconfig: e.KubeconfigPath, Endpoint: endpoint.URL,
		Args: []string{
			"--cluster-name=failover", "--leader-election-namespace=default", "--leader-election-lease-duration=" + lease.String(),
			"--iam-propagation-delay=0s",
		},
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
