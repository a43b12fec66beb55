package controllers

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

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
