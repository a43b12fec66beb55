// Package crash_test kills the operator's own process before and after every call
// to AWS and every write to the API server, and looks what becomes of the world.
package crash_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// A story is what the operator is at when it is killed.
type story struct {
	before  func(*world) // with an operator that lives
	act     func(*world)
	done    func(*world) bool
	running bool // the operator was there when it happened; if not, it has just been started
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

var stories = map[string]story{
	"Create": {
		before: func(*world) {},
		act:    func(w *world) { w.apply(oldSpec) },
		done:   (*world).ready,
	},
	"Update": {
		before: func(w *world) { w.apply(oldSpec); w.awaitReady() },
		act:    func(w *world) { w.apply(newSpec) },
		done:   (*world).ready,
	},
	"Adopt": {
		before: func(w *world) {
			w.createRole(w.roleName(), rolePath, strings.ReplaceAll(trustOfNamespace, "NAMESPACE", w.namespace),
				plan.Owner{Cluster: clusterName, Namespace: w.namespace, Name: name, UID: "an-earlier-one"})
		},
		act:  func(w *world) { w.apply(strings.Replace(oldSpec, "role: {", "role: {adoptionPolicy: IfTagged, ", 1)) },
		done: (*world).ready,
	},
	"Delete": {
		before: func(w *world) { w.apply(oldSpec); w.awaitReady() },
		act:    (*world).delete,
		done:   (*world).gone,
	},
	"DeleteRunning": { // which has the attachments of the role in its cache
		before:  func(w *world) { w.apply(oldSpec); w.awaitReady() },
		act:     (*world).delete,
		done:    (*world).gone,
		running: true,
	},
	"Annotate": {
		before: (*world).createServiceAccount,
		act:    func(w *world) { w.apply(annotateSpec) },
		done:   (*world).ready,
	},
	"Release": {
		before: func(w *world) { w.createServiceAccount(); w.apply(annotateSpec); w.awaitReady() },
		act:    (*world).delete,
		done:   (*world).gone,
	},
}

// Wherever the operator is killed, the next one ends where it would have: one role
// and no other, with no right too many in between.
func TestCrash_NextOperatorReachesTheSameState(t *testing.T) {
	c := openCluster(t)
	for title, s := range stories {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			w := c.open(t)
			want, points := s.points(w)
			for _, p := range points {
				for _, after := range []bool{false, true} {
					at := crash{p, after}
					t.Run(at.String(), func(t *testing.T) {
						w.T = t
						s.survive(w, at, want)
					})
					w.T = t
					if t.Failed() {
						t.FailNow() // the world is not as the next one expects it
					}
				}
			}
			t.Logf("killed before and after each of %d points: %v", len(points), points)
		})
	}
}

// points tells the story without a crash, and returns its end, and the points on the
// way: those that come each time. Now and then there is one more, such as a call that
// the SDK repeats.
func (s story) points(w *world) (want ending, points []point) {
	w.Helper()
	for n := range 3 {
		s.begin(w, nil)
		w.eventually("the end", func() bool { return s.done(w) })
		w.eventually("quiet", func() bool { return w.operator.trap.quietFor() > time.Second })
		reached := w.operator.trap.reached()
		if n == 0 {
			want, points = w.ending(), reached
		}
		points = slices.DeleteFunc(points, func(p point) bool { return !slices.Contains(reached, p) })
		w.clear()
	}
	return want, points
}

// survive tells the story with a crash, and compares its end.
func (s story) survive(w *world, at crash, want ending) {
	w.Helper()
	before := s.crash(w, at)
	name := w.roleName()
	if between, ok := w.roles()[name]; ok && !between.within(before) && !between.within(want.Roles[name]) {
		w.Errorf("the role grants more than before, and more than in the end:\n%+v", between)
	}

	w.stop()
	w.start(nil)
	w.eventually("the end", func() bool { return s.done(w) })
	if diff := cmp.Diff(want, w.ending(), cmpopts.IgnoreUnexported(role{})); diff != "" {
		w.Errorf("-without a crash, +with it:\n%s", diff)
	}
	w.clear()
}

// attempts is how often a story runs until it comes to a point. Once is enough, except
// for points that a reconcile with an older or newer cache leaves out.
const attempts = 5

// crash tells the story to its crash, and returns the role as it was before.
func (s story) crash(w *world, at crash) role {
	w.Helper()
	for range attempts {
		before := s.begin(w, &at)
		w.eventually("the crash, or the end", func() bool {
			return w.operator.trap.sprung() || s.done(w) && w.operator.trap.quietFor() > time.Second
		})
		if w.operator.trap.sprung() {
			return before
		}
		w.clear()
	}
	w.Fatalf("the story ran %d times and never came to %s", attempts, at.point)
	return role{}
}

// begin has what the story is about happen to an operator that crashes, if that is
// given, and returns the role as it was before.
func (s story) begin(w *world, at *crash) role {
	w.Helper()
	s.before(w)
	before := w.roles()[w.roleName()]
	if s.running {
		w.eventually("quiet", func() bool { return w.operator.trap.quietFor() > 200*time.Millisecond })
		w.operator.trap.set(at)
		s.act(w)
		return before
	}
	w.stop()
	s.act(w)
	w.start(at)
	return before
}

// name is that of the object and its ServiceAccount.
const name = "checkout"

func (w *world) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: w.namespace, Name: name}
}

func (w *world) roleName() string { return plan.RoleName(clusterName, w.namespace, name) }

// apply applies the object as a team does.
func (w *world) apply(spec string) {
	w.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("PodIdentity"))
	u.SetNamespace(w.namespace)
	u.SetName(name)
	var content map[string]any
	w.must(yaml.Unmarshal([]byte(spec), &content))
	u.Object["spec"] = content
	w.must(w.cluster.user.Apply(w.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("team"), client.ForceOwnership))
	w.uid = string(w.get().UID)
}

// get returns the object, nil if there is none.
func (w *world) get() *v1alpha1.PodIdentity {
	w.Helper()
	pi := &v1alpha1.PodIdentity{}
	err := w.cluster.user.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, pi)
	w.must(client.IgnoreNotFound(err))
	if err != nil {
		return nil
	}
	return pi
}

func (w *world) delete() {
	w.Helper()
	w.must(w.cluster.user.Delete(w.Context(), &v1alpha1.PodIdentity{ObjectMeta: w.meta()}))
}

func (w *world) createServiceAccount() {
	w.Helper()
	w.must(w.cluster.user.Create(w.Context(), &corev1.ServiceAccount{ObjectMeta: w.meta()}))
}

// ready reports whether the object is ready as it is declared now.
func (w *world) ready() bool {
	w.Helper()
	pi := w.get()
	c := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == pi.Generation
}

func (w *world) awaitReady() {
	w.Helper()
	w.eventually("the object to be ready", w.ready)
}

func (w *world) gone() bool { return w.get() == nil }
