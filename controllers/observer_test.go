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
// those aside that the API server refused because of a conflict.
type writeCounter struct {
	mu     sync.Mutex
	writes []string // method and path
}

// count wraps the transport of the operator's client. It counts a write before the API
// server answers, so that no test sees a write that is not counted.
func (w *writeCounter) count(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet || strings.Contains(r.URL.Path, "/events") {
			return next.RoundTrip(r)
		}
		write := r.Method + " " + r.URL.Path
		w.add(write)
		response, err := next.RoundTrip(r)
		if err == nil && response.StatusCode == http.StatusConflict {
			w.remove(write)
		}
		return response, err
	})
}

func (w *writeCounter) add(write string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes = append(w.writes, write)
}

// remove removes a write that the API server rejected.
func (w *writeCounter) remove(write string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.writes, write); i >= 0 {
		w.writes = slices.Delete(w.writes, i, i+1)
	}
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
