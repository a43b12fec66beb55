package controllers

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// The tests of the phases run without a control plane: a fake client in place of the
// API server, and roles in memory in place of IAM. Other tests of this package run
// the phases with the real parts.

// now is the time of all unit tests.
var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

var unitConfig = Config{
	ClusterName:         "prod",
	RolePath:            "/podidentity/prod/",
	Audience:            plan.DefaultAudience,
	DriftCheckInterval:  10 * time.Minute,
	IAMPropagationDelay: 10 * time.Second,
}

var unitCluster = plan.Cluster{
	Name: "prod", Partition: "aws", AccountID: "123456789012", Issuer: "https://oidc.example.com/id/1",
	Audience: plan.DefaultAudience, RolePath: "/podidentity/prod/",
}

// fakeRoles are IAM roles in memory. It applies what CreateRole, DeleteRole and the
// policy changes do, and counts the calls.
type fakeRoles struct {
	roles map[string]*plan.Observed
	calls []string
	err   error            // of the next calls
	fail  map[string]error // of the calls of a name
	// observedAs is the priority of the last full read.
	observedAs ratelimit.Priority
}

func (f *fakeRoles) called(call string) error {
	f.calls = append(f.calls, call)
	return cmp.Or(f.fail[call], f.err)
}

func (f *fakeRoles) Observe(ctx context.Context, name string) (*plan.Observed, error) {
	f.observedAs = ratelimit.PriorityOf(ctx)
	err := f.called("Observe")
	return f.roles[name], err
}

func (f *fakeRoles) ObserveOwner(_ context.Context, name string) (*plan.Observed, error) {
	err := f.called("ObserveOwner")
	if err != nil || f.roles[name] == nil {
		return nil, err
	}
	bare := *f.roles[name]
	bare.Managed, bare.Inline = nil, nil
	return &bare, nil
}

func (f *fakeRoles) ObserveForTeardown(_ context.Context, name string) (*plan.Observed, error) {
	err := f.called("ObserveForTeardown")
	return f.roles[name], err
}

func (f *fakeRoles) Quotas(context.Context) plan.Quotas { return plan.DefaultQuotas }

func (f *fakeRoles) Apply(_ context.Context, name string, changes []plan.Change) (plan.Applied, error) {
	var applied plan.Applied
	for _, c := range changes {
		if err := f.called(c.Action()); err != nil {
			return applied, err
		}
		if err := f.apply(name, c, &applied); err != nil {
			return applied, err
		}
		applied.Completed = append(applied.Completed, c)
	}
	return applied, nil
}

func (f *fakeRoles) apply(name string, c plan.Change, applied *plan.Applied) error {
	switch c := c.(type) {
	case plan.CreateRole:
		if f.roles[name] != nil {
			return plan.ErrRoleExists
		}
		role := c.Role
		role.Managed, role.Inline = nil, maps.Clone(role.Inline)
		clear(role.Inline)
		f.roles[name] = &plan.Observed{Role: role, ARN: unitCluster.RoleARN(name), ID: "AROA1", CreatedAt: now}
		applied.ARN, applied.ID = unitCluster.RoleARN(name), "AROA1"
	case plan.AttachPolicy:
		f.roles[name].Managed = append(f.roles[name].Managed, c.ARN)
	case plan.DetachPolicy:
		f.roles[name].Managed = slices.DeleteFunc(f.roles[name].Managed, func(arn string) bool { return arn == c.ARN })
	case plan.UpdateTrust:
		f.roles[name].Trust = c.Trust
	case plan.DeleteRole:
		delete(f.roles, name)
	default: // the phases do not read the result of the other changes
	}
	return nil
}

// unit is what the unit test of a phase works with.
type unit struct {
	t      *testing.T
	client client.WithWatch
	roles  *fakeRoles
	cache  *roleCache
	clock  *testingclock.FakePassiveClock
	// policies are the managed policies of the account; every policy that is not
	// there is missing.
	policies *fakePolicies
	*Reconciler
}

func newUnit(t *testing.T, objects ...client.Object) *unit {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceSystem, UID: unitClusterID}}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithReturnManagedFields().WithObjects(append(objects, system)...).WithStatusSubresource(&v1alpha1.PodIdentity{})
	if err := setupIndexes(t.Context(), indexBuilder{builder}); err != nil {
		t.Fatal(err)
	}
	u := &unit{
		t: t, client: builder.Build(), roles: &fakeRoles{roles: map[string]*plan.Observed{}},
		cache: newRoleCache(), clock: testingclock.NewFakePassiveClock(now),
		policies: &fakePolicies{documents: map[string]string{s3ReadOnly: readOnlyDocument, sqsFullAccess: readOnlyDocument}},
	}
	retries := newRetries(testingclock.NewFakeClock(now))
	u.Reconciler = newReconciler(unitConfig, dependencies{
		client: client.WithFieldOwner(u.client, FieldManager), apiReader: u.client, roles: u.roles, cache: u.cache, clock: u.clock,
		clusterInfo:  &clusterInfo{config: unitConfig, clock: u.clock, apiReader: u.client},
		guardrails:   guardrailReader{client: u.client},
		orphans:      newOrphans(OrphanSeal, u.clock, u.client, u.roles, guardrailReader{client: u.client}),
		policies:     newManagedPolicies(u.policies, u.clock),
		retries:      retries,
		pods:         indexPods(objects),
		checkPending: func() bool { return false },
	})
	u.events = events.NewFakeRecorder(10)
	return u
}

// indexPods returns the index of those of the objects that are pods.
func indexPods(objects []client.Object) *podIndex {
	index := newPodIndex()
	for _, obj := range objects {
		if pod, ok := obj.(*corev1.Pod); ok {
			index.set(nil, cachedPods(pod)[0])
		}
	}
	return index
}

// indexBuilder adds indexes to a fake client.
type indexBuilder struct{ *fake.ClientBuilder }

func (b indexBuilder) IndexField(_ context.Context, obj client.Object, field string, values client.IndexerFunc) error {
	b.WithIndex(obj, field, values)
	return nil
}

// checkout returns a PodIdentity with one managed policy.
func checkout(edits ...func(*v1alpha1.PodIdentity)) *v1alpha1.PodIdentity {
	pi := &v1alpha1.PodIdentity{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout", UID: "1", Generation: 1},
		Spec:       v1alpha1.PodIdentitySpec{Policies: v1alpha1.PoliciesSpec{Managed: []v1alpha1.PolicyARN{s3ReadOnly}}},
	}
	for _, edit := range edits {
		edit(pi)
	}
	return pi
}

// scopeOf returns the scope of a reconcile once the desired state is known.
func (u *unit) scopeOf(pi *v1alpha1.PodIdentity) *scope {
	u.t.Helper()
	s := newScope(pi, unitConfig.ClusterName)
	s.cluster = unitCluster
	desired, err := plan.Desired(pi, s.cluster)
	if err != nil {
		u.t.Fatal(err)
	}
	s.desired = desired
	return s
}

// expectFault checks the kind and the reason of an error.
func expectFault(t *testing.T, err error, kind fault.Kind, reason string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || fault.ReasonOf(err, "") != reason {
		t.Errorf("error = %v (%s, %s), want %s, %s", err, fault.KindOf(err), fault.ReasonOf(err, ""), kind, reason)
	}
}

func (u *unit) expectCalls(want ...string) {
	u.t.Helper()
	if !slices.Equal(u.roles.calls, want) {
		u.t.Errorf("calls = %v, want %v", u.roles.calls, want)
	}
}

func TestPlanPhase_ReportsAndChangesNothing(t *testing.T) {
	u := newUnit(t)
	s := u.scopeOf(checkout())
	err := errors.Join(u.plan.planRole(t.Context(), s), u.plan.planServiceAccounts(t.Context(), s))
	if err != nil {
		t.Fatal(err)
	}
	u.expectCalls("Observe")
	expectFault(t, u.plan.report(t.Context(), s), fault.Waiting, v1alpha1.ReasonChangesPending)
	var list corev1.ServiceAccountList
	if err := u.client.List(t.Context(), &list); err != nil || len(list.Items) > 0 {
		t.Errorf("ServiceAccounts = %v, %v", list.Items, err)
	}
}

func TestPodsPhase_CountsRunningPods(t *testing.T) {
	const arn = "arn:aws:iam::123456789012:role/r"
	pod := func(name, role string, phase corev1.PodPhase) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Spec:       corev1.PodSpec{ServiceAccountName: "checkout", Containers: []corev1.Container{{Env: []corev1.EnvVar{{Name: envRoleARN, Value: role}}}}},
			Status:     corev1.PodStatus{Phase: phase},
		}
	}
	u := newUnit(t, pod("new", arn, corev1.PodRunning), pod("old", "", corev1.PodRunning), pod("done", "", corev1.PodSucceeded))
	s := u.scopeOf(checkout())
	s.role = &v1alpha1.RoleStatus{ARN: arn}
	if err := u.pods.check(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if s.pods.upToDate != 1 || s.pods.outdated != 1 || !slices.Equal(s.pods.owners, []string{"Pod old"}) {
		t.Errorf("pods = %+v", s.pods)
	}
}
