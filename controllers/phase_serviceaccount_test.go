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
