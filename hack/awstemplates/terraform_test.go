package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// variables are those of the module that an installation sets.
func (i installation) variables(credentials string, createProvider bool, boundary string, mayCreate bool) map[string]cty.Value {
	v := map[string]cty.Value{
		"cluster_name": cty.StringVal(i.cluster), "oidc_issuer": cty.StringVal("https://" + i.issuer), "eks_cluster_name": cty.StringVal(i.eksCluster),
		"operator_credentials": cty.StringVal(credentials), "create_oidc_provider": cty.BoolVal(createProvider),
		"permissions_boundary": cty.StringVal(boundary), "operator_creates_oidc_provider": cty.BoolVal(mayCreate),
	}
	if i != defaults {
		maps.Copy(v, map[string]cty.Value{
			"role_path": cty.StringVal(i.rolePath), "boundary_name": cty.StringVal(i.boundary),
			"namespace": cty.StringVal(i.namespace), "service_account": cty.StringVal(i.serviceAccount),
		})
	}
	return v
}

func TestTerraform_CreatesWhatTheSettingsAskFor(t *testing.T) {
	always := []string{"aws_iam_policy.operator", "aws_iam_role.operator", "aws_iam_role_policy_attachment.operator"}
	for name, tc := range map[string]struct {
		in        installation
		variables map[string]cty.Value
		optional  []string
		documents map[string]string // by resource
	}{
		"defaults": {
			in: defaults, variables: map[string]cty.Value{"cluster_name": cty.StringVal(defaults.cluster), "oidc_issuer": cty.StringVal(defaults.issuer)},
			optional:  []string{"aws_iam_policy.boundary"},
			documents: map[string]string{"aws_iam_policy.boundary": "boundary-policy.json", "aws_iam_policy.operator": "operator-policy.json", "aws_iam_role.operator": "operator-trust-policy.json"},
		},
		"everything, for EKS Pod Identity": {
			in: defaults, variables: defaults.variables("EKSPodIdentity", true, "Create", true),
			optional: []string{
				"aws_eks_pod_identity_association.operator", "aws_iam_openid_connect_provider.this",
				"aws_iam_policy.boundary", "aws_iam_policy.oidc_provider", "aws_iam_role_policy_attachment.oidc_provider",
			},
			documents: map[string]string{"aws_iam_role.operator": "operator-trust-policy-eks-pod-identity.json", "aws_iam_policy.oidc_provider": "operator-policy-oidc-provider.json"},
		},
		"a boundary of the account": {
			in: defaults, variables: defaults.variables("IRSA", false, "Existing", false),
			documents: map[string]string{"aws_iam_policy.operator": "operator-policy.json"},
		},
		"no boundary": {
			in: defaults, variables: defaults.variables("IRSA", false, "None", false),
			documents: map[string]string{"aws_iam_policy.operator": "operator-policy-without-boundary.json"},
		},
		"other names": {
			in: custom, variables: custom.variables("EKSPodIdentity", false, "Create", false),
			optional:  []string{"aws_eks_pod_identity_association.operator", "aws_iam_policy.boundary"},
			documents: map[string]string{"aws_iam_policy.operator": "operator-policy.json", "aws_iam_role.operator": "operator-trust-policy-eks-pod-identity.json"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, tc.variables)
			resources := m.resources(t)
			if diff := cmp.Diff(slices.Sorted(slices.Values(slices.Concat(always, tc.optional))), slices.Sorted(maps.Keys(resources))); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
			for id, file := range tc.documents {
				text, ok := resources[id]["policy"]
				if !ok {
					text = resources[id]["assume_role_policy"]
				}
				if diff := cmp.Diff(tc.in.document(t, file), decode(t, text.AsString())); diff != "" {
					t.Errorf("policy of %s (-%s +module):\n%s", id, file, diff)
				}
			}
			for _, id := range always[:2] {
				if got, want := resources[id]["name"].AsString(), "podidentity-operator-"+tc.in.cluster; got != want {
					t.Errorf("name of %s is %q, want %q as in config/aws/README.md", id, got, want)
				}
			}
		})
	}
}

func TestTerraform_RejectsWrongSettings(t *testing.T) {
	if failed := newModule(t, defaults.variables("EKSPodIdentity", true, "Create", true)).failedValidations(t); failed != nil {
		t.Errorf("correct settings fail the validations of %v", failed)
	}
	for reason, tc := range map[string]struct {
		variable string
		value    cty.Value
		want     []string
	}{
		"a cluster name has no capital letters":            {"cluster_name", cty.StringVal("Prod"), []string{"cluster_name"}},
		"a cluster name leaves room in a role name":        {"cluster_name", cty.StringVal("a1234567890123456789012345678901234567890"), []string{"cluster_name"}},
		"IAM accepts no issuer with a port":                {"oidc_issuer", cty.StringVal("https://issuer.example.com:8443"), []string{"oidc_issuer"}},
		"IAM accepts no issuer over http":                  {"oidc_issuer", cty.StringVal("http://issuer.example.com"), []string{"oidc_issuer"}},
		"the credentials must be one of two kinds":         {"operator_credentials", cty.StringVal("Keys"), []string{"operator_credentials"}},
		"EKS Pod Identity needs the name of the cluster":   {"eks_cluster_name", cty.StringVal(""), []string{"operator_credentials"}},
		"a boundary is created, exists or is not forced":   {"permissions_boundary", cty.StringVal("yes"), []string{"permissions_boundary"}},
		"the root path would include all roles":            {"role_path", cty.StringVal("/"), []string{"role_path"}},
		"a path ends with a slash":                         {"role_path", cty.StringVal("/teams"), []string{"role_path"}},
		"an asterisk would widen the path of the policies": {"role_path", cty.StringVal("/*/"), []string{"role_path"}},
	} {
		t.Run(reason, func(t *testing.T) {
			variables := defaults.variables("EKSPodIdentity", true, "Create", true)
			variables[tc.variable] = tc.value
			if diff := cmp.Diff(tc.want, newModule(t, variables).failedValidations(t)); diff != "" {
				t.Errorf("failed validations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTerraform_Formatted(t *testing.T) {
	for name, source := range sources(t) {
		if !bytes.Equal(hclwrite.Format(source), source) {
			t.Errorf("%s is not as `terraform fmt` writes it", name)
		}
	}
}

// The modules that pages show set variables that the module has, to values that it
// accepts, and all that are required.
func TestTerraform_DocumentedModulesAreValid(t *testing.T) {
	const source = "git::https://github.com/podidentity/podidentity-operator.git//config/aws/terraform?ref="
	others := &hcl.EvalContext{Variables: map[string]cty.Value{"module": cty.ObjectVal(map[string]cty.Value{
		"eks": cty.ObjectVal(map[string]cty.Value{"cluster_oidc_issuer_url": cty.StringVal("https://" + defaults.issuer)}),
	})}}
	found := 0
	for page, text := range documented(t) {
		file, diagnostics := hclsyntax.ParseConfig([]byte(text), page, hcl.InitialPos)
		if diagnostics.HasErrors() {
			t.Errorf("%s: %v", page, diagnostics)
			continue
		}
		if formatted := string(hclwrite.Format([]byte(text))); formatted != text {
			t.Errorf("%s: `terraform fmt` writes it otherwise:\n%s", page, formatted)
		}
		for _, block := range file.Body.(*hclsyntax.Body).Blocks {
			variables := map[string]cty.Value{}
			for name, attribute := range block.Body.Attributes {
				value, diagnostics := attribute.Expr.Value(others)
				if diagnostics.HasErrors() {
					t.Fatalf("%s: %v", page, diagnostics)
				}
				variables[name] = value
			}
			if block.Type != "module" || !strings.HasPrefix(variables["source"].AsString(), source) {
				t.Errorf("%s: a block other than the module from %s", page, source)
			}
			delete(variables, "source")
			if failed := newModule(t, variables).failedValidations(t); failed != nil {
				t.Errorf("%s: the values of %v are rejected", page, failed)
			}
			found++
		}
	}
	if found < 2 {
		t.Errorf("only %d modules were found", found)
	}
}

// documented returns the blocks of HCL in the pages of the project, by page and line.
func documented(t *testing.T) map[string]string {
	t.Helper()
	blocks := map[string]string{}
	err := filepath.WalkDir("../..", func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		content, err := os.ReadFile(path)
		for i, part := range strings.Split(string(content), "\n```hcl\n")[1:] {
			text, _, _ := strings.Cut(part, "```")
			blocks[fmt.Sprintf("%s, block %d", path, i+1)] = text
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

func sources(t *testing.T) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(shipped, "terraform", "*.tf"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no Terraform files: %v", err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// A module evaluates Terraform's expressions with Terraform's parser. It knows
// nothing of the schemas of resources, which the AWS provider has.
type module struct {
	blocks  []*hclsyntax.Block
	context *hcl.EvalContext
}

func newModule(t *testing.T, variables map[string]cty.Value) module {
	t.Helper()
	var m module
	for name, source := range sources(t) {
		file, diagnostics := hclsyntax.ParseConfig(source, name, hcl.InitialPos)
		if diagnostics.HasErrors() {
			t.Fatal(diagnostics)
		}
		m.blocks = append(m.blocks, file.Body.(*hclsyntax.Body).Blocks...)
	}
	m.context = &hcl.EvalContext{
		Variables: map[string]cty.Value{
			"var": m.variables(t, variables),
			"data": cty.ObjectVal(map[string]cty.Value{
				"aws_partition":       current("partition", "aws"),
				"aws_caller_identity": current("account_id", "123456789012"),
				"aws_region":          current("id", "eu-west-1"),
			}),
			// What AWS gives resources is not known before they are created.
			"aws_iam_role":   cty.DynamicVal,
			"aws_iam_policy": cty.DynamicVal,
		},
		Functions: map[string]function.Function{
			"can": tryfunc.CanFunc, "contains": stdlib.ContainsFunc, "jsonencode": stdlib.JSONEncodeFunc, "length": stdlib.StrlenFunc,
			"regex": stdlib.RegexFunc, "trimprefix": stdlib.TrimPrefixFunc,
		},
	}
	m.evaluateLocals(t)
	return m
}

func current(attribute, value string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"current": cty.ObjectVal(map[string]cty.Value{attribute: cty.StringVal(value)})})
}

// each calls f for the blocks of a type.
func (m module) each(kind string, f func(*hclsyntax.Block)) {
	for _, block := range m.blocks {
		if block.Type == kind {
			f(block)
		}
	}
}

func (m module) variables(t *testing.T, set map[string]cty.Value) cty.Value {
	t.Helper()
	values := map[string]cty.Value{}
	m.each("variable", func(block *hclsyntax.Block) {
		if attribute, ok := block.Body.Attributes["default"]; ok {
			value, diagnostics := attribute.Expr.Value(nil)
			if diagnostics.HasErrors() {
				t.Fatal(diagnostics)
			}
			values[block.Labels[0]] = value
		} else {
			values[block.Labels[0]] = cty.NilVal
		}
	})
	for name, value := range set {
		if _, ok := values[name]; !ok {
			t.Fatalf("the module has no variable %s", name)
		}
		values[name] = value
	}
	for name, value := range values {
		if value == cty.NilVal {
			t.Fatalf("variable %s has no default and is not set", name)
		}
	}
	return cty.ObjectVal(values)
}

// evaluateLocals evaluates local values in the order of their dependencies.
func (m module) evaluateLocals(t *testing.T) {
	t.Helper()
	pending := map[string]*hclsyntax.Attribute{}
	m.each("locals", func(block *hclsyntax.Block) { maps.Copy(pending, block.Body.Attributes) })
	values := map[string]cty.Value{}
	for len(pending) > 0 {
		before := len(pending)
		m.context.Variables["local"] = cty.ObjectVal(values)
		var last hcl.Diagnostics
		for name, attribute := range pending {
			value, diagnostics := attribute.Expr.Value(m.context)
			if diagnostics.HasErrors() {
				last = diagnostics
				continue
			}
			values[name] = value
			delete(pending, name)
		}
		if len(pending) == before {
			t.Fatal(last)
		}
	}
	m.context.Variables["local"] = cty.ObjectVal(values)
}

// resources returns the attributes of the resources that the module creates.
func (m module) resources(t *testing.T) map[string]map[string]cty.Value {
	t.Helper()
	created := map[string]map[string]cty.Value{}
	m.each("resource", func(block *hclsyntax.Block) {
		attributes := map[string]cty.Value{}
		for name, attribute := range block.Body.Attributes {
			value, diagnostics := attribute.Expr.Value(m.context)
			if diagnostics.HasErrors() {
				t.Fatal(diagnostics)
			}
			attributes[name] = value
		}
		if count, ok := attributes["count"]; !ok || count.Equals(cty.NumberIntVal(1)).True() {
			created[block.Labels[0]+"."+block.Labels[1]] = attributes
		}
	})
	return created
}

// failedValidations returns the variables whose validations fail.
func (m module) failedValidations(t *testing.T) []string {
	t.Helper()
	var failed []string
	m.each("variable", func(block *hclsyntax.Block) {
		for _, nested := range block.Body.Blocks {
			value, diagnostics := nested.Body.Attributes["condition"].Expr.Value(m.context)
			if diagnostics.HasErrors() {
				t.Fatal(diagnostics)
			}
			if value.False() {
				failed = append(failed, block.Labels[0])
			}
		}
	})
	return failed
}
