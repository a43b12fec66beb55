package controllers

import (
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

func TestPlanPhase_NamesTheServiceAccountsToWrite(t *testing.T) {
	arn := unitCluster.RoleARN(plan.RoleName("prod", "shop", "checkout"))
	own := func(roleARN string) *corev1.ServiceAccount {
		return edited(owned(annotated("checkout", roleARN)), func(sa *corev1.ServiceAccount) { sa.Annotations[plan.AnnotationSTSRegionalEndpoints] = "true" })
	}
	annotate := func(pi *v1alpha1.PodIdentity) { pi.Spec.ServiceAccount.Mode = v1alpha1.ServiceAccountAnnotate }
	also := func(pi *v1alpha1.PodIdentity) {
		pi.Spec.AdditionalServiceAccounts = []v1alpha1.ServiceAccountName{"worker"}
	}
	older := checkout(func(pi *v1alpha1.PodIdentity) {
		pi.Name, pi.UID, pi.CreationTimestamp = "older", "0", metav1.NewTime(now.Add(-time.Hour))
		pi.Spec.ServiceAccount.Name = "checkout"
	})
	for reason, tc := range map[string]struct {
		existing   []client.Object
		edit       func(*v1alpha1.PodIdentity)
		want       []string
		wantReason string // of a blocked identity; empty for success
	}{
		"one that does not exist is to be created":                {want: []string{"checkout"}},
		"an own one with the role stays as it is":                 {existing: []client.Object{own(arn)}},
		"an own one with another role is to be updated":           {existing: []client.Object{own("another")}, want: []string{"checkout"}},
		"one of another owner cannot be created":                  {existing: []client.Object{annotated("checkout", arn)}, wantReason: v1alpha1.ReasonServiceAccountConflict},
		"one that the older identity uses cannot be used":         {existing: []client.Object{older}, wantReason: v1alpha1.ReasonServiceAccountConflict},
		"mode Annotate uses one of another owner":                 {existing: []client.Object{annotated("checkout", arn)}, edit: annotate},
		"mode Annotate is to annotate one with another role":      {existing: []client.Object{annotated("checkout", "another")}, edit: annotate, want: []string{"checkout"}},
		"mode Annotate is to annotate one once it exists":         {edit: annotate, want: []string{"checkout"}},
		"an additional one with the role stays as it is":          {existing: []client.Object{own(arn), annotated("worker", arn)}, edit: also},
		"an additional one without the role is to be annotated":   {existing: []client.Object{own(arn), annotated("worker", "")}, edit: also, want: []string{"worker"}},
		"of several, each that is not in sync is named, in order": {edit: also, want: []string{"checkout", "worker"}},
	} {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t, tc.existing...)
			pi := checkout(func(pi *v1alpha1.PodIdentity) { pi.CreationTimestamp = metav1.NewTime(now) })
			if tc.edit != nil {
				tc.edit(pi)
			}
			s := u.scopeOf(pi)
			err := u.plan.planServiceAccounts(t.Context(), s)
			if tc.wantReason != "" {
				expectFault(t, err, fault.Blocked, tc.wantReason)
			} else if err != nil {
				t.Error(err)
			}
			if !slices.Equal(s.pendingServiceAccounts, tc.want) {
				t.Errorf("pending = %q, want %q", s.pendingServiceAccounts, tc.want)
			}
		})
	}
}

func TestPlanPhase_FailsIfTheAPIServerDoesNotAnswer(t *testing.T) {
	u := newUnit(t)
	s := u.scopeOf(checkout())
	broken := errors.New("unreachable")
	u.serviceAccounts.client = unreachable(u.client, broken)
	if err := u.plan.planServiceAccounts(t.Context(), s); !errors.Is(err, broken) {
		t.Errorf("error = %v, want that of the API server", err)
	}
	u.roles.err = broken
	if err := u.plan.planRole(t.Context(), s); !errors.Is(err, broken) || s.pending != nil {
		t.Errorf("error = %v, pending = %v, want the error of AWS and no plan", err, s.pending)
	}
}

func TestPlanPhase_ReportsOnlyPendingChanges(t *testing.T) {
	for reason, tc := range map[string]struct {
		pending  []plan.Change
		accounts []string
		want     string // the message, empty for success
	}{
		"nothing is pending":           {},
		"one change is pending":        {accounts: []string{"checkout"}, want: "1 change pending (see status.plan); set spec.mode: Apply to apply them"},
		"changes of both are added up": {pending: []plan.Change{plan.DeleteRole{}}, accounts: []string{"checkout"}, want: "2 changes pending (see status.plan); set spec.mode: Apply to apply them"},
	} {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t)
			s := u.scopeOf(checkout())
			s.pending, s.pendingServiceAccounts = tc.pending, tc.accounts
			err := u.plan.report(t.Context(), s)
			if tc.want == "" {
				if err != nil || s.requeueAfter != 0 {
					t.Errorf("report = %v, requeueAfter = %s, want success", err, s.requeueAfter)
				}
				return
			}
			expectFault(t, err, fault.Waiting, v1alpha1.ReasonChangesPending)
			if err.Error() != tc.want || s.requeueAfter != unitConfig.DriftCheckInterval {
				t.Errorf("report = %v, requeueAfter = %s, want %s", err, s.requeueAfter, tc.want)
			}
		})
	}
}
