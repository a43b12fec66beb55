package controllers

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

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

func TestServiceAccountPhase_ChangesOnlyWhatItMay(t *testing.T) {
	arn := unitCluster.RoleARN(plan.RoleName("prod", "shop", "checkout"))
	annotate := func(pi *v1alpha1.PodIdentity) { pi.Spec.ServiceAccount.Mode = v1alpha1.ServiceAccountAnnotate }
	withAudience := func(sa *corev1.ServiceAccount) *corev1.ServiceAccount {
		return edited(sa, func(sa *corev1.ServiceAccount) { sa.Annotations[plan.AnnotationAudience] = "another" })
	}
	bare := func() *corev1.ServiceAccount {
		return edited(annotated("checkout", ""), func(sa *corev1.ServiceAccount) { sa.Annotations = map[string]string{"team": "shop"} })
	}
	for reason, tc := range map[string]struct {
		existing *corev1.ServiceAccount
		edit     func(*v1alpha1.PodIdentity)
		event    string
		conflict bool
		want     string // the role in the annotation
	}{
		"an own one with another role gets the role":           {existing: owned(annotated("checkout", "another")), event: eventUpdatedServiceAccount, want: arn},
		"an own one loses the audience of another user":        {existing: owned(withAudience(annotated("checkout", arn))), event: eventUpdatedServiceAccount, want: arn},
		"one of another owner stays as it is":                  {existing: annotated("checkout", "another"), conflict: true, want: "another"},
		"mode Annotate annotates one of another owner":         {existing: bare(), edit: annotate, event: eventAnnotatedServiceAccount, want: arn},
		"mode Annotate takes no annotation from another owner": {existing: annotated("checkout", "another"), edit: annotate, conflict: true, want: "another"},
		"mode Annotate reports the audience of another owner":  {existing: withAudience(annotated("checkout", arn)), edit: annotate, conflict: true, want: arn},
	} {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t, tc.existing)
			pi := checkout()
			if tc.edit != nil {
				tc.edit(pi)
			}
			s := u.scopeOf(pi)
			err := u.serviceAccounts.reconcile(t.Context(), s)
			if tc.conflict {
				expectFault(t, err, fault.Blocked, v1alpha1.ReasonServiceAccountConflict)
			} else if err != nil || len(s.pendingEvents) != 1 || s.pendingEvents[0].reason != tc.event {
				t.Errorf("reconcile = %v, events %v, want %s", err, s.pendingEvents, tc.event)
			}
			if got, _ := u.roleOf("shop", "checkout"); got != tc.want {
				t.Errorf("the role is %q, want %q", got, tc.want)
			}
			var sa corev1.ServiceAccount
			if err := u.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "checkout"}, &sa); err != nil {
				t.Fatal(err)
			}
			if got := hasForeignAudience(&sa, nil); got && !tc.conflict {
				t.Error("the audience of another user is still there")
			}
			if tc.existing.Annotations["team"] != sa.Annotations["team"] {
				t.Errorf("the annotation of another owner is %q", sa.Annotations["team"])
			}
		})
	}
}
