package controllers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// deleted returns checkout once a user has deleted it.
func deleted(edits ...func(*v1alpha1.PodIdentity)) *v1alpha1.PodIdentity {
	pi := checkout(func(pi *v1alpha1.PodIdentity) {
		pi.CreationTimestamp = metav1.NewTime(now.Add(-time.Hour))
		pi.DeletionTimestamp, pi.Finalizers = &metav1.Time{Time: now.Add(-time.Minute)}, []string{v1alpha1.Finalizer}
	})
	for _, edit := range edits {
		edit(pi)
	}
	return pi
}

func retained(pi *v1alpha1.PodIdentity) { pi.Spec.DeletionPolicy = v1alpha1.DeletionRetain }

// addRole adds the role of checkout to the account.
func (u *unit) addRole(edit func(*plan.Observed)) {
	name := plan.RoleName("prod", "shop", "checkout")
	owner := plan.Owner{Cluster: "prod", Namespace: "shop", Name: "checkout", UID: "1", ClusterID: unitClusterID}
	observed := &plan.Observed{
		Role: plan.Role{Name: name, Path: unitCluster.RolePath, Tags: owner.Tags(), Managed: []string{s3ReadOnly}},
		ARN:  unitCluster.RoleARN(name), ID: "AROA1", CreatedAt: now.Add(-time.Hour),
	}
	if edit != nil {
		edit(observed)
	}
	u.roles.roles[name] = observed
}

// event returns the next event, empty if there is none.
func (u *unit) event() string {
	recorder, ok := u.events.(*events.FakeRecorder)
	if !ok || len(recorder.Events) == 0 {
		return ""
	}
	return <-recorder.Events
}

// stored returns checkout as the API server has it, nil if it does not exist.
func (u *unit) stored() *v1alpha1.PodIdentity {
	u.t.Helper()
	pi := &v1alpha1.PodIdentity{}
	err := u.client.Get(u.t.Context(), client.ObjectKeyFromObject(checkout()), pi)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		u.t.Fatal(err)
	}
	return pi
}

var teardown = []string{"ObserveForTeardown", "UpdateAssumeRolePolicy", "DetachRolePolicy", "DeleteRole"}

func TestFinalize_DeletesOnlyWhatTheIdentityOwns(t *testing.T) {
	for reason, tc := range map[string]struct {
		edit     func(*v1alpha1.PodIdentity)
		existing []client.Object
		role     func(*plan.Observed) // edits the role
		noRole   bool
		want     []string // the calls
		event    string
	}{
		"an owned role is deleted":                      {want: teardown, event: "Normal DeletedRole Deleted role "},
		"a role that is gone needs no more than a read": {noRole: true, want: []string{"ObserveForTeardown"}},
		"a role of another owner stays":                 {role: func(o *plan.Observed) { o.Tags = nil }, want: teardown[:1], event: "Normal SkippedRoleDeletion Did not delete role "},
		"a role of a former object of that name stays":  {role: func(o *plan.Observed) { o.Tags[plan.TagUID] = "0" }, want: teardown[:1], event: "Normal SkippedRoleDeletion Did not delete role "},
		"a role with another path stays":                {role: func(o *plan.Observed) { o.Path = "/" }, want: teardown[:1], event: "Normal SkippedRoleDeletion Did not delete role "},
		"Retain keeps an owned role":                    {edit: retained, want: []string{"ObserveOwner", "TagRole"}, event: "Normal RetainedRole Retained role "},
		"Retain does not tag a role of another owner":   {edit: retained, role: func(o *plan.Observed) { o.Tags = nil }, want: []string{"ObserveOwner"}, event: "Normal RetainedRole Retained role "},
		"an invalid spec prevents no deletion": {edit: func(pi *v1alpha1.PodIdentity) {
			pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: "{"}}
		}, want: teardown, event: "Normal DeletedRole Deleted role "},
		"Retain does not count where a guardrail forbids it": {edit: retained, existing: forbidRetention(), want: teardown, event: "Normal DeletedRole Deleted role "},
	} {
		t.Run(reason, func(t *testing.T) {
			pi := deleted()
			if tc.edit != nil {
				tc.edit(pi)
			}
			u := newUnit(t, append(tc.existing, pi)...)
			if !tc.noRole {
				u.addRole(tc.role)
			}
			result, err := u.finalize(t.Context(), pi.DeepCopy())
			if err != nil || result.RequeueAfter != 0 {
				t.Errorf("finalize = %v, %v, want success", result, err)
			}
			u.expectCalls(tc.want...)
			if u.stored() != nil {
				t.Error("the finalizer is still there")
			}
			if got := u.event(); !strings.HasPrefix(got, tc.event) || tc.event == "" && got != "" {
				t.Errorf("event = %q, want %q", got, tc.event)
			}
		})
	}
}

// forbidRetention are the namespace of checkout, and a guardrail that forbids Retain in it.
func forbidRetention() []client.Object {
	guardrail := &v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{Name: "tenants"}}
	guardrail.Spec.Retention = v1alpha1.RetentionForbidden
	return []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, guardrail}
}

func TestFinalize_KeepsTheFinalizerUntilAllIsGone(t *testing.T) {
	denied := fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "iam:DeleteRole is denied")
	unavailable := errors.New("no answer")
	for reason, tc := range map[string]struct {
		edit       func(*v1alpha1.PodIdentity)
		noRole     bool
		fail       map[string]error
		wantErr    error // that is returned
		wantReady  string
		wantStatus metav1.ConditionStatus
		wantFailed string // condition of the part
	}{
		"AWS denies the last of several calls": {
			fail: map[string]error{"DeleteRole": denied}, wantStatus: metav1.ConditionFalse, wantReady: v1alpha1.ReasonDeletionBlocked, wantFailed: v1alpha1.ReasonAccessDenied,
		},
		"AWS does not answer in the middle": {
			fail: map[string]error{"DetachRolePolicy": unavailable}, wantErr: unavailable, wantStatus: metav1.ConditionUnknown, wantReady: v1alpha1.ReasonDeleting, wantFailed: v1alpha1.ReasonProgressingWithRetry,
		},
		"AWS does not answer": {
			fail: map[string]error{"ObserveForTeardown": unavailable}, wantErr: unavailable, wantStatus: metav1.ConditionUnknown, wantReady: v1alpha1.ReasonDeleting, wantFailed: v1alpha1.ReasonProgressingWithRetry,
		},
		"IAM may not show a new role yet": {
			edit:   func(pi *v1alpha1.PodIdentity) { pi.CreationTimestamp = metav1.NewTime(now) },
			noRole: true, wantStatus: metav1.ConditionUnknown, wantReady: v1alpha1.ReasonDeleting, wantFailed: v1alpha1.ReasonDeleting,
		},
	} {
		t.Run(reason, func(t *testing.T) {
			pi := deleted()
			if tc.edit != nil {
				tc.edit(pi)
			}
			u := newUnit(t, pi, owned(annotated("checkout", "arn")))
			if !tc.noRole {
				u.addRole(nil)
			}
			u.roles.fail = tc.fail
			result, err := u.finalize(t.Context(), pi.DeepCopy())
			if !errors.Is(err, tc.wantErr) || err == nil && result.RequeueAfter == 0 {
				t.Errorf("finalize = %v, %v, want a retry", result, err)
			}
			u.expectServiceAccountDeleted()
			stored := u.stored()
			if stored == nil {
				t.Fatal("the finalizer is gone")
			}
			ready := meta.FindStatusCondition(stored.Status.Conditions, v1alpha1.ConditionReady)
			if ready.Status != tc.wantStatus || ready.Reason != tc.wantReady || !strings.Contains(ready.Message, "spec.deletionPolicy: Retain") {
				t.Errorf("Ready = %+v, want %s, %s, and what the user can do", ready, tc.wantStatus, tc.wantReady)
			}
			if c := meta.FindStatusCondition(stored.Status.Conditions, v1alpha1.ConditionRoleReady); c.Reason != tc.wantFailed {
				t.Errorf("RoleReady = %+v, want %s", c, tc.wantFailed)
			}
			if tc.noRole {
				return
			}
			u.roles.fail = nil
			if _, err := u.finalize(t.Context(), stored); err != nil || u.stored() != nil || len(u.roles.roles) > 0 {
				t.Errorf("once AWS answers: %v, roles %v, want all to be gone", err, u.roles.roles)
			}
		})
	}
}

// expectServiceAccountDeleted checks that no pod can start with a role that is about to be
// deleted.
func (u *unit) expectServiceAccountDeleted() {
	u.t.Helper()
	err := u.client.Get(u.t.Context(), client.ObjectKey{Namespace: "shop", Name: "checkout"}, &corev1.ServiceAccount{})
	if !apierrors.IsNotFound(err) {
		u.t.Errorf("the ServiceAccount of the identity: %v, want it deleted", err)
	}
}

func TestFinalize_TouchesNoServiceAccountOfAnotherOwner(t *testing.T) {
	u := newUnit(t, deleted(), annotated("checkout", "another"))
	u.annotate(annotated("worker", ""), unitCluster.RoleARN(plan.RoleName("prod", "shop", "checkout")))
	if _, err := u.finalize(t.Context(), deleted()); err != nil {
		t.Fatal(err)
	}
	if got, _ := u.roleOf("shop", "checkout"); got != "another" {
		t.Errorf("the annotation of another owner is %q, want it unchanged", got)
	}
	if got, found := u.roleOf("shop", "worker"); found {
		t.Errorf("the annotation of the operator is still %q", got)
	}
}

func TestFinalize_ActsOnlyOnWhatTheAPIServerHas(t *testing.T) {
	for reason, tc := range map[string]struct {
		existing []client.Object
		cached   *v1alpha1.PodIdentity
		want     []string // the calls
	}{
		"the object is gone":                        {cached: deleted()},
		"another object of that name exists by now": {existing: []client.Object{checkout(func(pi *v1alpha1.PodIdentity) { pi.Finalizers = []string{v1alpha1.Finalizer} })}, cached: deleted()},
		"a user has removed the finalizer":          {existing: []client.Object{deleted(func(pi *v1alpha1.PodIdentity) { pi.Finalizers = []string{"example.com/other"} })}, cached: deleted(), want: teardown},
		"the cached object has no finalizer":        {cached: deleted(func(pi *v1alpha1.PodIdentity) { pi.Finalizers = nil })},
		"the deletion policy is Retain by now":      {existing: []client.Object{deleted(retained)}, cached: deleted(), want: []string{"ObserveOwner", "TagRole"}},
	} {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t, tc.existing...)
			u.addRole(nil)
			if result, err := u.finalize(t.Context(), tc.cached); err != nil || result.RequeueAfter != 0 {
				t.Errorf("finalize = %v, %v, want success", result, err)
			}
			u.expectCalls(tc.want...)
		})
	}
}

func TestFinalize_FailsIfTheAPIServerDoesNotAnswer(t *testing.T) {
	broken := errors.New("unreachable")
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "podidentities"}, "checkout", errors.New("modified"))
	for reason, tc := range map[string]struct {
		client    interceptor.Funcs
		wantErr   error
		wantCalls []string
	}{
		"the object cannot be read": {
			client: interceptor.Funcs{Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
				return broken
			}},
			wantErr: broken,
		},
		"the finalizer cannot be removed": {
			client: interceptor.Funcs{Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
				return broken
			}},
			wantErr: broken, wantCalls: teardown,
		},
		"a conflict is retried without an error": {
			client: interceptor.Funcs{Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
				return conflict
			}},
			wantCalls: teardown,
		},
	} {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t, deleted())
			u.addRole(nil)
			api := interceptor.NewClient(u.client, tc.client)
			u.Reconciler.client, u.apiReader = api, api
			result, err := u.finalize(t.Context(), deleted())
			if !errors.Is(err, tc.wantErr) || err == nil && result.RequeueAfter != time.Second {
				t.Errorf("finalize = %v, %v, want %v or a retry after a second", result, err, tc.wantErr)
			}
			u.expectCalls(tc.wantCalls...)
			if got := u.event(); got != "" {
				t.Errorf("event %q although the object still exists", got)
			}
		})
	}
}
