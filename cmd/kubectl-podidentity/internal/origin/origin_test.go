package origin

import (
	"os"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
)

// No input makes the parser panic.
func FuzzTerraform(f *testing.F) {
	for _, file := range []string{"terraform.tfstate", "terraform-show.json"} {
		raw, err := os.ReadFile("../command/testdata/import/" + file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		roles, err := Terraform(raw)
		if err != nil && roles != nil {
			t.Errorf("roles with the error %v", err)
		}
	})
}

func TestQuote_ForShells(t *testing.T) {
	for in, want := range map[string]string{
		"aws_iam_role.x":    "aws_iam_role.x",
		`module.x["a"]`:     `'module.x["a"]'`,
		"a'; rm -rf / #":    `'a'\''; rm -rf / #'`,
		"":                  "''",
		"$(whoami)":         "'$(whoami)'",
		"eksctl-a-b_c+d=e,": "eksctl-a-b_c+d=e,",
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestOfAWS_ReadsRoleAndItsTool(t *testing.T) {
	r := OfAWS(&role.Role{
		Name: "x", Created: time.Unix(0, 0), Tags: map[string]string{"aws:cloudformation:stack-name": "eksctl-a", eksctlAccountTag: "shop/checkout"},
		Boundary: &role.Policy{ARN: "b"}, Policies: []role.Policy{{Name: "m", ARN: "arn"}, {Name: "i", Document: "{}"}},
	})
	if r.Boundary != "b" || len(r.Managed) != 1 || r.Inline["i"] != "{}" || r.Remove != "aws cloudformation delete-stack --stack-name eksctl-a" {
		t.Errorf("OfAWS() = %+v", r)
	}
	for tag, want := range map[string]bool{"shop/checkout": true, "shop/": false, "checkout": false, "": false} {
		if _, _, ok := EksctlAccount(&role.Role{Tags: map[string]string{eksctlAccountTag: tag}}); ok != want {
			t.Errorf("EksctlAccount(%q) = %t, want %t", tag, ok, want)
		}
	}
}

// The native provider has no spec.managementPolicies in its older versions: the API
// server would drop the field, and Crossplane would go on managing the role.
func TestForget_FitsTheProvider(t *testing.T) {
	for group, want := range map[string]string{
		"iam.aws.upbound.io":    `kubectl patch -n a role.iam.aws.upbound.io/x --type merge -p '{"spec":{"managementPolicies":["Observe"]}}'`,
		"iam.aws.crossplane.io": `kubectl patch -n a role.iam.aws.crossplane.io/x --type merge -p '{"spec":{"deletionPolicy":"Orphan"}}' && kubectl delete -n a role.iam.aws.crossplane.io/x`,
	} {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": group + "/v1beta1", "kind": "Role", "metadata": map[string]any{"name": "x", "namespace": "a"}}}
		if got := forget(u); got != want {
			t.Errorf("forget() = %s, want %s", got, want)
		}
	}
}
