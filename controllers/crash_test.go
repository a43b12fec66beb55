package controllers_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// lifeline is what an operator reaches the world by, until it crashes: before or
// after some call to AWS or some write to the API server. From then on nothing
// that it does has any effect, and it hears of nothing, as if it had been killed.
type lifeline struct {
	at    int  // the point of the crash, from 1 on
	after bool // and not before

	mu     sync.Mutex
	points []string
	dead   bool
}

// crashed returns the point of the crash, empty while there was none.
func (l *lifeline) crashed() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.dead {
		return ""
	}
	return l.points[l.at-1]
}

// reach counts a point, and tells whether the operator is dead now, and whether it
// is to die of this.
func (l *lifeline) reach(point string) (dead, dies bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead || point == "" {
		return l.dead, false
	}
	l.points = append(l.points, point)
	dies = len(l.points) == l.at
	l.dead = dies && !l.after
	return l.dead, dies
}

func (l *lifeline) die() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
}

// pass makes a request if the operator lives.
func (l *lifeline) pass(r *http.Request, point string, next http.RoundTripper) (*http.Response, error) {
	dead, dies := l.reach(point)
	if !dead {
		response, err := next.RoundTrip(r)
		if !dies {
			return response, err
		}
		if err == nil {
			_ = response.Body.Close()
		}
		l.die()
	}
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// kubernetes wraps the transport of the operator's client; the points are writes
// to PodIdentities and ServiceAccounts.
func (l *lifeline) kubernetes(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		point := ""
		if r.Method != http.MethodGet && !strings.Contains(r.URL.Path, "/events") {
			point = r.Method + " " + r.URL.Path[strings.LastIndex(r.URL.Path, "/namespaces/")+1:]
		}
		return l.pass(r, point, next)
	})
}

// aws stands between the operator and AWS; the points are all calls.
func (l *lifeline) aws(target *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // which is signed
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	proxy.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return l.pass(r, form.Get("Action"), http.DefaultTransport)
	})
	return proxy
}

// startMortal starts an operator that crashes.
func (s *story) startMortal(l *lifeline) {
	s.t.Helper()
	target, err := url.Parse(s.endpoint)
	s.must(err)
	server := httptest.NewServer(l.aws(target))
	s.t.Cleanup(server.Close)
	endpoint := s.endpoint
	s.life, s.endpoint = l, server.URL
	s.start()
	s.life, s.endpoint = nil, endpoint
}

// crash is what an operator is at when it crashes.
type crash struct {
	before  func(*story) // with an operator that lives
	act     func(*story)
	done    func(*story) bool
	between func(*story, roleView) error // holds at any time, of a role that exists
	gone    bool                         // there is no role in the end
}

// isReady reports whether checkout is ready as it is declared now.
func isReady(s *story) bool {
	pi := s.get("checkout")
	ready := condition(pi, "Ready")
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == pi.Generation
}

const crashOld = `
metadata: {name: checkout}
spec:
  role: {description: old, tags: {team: old, also: old}}
  policies:
    managed: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"]
    inline:
    - {name: both, statements: [{effect: Allow, actions: ["s3:GetObject"], resources: ["*"]}]}
    - {name: old, statements: [{effect: Allow, actions: ["sqs:SendMessage"], resources: ["*"]}]}
`

const crashNew = `
metadata: {name: checkout}
spec:
  role: {description: new, tags: {team: new}}
  policies:
    managed: ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"]
    inline:
    - {name: both, statements: [{effect: Allow, actions: ["s3:PutObject"], resources: ["*"]}]}
    - {name: new, statements: [{effect: Allow, actions: ["sqs:ReceiveMessage"], resources: ["*"]}]}
`

var crashes = map[string]crash{
	"Create": {
		before: func(*story) {},
		act:    func(s *story) { s.apply(crashOld) },
		done:   isReady,
	},
	"Update": {
		before:  func(s *story) { s.apply(crashOld); s.awaitReady("checkout") },
		act:     func(s *story) { s.apply(crashNew) },
		done:    isReady,
		between: neverBoth,
	},
	"Adopt": {
		before: func(s *story) {
			name := roleName(s, "checkout")
			s.createRole(name, s.config.RolePath, plan.Owner{Cluster: "test", Namespace: s.namespace, Name: "checkout", UID: "an-earlier-one"})
			s.must(s.putPolicy(name, "backdoor"))
		},
		act:  func(s *story) { s.apply(strings.Replace(crashOld, "role: {", "role: {adoption: Tagged, ", 1)) },
		done: isReady,
	},
	"Delete": {
		before: func(s *story) { s.apply(crashOld); s.awaitReady("checkout") },
		act:    func(s *story) { s.delete("checkout") },
		done: func(s *story) bool {
			err := user.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: "checkout"}, s.manifest(checkout))
			return client.IgnoreNotFound(err) == nil && err != nil
		},
		gone: true,
	},
}

// neverBoth returns an error if a role has rights that neither declaration gives
// together: what the old one gives alone goes before what the new one gives comes.
func neverBoth(_ *story, role roleView) error {
	has := func(name string) bool {
		_, inline := role.Inline[name]
		return inline || slices.Contains(role.Managed, "arn:aws:iam::aws:policy/"+name)
	}
	for _, old := range []string{"AmazonS3ReadOnlyAccess", "old"} {
		for _, fresh := range []string{"AmazonSQSReadOnlyAccess", "new"} {
			if has(old) && has(fresh) {
				return fmt.Errorf("it has %s and %s at once", old, fresh)
			}
		}
	}
	return nil
}

// Wherever an operator is killed, before or after any call to AWS and any write to
// the API server, the next one ends where it would have: one role and no other,
// with no right too many in between.
func TestCrashes(t *testing.T) {
	for name, c := range crashes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, want := c.run(t, 0, false)
			points := 0
			for at := 1; ; at++ {
				reached := ""
				for _, after := range []bool{false, true} {
					t.Run(fmt.Sprintf("%d-%s", at, map[bool]string{false: "before", true: "after"}[after]), func(t *testing.T) {
						point, got := c.run(t, at, after)
						reached += point
						if diff := cmp.Diff(want, got); diff != "" {
							t.Errorf("killed at %s: -without a crash, +with it:\n%s", point, diff)
						}
					})
				}
				if reached == "" {
					break
				}
				points++
			}
			t.Logf("%d points, before and after each", points)
		})
	}
}

// ending is all that is there in the end.
type ending struct {
	Roles          int // in the operator's path
	Role           roleView
	Trust, ARN     string
	Annotations    map[string]string // of the ServiceAccount
	Bystander      roleView
	ServiceAccount bool
}

// run tells the story with a crash at that point, of an operator that has just
// been started, and returns what the point was, empty if it was not reached.
func (c crash) run(t *testing.T, at int, after bool) (string, ending) {
	t.Helper()
	s := prepare(t)
	s.createProvider()
	s.createRole("bystander", "/", ownerNone)
	s.must(s.putPolicy("bystander", "own"))
	s.start()
	c.before(s)
	s.stop()

	l := &lifeline{at: at, after: after}
	s.startMortal(l)
	c.act(s)
	s.eventually("the crash, or the end", func() bool { return l.crashed() != "" || c.done(s) })
	if name := roleName(s, "checkout"); c.between != nil && l.crashed() != "" && s.roleExists(name) {
		if err := c.between(s, s.role(name)); err != nil {
			t.Errorf("killed at %s, the role has more rights than before and after: %v", l.crashed(), err)
		}
	}
	if l.crashed() != "" {
		s.stop()
		s.start()
		s.eventually("the end", func() bool { return c.done(s) })
	}
	return l.crashed(), s.ending(c.gone)
}

// ending looks at what is there, without what differs between two stories.
func (s *story) ending(gone bool) ending {
	s.t.Helper()
	listed, err := s.iam.ListRoles(s.ctx, &iam.ListRolesInput{PathPrefix: aws.String(s.config.RolePath)})
	s.must(err)
	o := ending{Roles: len(listed.Roles), Bystander: s.role("bystander")}
	var sa corev1.ServiceAccount
	err = user.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: "checkout"}, &sa)
	s.must(client.IgnoreNotFound(err))
	o.ServiceAccount, o.Annotations = err == nil, sa.Annotations
	if gone {
		return o
	}
	pi := s.get("checkout")
	name := roleName(s, "checkout")
	o.Role, o.Trust, o.ARN = s.role(name), s.trust(name), pi.Status.Role.ARN
	if o.Role.Tags[plan.TagUID] != string(pi.UID) {
		s.t.Errorf("The role's owner is %s, not %s.", o.Role.Tags[plan.TagUID], pi.UID)
	}
	delete(o.Role.Tags, plan.TagUID)
	delete(o.Role.Tags, plan.TagNamespace)
	replace := func(text string) string {
		return strings.NewReplacer(name, "ROLE", s.namespace, "NAMESPACE").Replace(text)
	}
	o.Trust, o.ARN = replace(o.Trust), replace(o.ARN)
	for key, value := range o.Annotations {
		o.Annotations[key] = replace(value)
	}
	return o
}
