// Package crash_test kills the operator's own process before and after every call
// to AWS and every write to the API server, and compares how AWS and the cluster end up.
package crash_test

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

// A scenario is what the operator is at when it is killed.
type scenario struct {
	before  func(*env) // with an operator that lives
	act     func(*env)
	done    func(*env) bool
	running bool // the operator was there when it happened; if not, it has just been started
	// events have each write of IAM reported to the operator through a queue.
	events bool
	// drift reports that act changes the role out of band.
	drift bool
}

const (
	oldSpec = `
role: {description: old, tags: {team: old, also: old}}
policies:
  managed: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"]
  inline:
  - {name: both, statements: [{effect: Allow, actions: ["s3:GetObject"], resources: ["*"]}]}
  - {name: old, statements: [{effect: Allow, actions: ["sqs:SendMessage"], resources: ["*"]}]}
`
	newSpec = `
role: {description: new, tags: {team: new}}
trust: {scope: Namespace}
policies:
  managed: ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"]
  inline:
  - {name: both, statements: [{effect: Allow, actions: ["s3:PutObject"], resources: ["*"]}]}
  - {name: new, statements: [{effect: Allow, actions: ["sqs:ReceiveMessage"], resources: ["*"]}]}
`
	annotateSpec = `
serviceAccount: {mode: Annotate}
deletionPolicy: Retain
policies: {managed: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
`
)

// allWithEvents takes longer than `make test` may.
var allWithEvents = flag.Bool("events", false, "report each write of IAM to the operator through a queue in all scenarios")

var scenarios = map[string]scenario{
	"Create": {
		before: func(*env) {},
		act:    func(e *env) { e.apply(oldSpec) },
		done:   (*env).ready,
	},
	"Update": {
		before: func(e *env) { e.apply(oldSpec); e.awaitReady() },
		act:    func(e *env) { e.apply(newSpec) },
		done:   (*env).ready,
	},
	"Adopt": {
		before: func(e *env) {
			e.createRole(e.roleName(), rolePath, strings.ReplaceAll(trustOfNamespace, "NAMESPACE", e.Namespace),
				plan.Owner{Cluster: clusterName, Namespace: e.Namespace, Name: name, UID: "an-earlier-one"})
		},
		act:  func(e *env) { e.apply(strings.Replace(oldSpec, "role: {", "role: {adoptionPolicy: IfTagged, ", 1)) },
		done: (*env).ready,
	},
	"Delete": {
		before: func(e *env) { e.apply(oldSpec); e.awaitReady() },
		act:    (*env).delete,
		done:   (*env).gone,
	},
	"DeleteRunning": { // which has the attachments of the role in its cache
		before:  func(e *env) { e.apply(oldSpec); e.awaitReady() },
		act:     (*env).delete,
		done:    (*env).gone,
		running: true,
	},
	"Annotate": {
		before: (*env).createServiceAccount,
		act:    func(e *env) { e.apply(annotateSpec) },
		done:   (*env).ready,
	},
	"UpdateWithEvents": { // of which those about the calls of the killed process come to the next one
		before: func(e *env) { e.apply(oldSpec); e.awaitReady() },
		act:    func(e *env) { e.apply(newSpec) },
		done:   (*env).ready,
		events: true,
	},
	"DeleteWithEvents": {
		before:  func(e *env) { e.apply(oldSpec); e.awaitReady() },
		act:     (*env).delete,
		done:    (*env).gone,
		running: true, events: true,
	},
	"DriftWithEvents": {
		before:  func(e *env) { e.apply(oldSpec); e.awaitReady(); e.awaitNoEvents() },
		act:     (*env).attachBackdoor,
		done:    func(e *env) bool { return e.ready() && !e.hasBackdoor() },
		running: true, events: true, drift: true,
	},
	"Release": {
		before: func(e *env) { e.createServiceAccount(); e.apply(annotateSpec); e.awaitReady() },
		act:    (*env).delete,
		done:   (*env).gone,
	},
}

// Wherever the operator is killed, the next one ends where it would have: one role
// and no other, with no right too many in between.
func TestCrash_NextOperatorReachesTheSameState(t *testing.T) {
	c := startCluster(t)
	for title, s := range scenarios {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s.events = s.events || *allWithEvents
			e := c.newEnv(t, s.events)
			want, points := s.points(e)
			for _, p := range points {
				for _, after := range []bool{false, true} {
					at := crash{p, after}
					t.Run(at.String(), func(t *testing.T) {
						e.T = t
						s.survive(e, at, want)
					})
					e.T = t
					if t.Failed() {
						t.FailNow() // the environment is not as the next one expects it
					}
				}
			}
			t.Logf("killed before and after each of %d points: %v", len(points), points)
		})
	}
}

// points runs the scenario without a crash, and returns its end, and the points on the
// way: those that come each time. Now and then there is one more, such as a call that
// the SDK repeats. Of the calls that wait for events, the first two are enough.
func (s scenario) points(e *env) (want ending, points []point) {
	e.Helper()
	for n := range 3 {
		s.run(e, nil)
		e.Eventually("the end", func() bool { return s.done(e) })
		e.Eventually("quiet", func() bool { return e.operator.breakpoint.quietFor() > time.Second })
		reached := e.operator.breakpoint.reached()
		if n == 0 {
			want, points = e.ending(), reached
		}
		points = slices.DeleteFunc(points, func(p point) bool {
			return !slices.Contains(reached, p) || strings.Contains(p.name, "Message") && p.n > 2
		})
		e.clear()
	}
	return want, points
}

// survive runs the scenario with a crash, and compares its end.
func (s scenario) survive(e *env, at crash, want ending) {
	e.Helper()
	before := s.crash(e, at)
	name := e.roleName()
	if between, ok := e.roles()[name]; ok && !between.within(before) && !between.within(want.Roles[name]) {
		e.Errorf("the role grants more than before, and more than in the end:\n%+v", between)
	}

	e.stop()
	e.start(nil)
	e.Eventually("the end", func() bool { return s.done(e) })
	if diff := cmp.Diff(want, e.ending(), cmpopts.IgnoreUnexported(role{})); diff != "" {
		e.Errorf("-without a crash, +with it:\n%s", diff)
	}
	e.clear()
}

// attempts is how often a scenario runs until it comes to a point. Once is enough, except
// for points that a reconcile with an older or newer cache leaves out.
const attempts = 5

// crash runs the scenario to its crash, and returns the role as it was before.
func (s scenario) crash(e *env, at crash) role {
	e.Helper()
	for range attempts {
		before := s.run(e, &at)
		e.Eventually("the crash, or the end", func() bool {
			return e.operator.breakpoint.hit() || s.done(e) && e.operator.breakpoint.quietFor() > time.Second
		})
		if e.operator.breakpoint.hit() {
			return before
		}
		e.clear()
	}
	e.Fatalf("the scenario ran %d times and never came to %s", attempts, at.point)
	return role{}
}

// run runs the scenario with an operator that crashes, if that is given, and returns the role as it was before.
func (s scenario) run(e *env, at *crash) role {
	e.Helper()
	s.before(e)
	before := e.roles()[e.roleName()]
	if s.running {
		e.Eventually("quiet", func() bool { return e.operator.breakpoint.quietFor() > 200*time.Millisecond })
		e.operator.breakpoint.set(at)
		s.act(e)
		if s.drift {
			return e.roles()[e.roleName()] // the operator must give no permission that drift did not give
		}
		return before
	}
	e.stop()
	s.act(e)
	e.start(at)
	return before
}

// name is that of the object and its ServiceAccount.
const name = "checkout"

func (e *env) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: e.Namespace, Name: name}
}

func (e *env) roleName() string { return plan.RoleName(clusterName, e.Namespace, name) }

// apply applies the object as a team does.
func (e *env) apply(spec string) {
	e.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("PodIdentity"))
	u.SetNamespace(e.Namespace)
	u.SetName(name)
	var content map[string]any
	e.Must(yaml.Unmarshal([]byte(spec), &content))
	u.Object["spec"] = content
	e.Must(e.Client.Apply(e.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("team"), client.ForceOwnership))
	e.uid = string(e.get().UID)
}

func (e *env) get() *v1alpha1.PodIdentity { return e.Get(name) }

func (e *env) delete() { e.Delete(name) }

func (e *env) createServiceAccount() {
	e.Helper()
	e.Must(e.Client.Create(e.Context(), &corev1.ServiceAccount{ObjectMeta: e.meta()}))
}

// ready reports whether the object is ready as it is declared now.
func (e *env) ready() bool {
	e.Helper()
	pi := e.get()
	c := testenv.Condition(pi, v1alpha1.ConditionReady)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == pi.Generation
}

func (e *env) awaitReady() { e.AwaitReady(name) }

func (e *env) gone() bool { return e.get() == nil }
