package command

import (
	"os"
	"strings"
	"testing"
)

// Each source gives YAML that plan accepts. What it cannot express is in both outputs.
func TestImport_Files(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, kind, file string
	}{
		"terraform-state":       {"A state file, with modules, indexes, and a role for something else.", "terraform", "terraform.tfstate"},
		"terraform-show":        {"What terraform show -json prints.", "terraform", "terraform-show.json"},
		"ack":                   {"One reference can be resolved, another one cannot.", "ack", "ack.yaml"},
		"crossplane-namespaced": {"References across namespaces, a common controller, and what counts at creation only.", "crossplane", "crossplane-namespaced.yaml"},
		"crossplane":            {"Both providers, references and selectors, and a role for two namespaces.", "crossplane", "crossplane.yaml"},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			r := runPlugin("", "import", tc.kind, "-f", "testdata/import/"+tc.file)
			golden(t, "testdata/import/"+name+".txt", r.stdout)
			golden(t, "testdata/import/"+name+".err", r.stderr)
			if r.code != exitFinding {
				t.Errorf("exit code %d, want %d", r.code, exitFinding)
			}
			if p := runPlugin(r.stdout, "plan", "--offline", "-f", "-"); p.code != exitFine {
				t.Errorf("plan rejects what import prints, exit code %d:\n%s%s", p.code, p.stdout, p.stderr)
			}
		})
	}
	golden(t, "testdata/import/ack.json", runPlugin("", "import", "ack", "-f", "testdata/import/ack.yaml", "-o", "json").stdout)
}

// The two forms of a state give the same identities.
func TestImport_TerraformForms(t *testing.T) {
	file := runPlugin("", "import", "terraform", "-f", "testdata/import/terraform.tfstate")
	show := runPlugin("", "import", "terraform", "-f", "testdata/import/terraform-show.json")
	if file.stdout != show.stdout || file.stderr != show.stderr {
		t.Errorf("a state file gives\n%s\nterraform show gives\n%s", file.stdout, show.stdout)
	}
}

// Invalid input ends with one line that states what is wrong.
func TestImport_BadInput(t *testing.T) {
	state := func(attributes string) string {
		return `{"version":4,"resources":[{"mode":"managed","type":"aws_iam_role","name":"x","instances":[{"attributes":` + attributes + `}]}]}`
	}
	const role = "apiVersion: iam.services.k8s.aws/v1alpha1\nkind: Role\nmetadata: {name: x}\n"
	cases := map[string]struct {
		reason, in string
		args       []string
		says       string
	}{
		"Empty":         {"The input is empty.", "", []string{"terraform", "-f", "-"}, "not a Terraform state"},
		"NoJSON":        {"HCL is not a Terraform state.", `resource "aws_iam_role" "x" {}`, []string{"terraform", "-f", "-"}, "not a Terraform state"},
		"OtherJSON":     {"The JSON is not a Terraform state.", `{"a": 1}`, []string{"terraform", "-f", "-"}, "terraform show -json"},
		"OldState":      {"The state is older than Terraform 0.12.", `{"version": 3}`, []string{"terraform", "-f", "-"}, "of version 4"},
		"WrongType":     {"A name is a number.", state(`{"name": 1}`), []string{"terraform", "-f", "-"}, "resource aws_iam_role.x: json: cannot unmarshal number"},
		"NullRole":      {"A role has no attributes.", state(`null`), []string{"terraform", "-f", "-"}, "the trust policy cannot be read"},
		"Deep":          {"Deep nesting could exhaust the stack of a parser.", strings.Repeat(`{"values":{"root_module":`, 20000), []string{"terraform", "-f", "-"}, "not a Terraform state"},
		"NoRole":        {"The state contains no role.", `{"version": 4}`, []string{"terraform", "-f", "-"}, "the input contains no role for a ServiceAccount"},
		"NoFlag":        {"The required flag is missing.", "", []string{"terraform"}, "--filename must be set"},
		"NoFile":        {"The file does not exist.", "", []string{"terraform", "-f", "nope"}, "nope: no such file"},
		"ACKType":       {"A string is a list.", role + "spec: {assumeRolePolicyDocument: [x]}\n", []string{"ack", "-f", "-"}, "Role x: "},
		"ACKNoYAML":     {"A tab makes the YAML invalid.", "a:\n\t- b", []string{"ack", "-f", "-"}, "not a YAML object"},
		"ACKNone":       {"The input contains only objects of other kinds.", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n", []string{"ack", "-f", "-"}, "the input contains no role for a ServiceAccount"},
		"ACKNoFlag":     {"The required flag is missing.", "", []string{"ack"}, "exactly one of --filename and --kustomize"},
		"CrossplaneBad": {"A number is a string.", "apiVersion: iam.aws.upbound.io/v1beta1\nkind: Role\nmetadata: {name: x}\nspec: {forProvider: {maxSessionDuration: long}}\n", []string{"crossplane", "-f", "-"}, "Role x: "},
		"NoSource":      {"The source is missing.", "", nil, "name what to import"},
		"OtherSource":   {"The source does not exist.", "", []string{"pulumi"}, `unknown command "pulumi"`},
		"Format":        {"YAML is the format for people.", "", []string{"terraform", "-f", "-", "-o", "xml"}, "must be json"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			r := runPlugin(tc.in, append([]string{"import"}, tc.args...)...)
			if r.code != exitError || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, tc.says) || r.stdout != "" {
				t.Errorf("exit code %d, want %d and one line with %q:\n%s%s", r.code, exitError, tc.says, r.stdout, r.stderr)
			}
		})
	}
}

// A text from the source can end neither a comment of the YAML nor a word of a shell.
func TestImport_HostileText(t *testing.T) {
	raw, err := os.ReadFile("testdata/import/terraform-show.json")
	if err != nil {
		t.Fatal(err)
	}
	hostile := strings.ReplaceAll(string(raw), `module.irsa[\"checkout\"].aws_iam_role.this[0]`, `x'; rm -rf /\nspec: {}\u001b[2K`)
	hostile = strings.ReplaceAll(hostile, `"managed-by": "terraform"`, `"a\nkind: Secret": "?"`)
	r := runPlugin(hostile, "import", "terraform", "-f", "-")
	for line := range strings.Lines(r.stdout + r.stderr) {
		if strings.HasPrefix(line, "kind: Secret") || strings.HasPrefix(line, "spec: {}") || strings.Contains(line, "\x1b") {
			t.Errorf("a text of the source became a line: %s", line)
		}
	}
	if p := runPlugin(r.stdout, "plan", "--offline", "-f", "-"); p.code != exitFine {
		t.Errorf("plan rejects the output:\n%s%s", p.stdout, p.stderr)
	}
}
