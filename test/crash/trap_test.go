package crash_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A point is a call to AWS or a write to the API server: the n-th of that name.
type point struct {
	name string
	n    int
}

func (p point) String() string { return fmt.Sprintf("%s #%d", p.name, p.n) }

// A crash kills an operator at a point: before the call is made, or after the answer has
// come and before the operator gets it.
type crash struct {
	point
	after bool
}

func (c crash) String() string {
	if c.after {
		return "after " + c.point.String()
	}
	return "before " + c.point.String()
}

// A trap is between an operator's process and the servers that it calls. It kills the process when
// it comes to a point; from then on nothing passes.
type trap struct {
	kill chan func() // of the process, once it is known

	mu     sync.Mutex
	crash  *crash // nil if the process is to live
	seen   map[string]int
	points []point
	last   time.Time // when the last point was reached
	dead   bool
}

func newTrap(c *crash) *trap {
	t := &trap{kill: make(chan func(), 1)}
	t.set(c)
	return t
}

// set forgets the points that were reached, and sets the point of the next crash.
func (t *trap) set(c *crash) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.crash, t.seen, t.points = c, map[string]int{}, nil
}

// reached returns the points since the last set, in their order.
func (t *trap) reached() []point {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.points
}

// quietFor returns for how long no point has been reached.
func (t *trap) quietFor() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.last)
}

// sprung reports whether the process was killed.
func (t *trap) sprung() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dead
}

// errKilled stands for the answer that a dead process does not get.
var errKilled = errors.New("the operator was killed")

// pass lets a request pass that is a point if it has a name.
func (t *trap) pass(r *http.Request, name string, next http.RoundTripper) (*http.Response, error) {
	here, dead := t.reach(name)
	if dead {
		return nil, errKilled
	}
	if here != nil && !here.after {
		t.spring()
		return nil, errKilled
	}
	response, err := next.RoundTrip(r)
	if here != nil {
		if err == nil {
			_ = response.Body.Close()
		}
		t.spring()
		return nil, errKilled
	}
	return response, err
}

// reach counts a point. It returns the crash that is to happen there, if any, and
// whether the process is dead already.
func (t *trap) reach(name string) (here *crash, dead bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dead || name == "" {
		return nil, t.dead
	}
	t.seen[name]++
	p := point{name, t.seen[name]}
	t.points, t.last = append(t.points, p), time.Now()
	if t.crash == nil || t.crash.point != p {
		return nil, false
	}
	return t.crash, false
}

// spring kills the process. It returns when that is dead, so that nothing is
// answered before.
func (t *trap) spring() {
	t.mu.Lock()
	t.dead = true
	t.mu.Unlock()
	kill := <-t.kill
	kill()
}

// A namer returns the name of the point that a request is, empty if it is none.
type namer func(*http.Request) (string, error)

// toAWS names calls by their actions; all are points.
func toAWS(r *http.Request) (string, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if _, action, ofQueue := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ofQueue {
		return action, nil
	}
	return form.Get("Action"), nil
}

// toKubernetes names writes by method and object, whatever their namespace.
func toKubernetes(r *http.Request) (string, error) {
	if r.Method == http.MethodGet {
		return "", nil
	}
	_, path, _ := strings.Cut(r.URL.Path, "/namespaces/")
	_, object, _ := strings.Cut(path, "/")
	return r.Method + " " + object, nil
}

// proxy has an operator reach a target through its trap.
func (t *trap) proxy(target *url.URL, next http.RoundTripper, name namer, rewrite func(*http.Request)) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // which is signed
			rewrite(r.Out)
		},
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			called, err := name(r)
			if err != nil {
				return nil, err
			}
			return t.pass(r, called, next)
		}),
		FlushInterval: -1, // a watch gets an event when that happens
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // no answer
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
