package plugin_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/installation"
)

// file returns the path of a new file with that text.
func (e *env) file(text string) string {
	e.Helper()
	path := filepath.Join(e.TempDir(), "objects.yaml")
	e.Must(os.WriteFile(path, []byte(text), 0o600))
	return path
}

// planned is the JSON of plan, without what the tests do not compare.
type planned struct {
	Objects []struct {
		Kind, Name, Action, State string
		Changes                   []struct{ On, Action, Target string }
		Findings                  []struct{ Check, Message string }
	}
}

// changes returns the changes of the first object, each as ON ACTION.
func (p planned) changes() []string {
	var all []string
	for _, c := range p.Objects[0].Changes {
		all = append(all, c.On+" "+c.Action)
	}
	return all
}

const planNamespace = "plan"

// The identity of the tests, with a description.
func planIdentity(description string) string {
	return `apiVersion: iam.podidentity.io/v1alpha1
kind: PodIdentity
metadata: {name: checkout, namespace: plan}
spec:
  role: {name: plan-checkout, description: "` + description + `"}
  policies: {managed: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]}
`
}

// plan shows what an apply would change, with the operator's own planner, and changes
// nothing.
func (e *env) plan() {
	e.Helper()
	e.installed()
	e.namespace(planNamespace, map[string]string{"team": "plan"})

	e.Run("Create", func(t *testing.T) {
		e := e.with(t)
		got := e.planOf(1, planIdentity("a"))
		want := []string{"PodIdentity checkout create", "role plan-checkout CreateRole", "role plan-checkout AttachRolePolicy", "ServiceAccount checkout create"}
		if diff := cmp.Diff(want, got.changes()); diff != "" {
			t.Errorf("changes: -want, +got:\n%s", diff)
		}
		err := e.Client.Get(t.Context(), client.ObjectKey{Namespace: planNamespace, Name: "checkout"}, &v1alpha1.PodIdentity{})
		if !apierrors.IsNotFound(err) {
			t.Errorf("the plan created the PodIdentity: %v", err)
		}
		name := "plan-checkout"
		if _, err := e.AWS.IAM.GetRole(t.Context(), &iam.GetRoleInput{RoleName: &name}); err == nil {
			t.Error("the plan created the role")
		}
	})
	e.apply(planIdentity("a"))
	if r := e.kubectl(nil, "reconcile", "-n", planNamespace, "checkout", "--wait"); r.code != 0 {
		e.Fatalf("reconcile --wait ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	e.Run("None", func(t *testing.T) {
		got := e.with(t).planOf(0, planIdentity("a"))
		if diff := cmp.Diff([]string(nil), got.changes()); diff != "" || got.Objects[0].Action != "none" {
			t.Errorf("changes of an identity in sync: -want, +got:\n%s", diff)
		}
	})
	e.Run("Change", func(t *testing.T) {
		got := e.with(t).planOf(1, planIdentity("b")+"  additionalServiceAccounts: [other]\n")
		want := []string{"PodIdentity checkout update", "role plan-checkout UpdateRole", "role plan-checkout UpdateAssumeRolePolicy"}
		if diff := cmp.Diff(want, got.changes()); diff != "" {
			t.Errorf("changes: -want, +got:\n%s", diff)
		}
	})
	e.planFindings()
	e.planErrors()
}

// planFindings has each check reject something once.
func (e *env) planFindings() {
	e.Helper()
	guardrail := "---\napiVersion: iam.podidentity.io/v1alpha1\nkind: PodIdentityGuardrail\nmetadata: {name: plan}\nspec:\n" +
		"  namespaceSelector: {matchLabels: {team: plan}}\n  managedPolicies: {allowed: []}\n"
	inline := "    inline: [{name: x, statements: [{effect: Allow, actions: [\"s3:GetObject\"], resources: [\"arn:aws:s3:::a/*\"]}]}]\n"
	fresh := "apiVersion: iam.podidentity.io/v1alpha1\nkind: PodIdentity\nmetadata: {name: fresh, namespace: plan}\nspec:\n  policies:\n" + inline
	cases := map[string]struct {
		reason, input, check, says string
		args                       []string
	}{
		"Guardrail":    {"A guardrail of the input counts as applied.", planIdentity("a") + guardrail, "guardrail", "rejected by PodIdentityGuardrail plan", nil},
		"Contents":     {"The guardrails are evaluated on the contents of managed policies.", strings.ReplaceAll(planIdentity("a"), "AmazonS3ReadOnlyAccess", "AdministratorAccess"), "guardrail", "rejected by the built-in baseline", nil},
		"UnknownField": {"The API server rejects it.", planIdentity("a") + "  polices: {}\n", "admission", `unknown field "spec.polices"`, nil},
		"Immutable":    {"A rule compares the object with the live one.", strings.ReplaceAll(planIdentity("a"), "plan-checkout", "other"), "admission", "spec.role.name is immutable", nil},
		"NoPolicy":     {"The policy does not exist in AWS.", strings.ReplaceAll(planIdentity("a"), "AmazonS3ReadOnlyAccess", "Nope"), "spec", "policy arn:aws:iam::aws:policy/Nope does not exist", nil},
		"Taken":        {"The role has another owner.", strings.ReplaceAll(fresh, "  policies:", "  role: {name: podidentity-operator-test}\n  policies:"), "role", "is owned by an unknown owner", nil},
		"Analyzer":     {"Access Analyzer reports a finding.", fresh, "access-analyzer", "SUGGESTION REDUNDANT_ACTION: the action is redundant", []string{"--validate"}},
		"NoNamespace":  {"The namespace is neither in the cluster nor in the input.", strings.ReplaceAll(fresh, "namespace: plan", "namespace: nowhere"), "admission", "namespace nowhere does not exist", nil},
	}
	for name, tc := range cases {
		e.Run(name+": "+tc.reason, func(t *testing.T) {
			got := e.with(t).planOf(1, tc.input, tc.args...)
			found := false
			for _, o := range got.Objects {
				for _, f := range o.Findings {
					found = found || f.Check == tc.check && strings.Contains(f.Message, tc.says)
				}
			}
			if !found {
				t.Errorf("no finding of check %s says %q: %+v", tc.check, tc.says, got)
			}
		})
	}
	e.Run("AnalyzerFindings", func(t *testing.T) {
		var types []string
		for _, f := range e.with(t).planOf(1, fresh, "--validate").Objects[0].Findings {
			kind, _, _ := strings.Cut(strings.TrimPrefix(f.Message, "spec.policies.inline[x]: "), " ")
			types = append(types, kind)
		}
		if want := []string{"ERROR", "SECURITY_WARNING", "WARNING", "SUGGESTION"}; !slices.Equal(types, want) {
			t.Errorf("findings of all types, of all pages: %q, want %q", types, want)
		}
	})
	e.Run("NewNamespace", func(t *testing.T) {
		got := e.with(t).planOf(1, strings.ReplaceAll(fresh, "namespace: plan", "namespace: soon")+"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: soon}\n")
		if len(got.Objects[0].Findings) > 0 || len(got.changes()) != 4 {
			t.Errorf("a namespace of the input counts as applied: %+v", got)
		}
	})
}

func (e *env) planErrors() {
	e.Helper()
	file := e.file(planIdentity("a"))
	for name, tc := range map[string]struct {
		reason string
		vars   map[string]string
		args   []string
		words  []string
	}{
		"NoCredentials": {"There are no AWS credentials.", map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, nil, []string{"no AWS credentials found"}},
		"Forbidden":     {"The user lacks a permission in Kubernetes.", nil, []string{"--as", "stranger", "--cluster-name", clusterName}, []string{"you lack a permission in Kubernetes"}},
	} {
		e.Run(name+": "+tc.reason, func(t *testing.T) {
			e := e.with(t)
			e.oneLine(e.kubectl(tc.vars, append([]string{"plan", "-f", file}, tc.args...)...), tc.words...)
		})
	}
}

// planOf returns the plan of objects.
func (e *env) planOf(code int, objects string, args ...string) planned {
	e.Helper()
	var got planned
	r := e.kubectl(nil, append([]string{"plan", "-f", e.file(objects), "-o", "json"}, args...)...)
	e.decode(r, &got)
	if r.code != code {
		e.Errorf("exit code %d, want %d:\n%s%s", r.code, code, r.stdout, r.stderr)
	}
	return got
}

// apply applies objects with kubectl.
func (e *env) apply(objects string) {
	e.Helper()
	out, err := e.Kubectl(e.Context(), "apply", "-f", e.file(objects)).CombinedOutput()
	if err != nil {
		e.Fatalf("%v\n%s", err, out)
	}
}

// installed ensures that the cluster has the operator's Deployment, which says how the
// operator is configured.
func (e *env) installed() {
	e.Helper()
	key := client.ObjectKey{Namespace: installation.Namespace, Name: "podidentity-controller-manager"}
	if err := e.Client.Get(e.Context(), key, &appsv1.Deployment{}); apierrors.IsNotFound(err) {
		e.deployOperator()
	}
}
