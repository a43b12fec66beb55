package v1alpha1_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	ac "github.com/podidentity/podidentity-operator/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

// A program applies what it wants of an identity, finds what it owns, and gives
// up what it leaves out of the next apply.
func TestApplyConfiguration(t *testing.T) {
	const manager = "platform"
	want := func() *ac.PodIdentityApplyConfiguration {
		return ac.PodIdentity("applied", "default").WithSpec(ac.PodIdentitySpec().
			WithRole(ac.RoleSpec().WithMaxSessionDurationSeconds(7200).WithTags(map[string]v1alpha1.TagValue{"team": "shop"})).
			WithPolicies(ac.PoliciesSpec().WithInline(ac.InlinePolicy().WithName("bucket").WithStatements(
				ac.Statement().WithEffect("Allow").WithActions("s3:GetObject").WithResources("arn:aws:s3:::shop/*")))))
	}
	first := want()
	first.Spec.WithSuspend(true)
	for _, step := range []*ac.PodIdentityApplyConfiguration{first, want()} {
		if err := user.Apply(t.Context(), step, client.FieldOwner(manager)); err != nil {
			t.Fatal(err)
		}
	}

	var obj v1alpha1.PodIdentity
	if err := user.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "applied"}, &obj); err != nil {
		t.Fatal(err)
	}
	if obj.Spec.Suspend {
		t.Error("spec.suspend is still set, though nobody applies it any more")
	}
	owned, err := ac.ExtractPodIdentityFrom(&obj, manager, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want(), owned); diff != "" {
		t.Errorf("what %s owns: -applied, +extracted:\n%s", manager, diff)
	}
}
