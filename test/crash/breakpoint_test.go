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

// A breakpoint is between an operator's process and the servers that it calls. It kills the process when
// it comes to a point; from then on nothing passes.
type breakpoint struct {
	kill chan func() // of the process, once it is known

	mu     sync.Mutex
	crash  *crash // nil if the process is to live
	seen   map[string]int
	points []point
	last   time.Time // when the last point was reached
	dead   bool
}

func newBreakpoint(c *crash) *breakpoint {
	b := &breakpoint{kill: make(chan func(), 1)}
	b.set(c)
	return b
}

// set forgets the points that were reached, and sets the point of the next crash.
func (b *breakpoint) set(c *crash) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.crash, b.seen, b.points = c, map[string]int{}, nil
}

// reached returns the points since the last set, in their order.
func (b *breakpoint) reached() []point {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.points
}

// quietFor returns for how long no point has been reached.
func (b *breakpoint) quietFor() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Since(b.last)
}

// hit reports whether the process was killed.
func (b *breakpoint) hit() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dead
}

// errKilled stands for the answer that a dead process does not get.
var errKilled = errors.New("the operator was killed")

// pass lets a request pass that is a point if it has a name.
func (b *breakpoint) pass(r *http.Request, name string, next http.RoundTripper) (*http.Response, error) {
	here, dead := b.reach(name)
	if dead {
		return nil, errKilled
	}
	if here != nil && !here.after {
		b.killProcess()
		return nil, errKilled
	}
	response, err := next.RoundTrip(r)
	if here != nil {
		if err == nil {
			_ = response.Body.Close()
		}
		b.killProcess()
		return nil, errKilled
	}
	return response, err
}

// reach counts a point. It returns the crash that is to happen there, if any, and
// whether the process is dead already.
func (b *breakpoint) reach(name string) (here *crash, dead bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dead || name == "" {
		return nil, b.dead
	}
	b.seen[name]++
	p := point{name, b.seen[name]}
	b.points, b.last = append(b.points, p), time.Now()
	if b.crash == nil || b.crash.point != p {
		return nil, false
	}
	return b.crash, false
}

// killProcess kills the process. It returns when that is dead, so that nothing is
// answered before.
func (b *breakpoint) killProcess() {
	b.mu.Lock()
	b.dead = true
	b.mu.Unlock()
	kill := <-b.kill
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

// proxy has an operator reach a target through its breakpoint.
func (b *breakpoint) proxy(target *url.URL, next http.RoundTripper, name namer, rewrite func(*http.Request)) http.Handler {
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
			return b.pass(r, called, next)
		}),
		FlushInterval: -1, // a watch gets an event when that happens
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // no answer
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
