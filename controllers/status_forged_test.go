package controllers_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A deletion removes the role and the annotations of its own identity, even if someone
// wrote the role of another identity into its status.
func TestStatus_ForgedRoleDoesNotWidenADeletion(t *testing.T) {
	s := begin(t)
	s.createServiceAccount("legacy", nil)
	s.apply("metadata: {name: forged}\nspec: {}")
	s.apply("metadata: {name: other}\nspec: {serviceAccount: {name: legacy, mode: Annotate}}")
	pi := s.awaitReady("forged")
	other := s.awaitReady("other")
	role, annotations := s.role(roleName(s, "other")), s.serviceAccount("legacy").Annotations
	s.stop() // so that the operator does not correct the status before the deletion
	s.writes.reset()
	before := pi.DeepCopy()
	pi.Status.Role = other.Status.Role
	s.must(user.Status().Patch(s.ctx, pi, client.MergeFrom(before)))
	s.delete("forged")
	s.start()
	s.awaitGone("forged")
	for _, write := range s.writes.all() {
		if strings.HasSuffix(write, "/serviceaccounts/legacy") {
			t.Errorf("the operator wrote to the ServiceAccount of the other identity: %s", write)
		}
	}
	s.checkServiceAccount("legacy", annotations)
	if diff := cmp.Diff(role, s.role(roleName(s, "other"))); diff != "" {
		t.Errorf("role of the other identity: -before, +after:\n%s", diff)
	}
}
