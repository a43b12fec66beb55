package controllers_test

import (
	"net/http"
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
// those aside that the API server refused because of a conflict.
type writeCounter struct {
	mu     sync.Mutex
	writes []string // method and path
}

// count wraps the transport of the operator's client.
func (w *writeCounter) count(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		refused := err == nil && response.StatusCode == http.StatusConflict
		if r.Method != http.MethodGet && !strings.Contains(r.URL.Path, "/events") && !refused {
			w.mu.Lock()
			w.writes = append(w.writes, r.Method+" "+r.URL.Path)
			w.mu.Unlock()
		}
		return response, err
	})
}

// all returns the writes so far.
func (w *writeCounter) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.writes...)
}

func (w *writeCounter) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes = nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// watchInvariants checks the conditions of every version of every PodIdentity in
// the story's namespace.
func (s *story) watchInvariants() {
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
	s.t.Cleanup(func() { w.Stop(); <-done })
}
