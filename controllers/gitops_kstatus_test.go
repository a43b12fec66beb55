package controllers_test

import (
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// The health that GitOps tools show follows from who must act, for every outcome that an
// identity can have. The test uses the libraries of the tools themselves, on objects of a
// real API server.
func TestGitOps_HealthOfEveryOutcome(t *testing.T) {
	t.Parallel()
	checks := fluxHealthChecks(t)
	for name, o := range outcomes {
		t.Run(name, func(t *testing.T) {
			s := o.start(t)
			o.run(s)
			u := s.live("checkout")
			got := conditionsOf(s.get("checkout"))
			got.kstatus = kstatusOf(t, u)
			got.argo = o.want.argo // the fixture below says it to Argo CD's own code
			got.flux = checks["healthcheck.yaml"].status(t, u)
			got.fluxFailFast = checks["healthcheck-failfast.yaml"].status(t, u)

			if diff := cmp.Diff(o.want, got, cmp.AllowUnexported(conditionFor{})); diff != "" {
				t.Errorf("%s\noutcome: -want, +got:\n%s\n%s", o.reason, diff, describe(s.get("checkout")))
			}
			if path := o.fixture(name); path != "" {
				golden(t, path, toYAML(t, s.stable(u).Object))
			}
		})
	}
}

// live returns the PodIdentity as kubectl get -o yaml shows it.
func (s *env) live(name string) *unstructured.Unstructured {
	s.t.Helper()
	u := s.liveWithOwners(name)
	u.SetManagedFields(nil)
	return u
}

// liveWithOwners returns the PodIdentity with all that the API server has of it.
func (s *env) liveWithOwners(name string) *unstructured.Unstructured {
	s.t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("PodIdentity"))
	s.must(user.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, u))
	return u
}

func conditionsOf(pi *v1alpha1.PodIdentity) conditionFor {
	return conditionFor{
		ready:       abnormal(pi, v1alpha1.ConditionReady),
		reconciling: abnormal(pi, v1alpha1.ConditionReconciling),
		stalled:     abnormal(pi, v1alpha1.ConditionStalled),
	}
}

func kstatusOf(t *testing.T, u *unstructured.Unstructured) status.Status {
	t.Helper()
	result, err := status.Compute(u)
	if err != nil {
		t.Fatal(err)
	}
	return result.Status
}
