package controllers

import (
	"errors"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

func TestSetStatus_ARequestIsHandledOnceAWSAnswered(t *testing.T) {
	cases := map[string]struct {
		err  error
		want string
	}{
		"success is an answer":                   {want: "t1"},
		"a denial is an answer":                  {err: fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "denied"), want: "t1"},
		"a transient failure is not an answer":   {err: fault.Errorf(fault.Transient, v1alpha1.ReasonAWSUnavailable, "unreachable")},
		"an unclassified error is not an answer": {err: errors.New("boom")},
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

// A guardrail may have rejected an identity because of the number of identities or roles
// in its namespace. When there is one less, only these identities are queued.
func TestRejectedIdentities_AreQueuedWhenANamespaceHasRoom(t *testing.T) {
	identity := func(namespace, name, reason string) *v1alpha1.PodIdentity {
		return checkout(func(pi *v1alpha1.PodIdentity) {
			pi.Namespace, pi.Name = namespace, name
			if reason != "" {
				pi.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason}}
			}
		})
	}
	all := []*v1alpha1.PodIdentity{
		identity("shop", "new", ""),
		identity("shop", "denied", v1alpha1.ReasonAccessDenied),
		identity("shop", "rejected", v1alpha1.ReasonGuardrailViolated),
		identity("bank", "rejected-elsewhere", v1alpha1.ReasonGuardrailViolated),
	}
	want := []string{"rejected"}

	t.Run("an identity was deleted", func(t *testing.T) {
		w := watcher{client: newUnit(t, all[0], all[1], all[2], all[3]).client}
		var got []string
		for _, pi := range w.rejectedInNamespace(t.Context(), identity("shop", "deleted", "")) {
			got = append(got, pi.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("queued %q, want %q", got, want)
		}
	})
	t.Run("an orphaned role was deleted", func(t *testing.T) {
		var identities []v1alpha1.PodIdentity
		for _, pi := range all {
			identities = append(identities, *pi)
		}
		d := &driftChecker{suspects: make(chan event.GenericEvent, len(all))}
		d.queueRejected(t.Context(), map[string]bool{"shop": true}, identities)
		close(d.suspects)
		var got []string
		for e := range d.suspects {
			got = append(got, e.Object.GetName())
		}
		if !slices.Equal(got, want) {
			t.Errorf("queued %q, want %q", got, want)
		}
	})
}
