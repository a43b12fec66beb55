package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/awslabs/goformation/v7/schema"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// parameters are those of the template that an installation sets.
func (i installation) parameters(credentials, provider, boundary, mayCreate string) map[string]string {
	p := map[string]string{
		"ClusterName": i.cluster, "OIDCIssuer": i.issuer, "EKSClusterName": i.eksCluster,
		"OperatorCredentials": credentials, "OIDCProvider": provider,
		"PermissionsBoundary": boundary, "OperatorCreatesOIDCProvider": mayCreate,
	}
	if i != defaults {
		maps.Copy(p, map[string]string{
			"CustomRolePath": i.rolePath, "BoundaryName": i.boundary, "Namespace": i.namespace, "ServiceAccount": i.serviceAccount,
		})
	}
	return p
}

func TestCloudFormation_CreatesWhatTheSettingsAskFor(t *testing.T) {
	schemas := resourceSchemas(t)
	for name, tc := range map[string]struct {
		in         installation
		parameters map[string]string
		resources  []string
		documents  map[string]string // by resource
	}{
		"defaults": {
			in: defaults, parameters: map[string]string{"ClusterName": defaults.cluster, "OIDCIssuer": defaults.issuer},
			resources: []string{"Boundary", "OperatorPolicy", "OperatorRole"},
			documents: map[string]string{"Boundary": "boundary-policy.json", "OperatorPolicy": "operator-policy.json", "OperatorRole": "operator-trust-policy.json"},
		},
		"everything, for EKS Pod Identity": {
			in: defaults, parameters: defaults.parameters("EKSPodIdentity", "Create", "Create", "true"),
			resources: []string{"Boundary", "OperatorAssociation", "OperatorPolicy", "OperatorProviderPolicy", "OperatorRole", "Provider"},
			documents: map[string]string{"OperatorRole": "operator-trust-policy-eks-pod-identity.json", "OperatorProviderPolicy": "operator-policy-oidc-provider.json"},
		},
		"a boundary of the account": {
			in: defaults, parameters: defaults.parameters("IRSA", "Existing", "Existing", "false"),
			resources: []string{"OperatorPolicy", "OperatorRole"},
			documents: map[string]string{"OperatorPolicy": "operator-policy.json"},
		},
		"no boundary": {
			in: defaults, parameters: defaults.parameters("IRSA", "Existing", "None", "false"),
			resources: []string{"OperatorPolicy", "OperatorRole"},
			documents: map[string]string{"OperatorPolicy": "operator-policy-without-boundary.json"},
		},
		"other names": {
			in: custom, parameters: custom.parameters("IRSA", "Create", "Create", "true"),
			resources: []string{"Boundary", "OperatorPolicy", "OperatorProviderPolicy", "OperatorRole", "Provider"},
			documents: map[string]string{"OperatorPolicy": "operator-policy.json", "OperatorRole": "operator-trust-policy.json", "OperatorProviderPolicy": "operator-policy-oidc-provider.json"},
		},
		"other names, no boundary, EKS Pod Identity": {
			in: custom, parameters: custom.parameters("EKSPodIdentity", "Existing", "None", "false"),
			resources: []string{"OperatorAssociation", "OperatorPolicy", "OperatorRole"},
			documents: map[string]string{"OperatorPolicy": "operator-policy-without-boundary.json", "OperatorRole": "operator-trust-policy-eks-pod-identity.json"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			stack := newStack(t, tc.parameters)
			resources := stack.resources(t)
			if diff := cmp.Diff(tc.resources, slices.Sorted(maps.Keys(resources))); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
			for id, resource := range resources {
				validate(t, schemas, id, resource)
			}
			for id, file := range tc.documents {
				if diff := cmp.Diff(tc.in.document(t, file), document(resources[id])); diff != "" {
					t.Errorf("policy of %s (-%s +template):\n%s", id, file, diff)
				}
			}
			for _, id := range []string{"OperatorRole", "OperatorPolicy"} {
				properties := resources[id]["Properties"].(map[string]any)
				got, _ := properties["RoleName"].(string)
				if id == "OperatorPolicy" {
					got, _ = properties["ManagedPolicyName"].(string)
				}
				if want := "podidentity-operator-" + tc.in.cluster; got != want {
					t.Errorf("name of %s is %q, want %q as in config/aws/README.md", id, got, want)
				}
			}
		})
	}
}

func TestCloudFormation_RejectsIncompleteSettings(t *testing.T) {
	p := defaults.parameters("EKSPodIdentity", "Existing", "Create", "false")
	if broken := newStack(t, p).brokenRules(t); len(broken) != 0 {
		t.Errorf("rules %v reject complete settings", broken)
	}
	p["EKSClusterName"] = ""
	if diff := cmp.Diff([]string{"EKSClusterNameIsSet"}, newStack(t, p).brokenRules(t)); diff != "" {
		t.Errorf("broken rules without EKSClusterName (-want +got):\n%s", diff)
	}
}

// `aws cloudformation deploy` sends a larger template only through a bucket.
func TestCloudFormation_FitsIntoOneCall(t *testing.T) {
	const limit = 51_200 // see AWS CloudFormation quotas
	if raw := shippedTemplate(t); len(raw) > limit {
		t.Errorf("the template has %d bytes, at most %d fit", len(raw), limit)
	}
}

// The templates must not accept names that the operator rejects.
func TestTemplates_PatternsAreThoseOfTheFlags(t *testing.T) {
	flags, err := os.ReadFile("../../internal/options/flags.go")
	if err != nil {
		t.Fatal(err)
	}
	variables, err := os.ReadFile(filepath.Join(shipped, "terraform", "variables.tf"))
	if err != nil {
		t.Fatal(err)
	}
	parameters := newStack(t, nil).template["Parameters"].(map[string]any)
	for parameter, pattern := range map[string]string{
		"ClusterName":    `^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`,
		"CustomRolePath": `^(/[A-Za-z0-9_+=,.@-]+)+/$`,
	} {
		if !bytes.Contains(flags, []byte("`"+pattern+"`")) {
			t.Errorf("internal/options/flags.go has another pattern than %s", pattern)
		}
		if parameter == "CustomRolePath" { // may be empty in the templates
			pattern = "^(" + strings.Trim(pattern, "^$") + ")?$"
		}
		if got := parameters[parameter].(map[string]any)["AllowedPattern"]; got != pattern {
			t.Errorf("CloudFormation: the pattern of %s is %v, want %s", parameter, got, pattern)
		}
		if !bytes.Contains(variables, []byte(pattern)) {
			t.Errorf("Terraform: no variable has the pattern %s", pattern)
		}
	}
	if got := parameters["ClusterName"].(map[string]any)["MaxLength"]; got != 40 || !bytes.Contains(flags, []byte("maxClusterName = 40")) {
		t.Errorf("MaxLength of ClusterName is %v, want maxClusterName of internal/options/flags.go", got)
	}
}

func shippedTemplate(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(shipped, "cloudformation.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// document returns the policy document of a resource.
func document(resource map[string]any) any {
	properties, _ := resource["Properties"].(map[string]any)
	for _, key := range []string{"PolicyDocument", "AssumeRolePolicyDocument"} {
		if d, ok := properties[key]; ok {
			return d
		}
	}
	return nil
}

// resourceSchemas returns the JSON schema of each type of resource in the template,
// as AWS publishes it. That of goformation still requires thumbprints of an OIDC
// provider, which IAM has not since October 2024, see
// https://github.com/aws/aws-sdk/issues/563.
func resourceSchemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	text := strings.Replace(schema.CloudformationSchema, "\"required\": [\n                        \"ThumbprintList\"\n                    ]", `"required": ["Url"]`, 1)
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("cloudformation.json", map[string]any{"definitions": parsed.(map[string]any)["definitions"]}); err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*jsonschema.Schema{}
	for _, kind := range []string{"AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::IAM::OIDCProvider", "AWS::EKS::PodIdentityAssociation"} {
		if schemas[kind], err = compiler.Compile("cloudformation.json#/definitions/" + kind); err != nil {
			t.Fatal(err)
		}
	}
	return schemas
}

func validate(t *testing.T, schemas map[string]*jsonschema.Schema, id string, resource map[string]any) {
	t.Helper()
	kind, _ := resource["Type"].(string)
	s, ok := schemas[kind]
	if !ok {
		t.Fatalf("%s is of type %q, whose schema the test does not know", id, kind)
	}
	raw, err := json.Marshal(resource)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(value); err != nil {
		t.Errorf("%s: %v", id, err)
	}
}
