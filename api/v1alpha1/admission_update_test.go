package v1alpha1_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The names of ServiceAccount and role stay; all else can be edited.
func TestAdmission_NamesAreImmutable(t *testing.T) {
	const immutable = "is immutable"
	cases := map[string]struct {
		reason        string
		before, after string
		want          string // empty: it is let pass
	}{
		"ServiceAccountSet":     {"Setting another name would move the identity.", `{}`, `{serviceAccount: {name: web}}`, "spec.serviceAccount.name " + immutable},
		"ServiceAccountChanged": {"So would changing the name.", `{serviceAccount: {name: web}}`, `{serviceAccount: {name: api}}`, "spec.serviceAccount.name " + immutable},
		"ServiceAccountRemoved": {"So would removing the name.", `{serviceAccount: {name: web}}`, `{}`, "spec.serviceAccount.name " + immutable},
		"ServiceAccountSaid":    {"Setting the default explicitly changes nothing.", `{}`, `{serviceAccount: {name: serviceaccountsaid}}`, ""},
		"ServiceAccountUnsaid":  {"Removing a field with the default value changes nothing.", `{serviceAccount: {name: serviceaccountunsaid}}`, `{}`, ""},
		"RoleSet":               {"IAM cannot rename a role.", `{}`, `{role: {name: mine}}`, "spec.role.name " + immutable + " once the role exists"},
		"RoleChanged":           {"The role name cannot be changed.", `{role: {name: mine}}`, `{role: {name: yours}}`, "spec.role.name " + immutable + " once the role exists"},
		"RoleKept":              {"The same name changes nothing.", `{role: {name: mine}}`, `{role: {name: mine, description: d}}`, ""},
		"RoleRemoved":           {"Without a name, the role would get the generated one.", `{role: {name: mine, description: d}}`, `{role: {description: d}}`, "spec.role.name " + immutable + " once the role exists"},
		"EverythingElse": {
			"All other fields can be edited.",
			`{role: {description: a, adoptionPolicy: Never}, serviceAccount: {mode: Create}, deletionPolicy: Delete, policies: {managed: ["` + policyARN + `"]}}`,
			`{role: {description: b, adoptionPolicy: IfTagged, tags: {a: b}}, serviceAccount: {mode: Annotate}, deletionPolicy: Retain, suspend: true, mode: Plan, trust: {scope: Namespace}}`,
			"",
		},
		"NameWithoutRole": {"No role was created yet, so there is nothing to rename.", `{role: {name: mine}}`, `{role: {name: yours}}`, ""},
		"Emptied":         {"The name can also be removed.", `{role: {description: a}}`, `{}`, ""},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			made := object(t, strings.ToLower(name), tc.before)
			if err := user.Create(t.Context(), made); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "Role") {
				withRole := made.DeepCopyObject().(client.Object)
				role := []byte(`{"status":{"role":{"name":"r"}}}`)
				if err := user.Status().Patch(t.Context(), withRole, client.RawPatch(types.MergePatchType, role)); err != nil {
					t.Fatal(err)
				}
				made.SetResourceVersion(withRole.GetResourceVersion())
			}
			changed := object(t, strings.ToLower(name), tc.after)
			changed.SetResourceVersion(made.GetResourceVersion())
			switch err := user.Update(t.Context(), changed); {
			case tc.want == "" && err != nil:
				t.Errorf("rejected: %v", err)
			case tc.want != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("err = %v, want it to say %q", err, tc.want)
			}
		})
	}
}
