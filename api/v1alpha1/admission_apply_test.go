package v1alpha1_test

import (
	"fmt"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Templates render empty sections, and leave them out in the next version. Server-side
// apply turns each form into each other one.
func TestEmptySections_ServerSideApply(t *testing.T) {
	forms := []string{
		`{}`, `{role: {}}`, `{role: {tags: {}}}`, `{role: {tags: {a: b}}}`, `{policies: {}}`, `{policies: {managed: []}}`, `{policies: {inline: []}}`,
		`{policies: {managed: ["` + policyARN + `"]}}`, `{serviceAccount: {}}`, `{trust: {}}`, `{trust: {scope: Namespace}}`, `{additionalServiceAccounts: []}`,
	}
	for i, before := range forms {
		for j, after := range forms {
			name := fmt.Sprintf("form-%d-%d", i, j)
			for _, spec := range []string{before, after} {
				err := user.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object(t, name, spec)), client.FieldOwner("helm"), client.ForceOwnership)
				if err != nil {
					t.Errorf("from %s to %s: applying %s: %v", before, after, spec, err)
				}
			}
		}
	}
}
