package controllers

import (
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
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// The tests of the phases run without a control plane: a fake client in place of the
// API server, and roles in memory in place of IAM. The stories of this package hold
// the phases against the real parts.

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
	err   error // of the next calls
}

func (f *fakeRoles) called(call string) error {
	f.calls = append(f.calls, call)
	return f.err
}

func (f *fakeRoles) Observe(_ context.Context, name string) (*plan.Observed, error) {
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
	client client.Client
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
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objects, system)...).WithStatusSubresource(&v1alpha1.PodIdentity{})
	if err := setupIndexes(t.Context(), indexBuilder{builder}); err != nil {
		t.Fatal(err)
	}
	u := &unit{
		t: t, client: builder.Build(), roles: &fakeRoles{roles: map[string]*plan.Observed{}},
		cache: newRoleCache(), clock: testingclock.NewFakePassiveClock(now),
		policies: &fakePolicies{documents: map[string]string{s3ReadOnly: readOnlyDocument, sqsFullAccess: readOnlyDocument}},
	}
	u.Reconciler = newReconciler(unitConfig, dependencies{
		client: client.WithFieldOwner(u.client, FieldManager), apiReader: u.client, roles: u.roles, cache: u.cache, clock: u.clock,
		clusterInfo:  &clusterInfo{config: unitConfig, clock: u.clock, apiReader: u.client},
		guardrails:   guardrailReader{client: u.client},
		orphans:      newOrphans(OrphanSeal, u.clock, u.client, u.roles, guardrailReader{client: u.client}),
		policies:     newManagedPolicies(u.policies, u.clock),
		checkPending: func() bool { return false },
	})
	return u
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

func TestRolePhase_CreatesWithoutReading(t *testing.T) {
	u := newUnit(t)
	s := u.scopeOf(checkout())
	expectFault(t, u.role.reconcile(t.Context(), s), fault.Waiting, v1alpha1.ReasonRolePropagating)
	u.expectCalls("CreateRole", "AttachRolePolicy")
	if s.requeueAfter != unitConfig.IAMPropagationDelay {
		t.Errorf("requeueAfter = %s, want the propagation delay", s.requeueAfter)
	}

	u.clock.SetTime(now.Add(unitConfig.IAMPropagationDelay))
	if err := u.role.reconcile(t.Context(), s); err != nil {
		t.Errorf("after the propagation delay: %v", err)
	}
	u.expectCalls("CreateRole", "AttachRolePolicy") // the second reconcile costs no call
}

func TestRolePhase_ReadsOnceTheCacheExpires(t *testing.T) {
	u := newUnit(t)
	s := u.scopeOf(checkout())
	_ = u.role.reconcile(t.Context(), s)
	u.roles.calls = nil
	u.clock.SetTime(now.Add(maxMissedDriftChecks * unitConfig.DriftCheckInterval))
	s.obj.Status.Role = s.role
	if err := u.role.reconcile(t.Context(), s); err != nil {
		t.Error(err)
	}
	u.expectCalls("Observe")
}

func TestRolePhase_NeverTouchesRolesOfOtherOwners(t *testing.T) {
	name := plan.RoleName("prod", "shop", "checkout")
	cases := map[string]struct {
		tags map[string]string
		edit func(*v1alpha1.PodIdentity)
		want string // the reason; empty if the role is adopted
	}{
		"a role without ownership tags has another owner":     {tags: nil, want: v1alpha1.ReasonRoleNotOwned},
		"a role of an object with another UID is not adopted": {tags: plan.Owner{Cluster: "prod", Namespace: "shop", Name: "checkout", UID: "0"}.Tags(), want: v1alpha1.ReasonRoleNotOwned},
		"IfTagged adopts a role whose tags name the object": {
			tags: plan.Owner{Cluster: "prod", Namespace: "shop", Name: "checkout", UID: "0"}.Tags(),
			edit: func(pi *v1alpha1.PodIdentity) { pi.Spec.Role.AdoptionPolicy = v1alpha1.AdoptionIfTagged },
		},
		"IfTagged does not adopt a role of another namespace": {
			tags: plan.Owner{Cluster: "prod", Namespace: "other", Name: "checkout", UID: "0"}.Tags(),
			edit: func(pi *v1alpha1.PodIdentity) { pi.Spec.Role.AdoptionPolicy = v1alpha1.AdoptionIfTagged },
			want: v1alpha1.ReasonRoleNotOwned,
		},
	}
	for reason, tc := range cases {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t)
			pi := checkout()
			if tc.edit != nil {
				tc.edit(pi)
			}
			u.roles.roles[name] = &plan.Observed{Role: plan.Role{Name: name, Path: unitCluster.RolePath, Tags: tc.tags}, CreatedAt: now.Add(-time.Hour)}
			err := u.role.reconcile(t.Context(), u.scopeOf(pi))
			if tc.want == "" {
				if err != nil {
					t.Errorf("the role is not adopted: %v", err)
				}
				return
			}
			expectFault(t, err, fault.Blocked, tc.want)
			u.expectCalls("CreateRole", "Observe")
		})
	}
}

func TestRolePhase_RemoveReadsTheOwnerBeforeItDeletes(t *testing.T) {
	u := newUnit(t)
	pi := checkout()
	s := u.scopeOf(pi)
	_ = u.role.reconcile(t.Context(), s)
	u.roles.calls = nil
	if err := u.role.remove(t.Context(), newScope(pi, "prod")); err != nil {
		t.Fatal(err)
	}
	u.expectCalls("ObserveOwner", "UpdateAssumeRolePolicy", "DetachRolePolicy", "DeleteRole")
}

func TestRolePhase_RemoveWaitsWhileANewRoleMayBeInvisible(t *testing.T) {
	u := newUnit(t)
	pi := checkout(func(pi *v1alpha1.PodIdentity) { pi.CreationTimestamp = metav1.NewTime(now) })
	expectFault(t, u.role.remove(t.Context(), newScope(pi, "prod")), fault.Waiting, v1alpha1.ReasonDeleting)
	u.clock.SetTime(now.Add(unitConfig.IAMPropagationDelay))
	if err := u.role.remove(t.Context(), newScope(pi, "prod")); err != nil {
		t.Errorf("after the propagation delay: %v", err)
	}
}

func TestRolePhase_RetainSucceedsWhileAWSIsUnreachable(t *testing.T) {
	for reason, tc := range map[string]struct {
		err   error
		calls []string
	}{
		"a retained role is tagged":             {nil, []string{"ObserveOwner", "TagRole"}},
		"an unreachable AWS blocks no deletion": {errors.New("unreachable"), []string{"ObserveOwner"}},
	} {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t)
			pi := checkout(func(pi *v1alpha1.PodIdentity) { pi.Spec.DeletionPolicy = v1alpha1.DeletionRetain })
			_ = u.role.reconcile(t.Context(), u.scopeOf(pi))
			u.roles.calls, u.roles.err = nil, tc.err
			s := newScope(pi, "prod")
			if err := u.role.remove(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			u.expectCalls(tc.calls...)
			if len(s.pendingEvents) != 1 || s.pendingEvents[0].reason != eventRetainedRole {
				t.Errorf("events = %v", s.pendingEvents)
			}
		})
	}
}

func TestServiceAccountPhase_RejectsWhatAnotherOwnerHas(t *testing.T) {
	older := checkout(func(pi *v1alpha1.PodIdentity) {
		pi.Name, pi.UID, pi.CreationTimestamp = "older", "0", metav1.NewTime(now.Add(-time.Hour))
		pi.Spec.ServiceAccount.Name = "checkout"
	})
	cases := map[string]struct {
		existing []client.Object
		edit     func(*v1alpha1.PodIdentity)
		wantKind fault.Kind
		want     string // the reason, empty for success
	}{
		"a free name can be created": {},
		"an existing ServiceAccount has another owner": {
			existing: []client.Object{&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout"}}},
			wantKind: fault.Blocked, want: v1alpha1.ReasonServiceAccountConflict,
		},
		"mode Annotate uses an existing ServiceAccount": {
			existing: []client.Object{&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout"}}},
			edit:     func(pi *v1alpha1.PodIdentity) { pi.Spec.ServiceAccount.Mode = v1alpha1.ServiceAccountAnnotate },
		},
		"the older of two identities has the ServiceAccount": {
			existing: []client.Object{older},
			wantKind: fault.Blocked, want: v1alpha1.ReasonServiceAccountConflict,
		},
	}
	for reason, tc := range cases {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t, tc.existing...)
			pi := checkout(func(pi *v1alpha1.PodIdentity) { pi.CreationTimestamp = metav1.NewTime(now) })
			if tc.edit != nil {
				tc.edit(pi)
			}
			err := u.serviceAccounts.checkOwnership(t.Context(), u.scopeOf(pi))
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			expectFault(t, err, tc.wantKind, tc.want)
		})
	}
}

func TestServiceAccountPhase_CreatesAndAnnotates(t *testing.T) {
	u := newUnit(t)
	s := u.scopeOf(checkout())
	s.role = &v1alpha1.RoleStatus{Name: s.desired.Role.Name, ARN: unitCluster.RoleARN(s.desired.Role.Name)}
	if err := u.serviceAccounts.reconcile(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	var sa corev1.ServiceAccount
	if err := u.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "checkout"}, &sa); err != nil {
		t.Fatal(err)
	}
	if got := sa.Annotations[plan.AnnotationRoleARN]; got != s.role.ARN {
		t.Errorf("annotation = %q, want %q", got, s.role.ARN)
	}
	if !metav1.IsControlledBy(&sa, s.obj) {
		t.Error("the PodIdentity does not own the ServiceAccount")
	}
}

func TestServiceAccountPhase_WaitsForOneThatIsManagedElsewhere(t *testing.T) {
	u := newUnit(t)
	s := u.scopeOf(checkout(func(pi *v1alpha1.PodIdentity) { pi.Spec.ServiceAccount.Mode = v1alpha1.ServiceAccountAnnotate }))
	s.role = &v1alpha1.RoleStatus{ARN: "arn:aws:iam::123456789012:role/r"}
	expectFault(t, u.serviceAccounts.reconcile(t.Context(), s), fault.Waiting, v1alpha1.ReasonServiceAccountNotFound)
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

// fakeAccount is an account in memory.
type fakeAccount struct {
	account plan.Account
	err     error
}

func (i fakeAccount) Identity(context.Context) (plan.Account, error) { return i.account, i.err }

// fakeProviders are OIDC providers in memory.
type fakeProviders struct {
	found   *plan.Provider
	err     error
	reads   int
	created bool
}

func (f *fakeProviders) Provider(context.Context, string) (*plan.Provider, error) {
	f.reads++
	return f.found, f.err
}

func (f *fakeProviders) CreateProvider(context.Context, string, string, map[string]string) (string, error) {
	f.created = true
	return "arn", nil
}

func (f *fakeProviders) AddAudience(context.Context, string, string) error { return nil }

func TestIssuerPhase_RequiresProviderAndAudience(t *testing.T) {
	cases := map[string]struct {
		found  *plan.Provider
		create bool
		want   string
	}{
		"no provider is reported":            {want: v1alpha1.ReasonOIDCProviderNotFound},
		"a missing audience is reported":     {found: &plan.Provider{Audiences: []string{"other"}}, want: v1alpha1.ReasonAudienceMissing},
		"a provider with the audience is ok": {found: &plan.Provider{Audiences: []string{plan.DefaultAudience}}},
		"Create creates the provider":        {create: true},
	}
	for reason, tc := range cases {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t)
			providers := &fakeProviders{found: tc.found}
			config := unitConfig
			config.CreateOIDCProvider = tc.create
			u.issuer.clusterInfo = &clusterInfo{
				config: config, clock: u.clock, apiReader: u.client, providers: providers, account: fakeAccount{account: plan.Account{Partition: "aws", ID: "123456789012"}},
				discover: func(context.Context) (string, error) { return unitCluster.Issuer, nil },
			}
			s := newScope(checkout(), "prod")
			if err := u.issuer.resolveCluster(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			err := u.issuer.requireProvider(t.Context(), s)
			if tc.want == "" {
				if err != nil || providers.created != tc.create {
					t.Errorf("error = %v, created = %v", err, providers.created)
				}
				return
			}
			expectFault(t, err, fault.Blocked, tc.want)
			_ = u.issuer.requireProvider(t.Context(), s)
			if providers.reads != 1 {
				t.Errorf("a failure is read again after %d calls, want one read for all objects", providers.reads)
			}
		})
	}
}

func TestSetStatus_ARequestIsHandledOnceAWSAnswered(t *testing.T) {
	cases := map[string]struct {
		err  error
		want string
	}{
		"success is an answer":               {want: "t1"},
		"a denial is an answer":              {err: fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "denied"), want: "t1"},
		"a transient failure is no answer":   {err: fault.Errorf(fault.Transient, v1alpha1.ReasonAWSUnavailable, "unreachable")},
		"an unclassified error is no answer": {err: errors.New("boom")},
	}
	for reason, tc := range cases {
		for name, generation := range map[string]int64{"ready": 1, "not ready": 2} {
			t.Run(reason+", "+name, func(t *testing.T) {
				pi := checkout(func(pi *v1alpha1.PodIdentity) {
					pi.Generation = generation
					pi.Annotations = map[string]string{v1alpha1.RequestedAtAnnotation: "t1"}
					pi.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: 1}}
				})
				setStatus(newScope(pi, "prod"), tc.err)
				if got := pi.Status.LastHandledReconcileAt; got != tc.want {
					t.Errorf("lastHandledReconcileAt = %q, want %q", got, tc.want)
				}
			})
		}
	}
}
