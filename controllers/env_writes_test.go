package controllers_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

func unstructuredOf(content map[string]any, namespace string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: content}
	u.SetNamespace(namespace)
	return u
}

// writeCounter counts the operator's writes to the API server, events aside, and
// those aside that the API server rejected because of a conflict.
type writeCounter struct {
	mu       sync.Mutex
	answered sync.Cond // signals each answer of the API server
	inFlight int       // writes without an answer
	writes   []string  // method and path
}

func newWriteCounter() *writeCounter {
	w := &writeCounter{}
	w.answered.L = &w.mu
	return w
}

// count wraps the transport of the operator's client. A write is in flight until it is
// counted, so that no test sees the effect of a write that is not counted.
func (w *writeCounter) count(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet || strings.Contains(r.URL.Path, "/events") {
			return next.RoundTrip(r)
		}
		w.begin()
		response, err := next.RoundTrip(r)
		rejected := err == nil && response.StatusCode == http.StatusConflict
		w.end(r.Method+" "+r.URL.Path, rejected)
		return response, err
	})
}

func (w *writeCounter) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight++
}

func (w *writeCounter) end(write string, rejected bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight--
	if !rejected {
		w.writes = append(w.writes, write)
	}
	w.answered.Broadcast()
}

// all returns the writes so far, those in flight included: it waits for their answers.
func (w *writeCounter) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.awaitAnswers()
	return slices.Clone(w.writes)
}

// reset forgets the writes so far, those in flight included.
func (w *writeCounter) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.awaitAnswers()
	w.writes = nil
}

func (w *writeCounter) awaitAnswers() {
	for w.inFlight > 0 {
		w.answered.Wait()
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// watchInvariants checks the conditions of every version of every PodIdentity in
// the namespace, until unwatch is called.
func (s *env) watchInvariants() {
	s.t.Helper()
	w, err := user.Watch(s.ctx, &v1alpha1.PodIdentityList{}, client.InNamespace(s.namespace))
	s.must(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range w.ResultChan() {
			if pi, ok := event.Object.(*v1alpha1.PodIdentity); ok {
				for _, violation := range violations(pi) {
					s.t.Errorf("%s at generation %d: %s\n%s", pi.Name, pi.Generation, violation, describe(pi))
				}
			}
		}
	}()
	s.unwatch = sync.OnceFunc(func() { w.Stop(); <-done })
	s.t.Cleanup(s.unwatch)
}
