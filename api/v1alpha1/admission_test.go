package v1alpha1_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/controlplane"
)

// user is somebody who applies PodIdentities to a real API server.
var user client.Client

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := withAPIServer(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withAPIServer(run func() int) (int, error) {
	cluster, err := controlplane.Start(context.Background(), controlplane.Options{CRDPaths: []string{"../../config/crd/bases"}})
	if err != nil {
		return 0, err
	}
	defer cluster.Stop() //nolint:errcheck // the tests have ended
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return 0, err
	}
	if user, err = client.New(cluster.Config, client.Options{Scheme: scheme, FieldValidation: metav1.FieldValidationStrict}); err != nil {
		return 0, err
	}
	return run(), nil
}

// object returns a PodIdentity of that name with a spec in YAML.
func object(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	content := map[string]any{}
	if err := yaml.Unmarshal([]byte("apiVersion: iam.podidentity.io/v1alpha1\nkind: PodIdentity\nspec: "+spec), &content); err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetNamespace("default")
	u.SetName(name)
	return u
}

const (
	policyARN = "arn:aws:iam::123456789012:policy/p"
	statement = `{effect: Allow, actions: ["s3:GetObject"], resources: ["*"]}`
)

// inline returns a spec with one inline policy of these fields.
func inline(fields string) string { return `{policies: {inline: [{name: p, ` + fields + `}]}}` }

// Each rule of the schema lets pass what is allowed, and refuses the rest in words
// that name the field.
func TestCreateRules(t *testing.T) {
	long := strings.Repeat("a", 300)
	cases := map[string]struct {
		reason  string
		allowed string
		refused string
		want    []string
	}{
		"UnknownField":     {"A field that is misspelled is not silently ignored.", `{policies: {managed: ["` + policyARN + `"]}}`, `{policies: {manged: ["` + policyARN + `"]}}`, []string{`unknown field "spec.policies.manged"`}},
		"ManagedARN":       {"A managed policy is named by its ARN.", `{policies: {managed: ["arn:aws-us-gov:iam::aws:policy/job-function/X"]}}`, `{policies: {managed: ["arn:aws:iam::123:policy/too-short"]}}`, []string{"spec.policies.managed[0]"}},
		"ManagedTwice":     {"A policy is attached once.", `{policies: {managed: ["` + policyARN + `", "` + policyARN + `2"]}}`, `{policies: {managed: ["` + policyARN + `", "` + policyARN + `"]}}`, []string{"spec.policies.managed[1]", "Duplicate"}},
		"BoundaryARN":      {"So is a boundary.", `{role: {permissionsBoundary: "` + policyARN + `"}}`, `{role: {permissionsBoundary: boundary}}`, []string{"spec.role.permissionsBoundary"}},
		"StatementsOrJSON": {"A policy is said once.", inline(`statements: [` + statement + `]`), inline(`statements: [` + statement + `], document: "{}"`), []string{"spec.policies.inline[0]", "exactly one of statements and document must be set"}},
		"Neither":          {"And not left out.", inline(`document: "{}"`), `{policies: {inline: [{name: p}]}}`, []string{"exactly one of statements and document must be set"}},
		"InlineTwice":      {"Policies have different names.", `{policies: {inline: [{name: p, document: "{}"}, {name: q, document: "{}"}]}}`, `{policies: {inline: [{name: p, document: "{}"}, {name: p, document: "{}"}]}}`, []string{"spec.policies.inline[1]", "Duplicate"}},
		"Actions":          {"A statement is about actions, or about all but some.", inline(`statements: [{effect: Deny, notActions: ["s3:*"], resources: ["*"]}]`), inline(`statements: [{effect: Deny, actions: ["s3:*"], notActions: ["s3:*"], resources: ["*"]}]`), []string{"exactly one of actions and notActions must be set"}},
		"Resources":        {"The same for resources.", inline(`statements: [{effect: Deny, actions: ["s3:*"], notResources: ["*"]}]`), inline(`statements: [{effect: Deny, actions: ["s3:*"]}]`), []string{"exactly one of resources and notResources must be set"}},
		"Effect":           {"Allow or Deny.", inline(`statements: [` + statement + `]`), inline(`statements: [{effect: allow, actions: ["s3:*"], resources: ["*"]}]`), []string{"spec.policies.inline[0].statements[0].effect", `"Allow", "Deny"`}},
		"Action":           {"An action is service:Name.", inline(`statements: [` + statement + `]`), inline(`statements: [{effect: Allow, actions: ["GetObject"], resources: ["*"]}]`), []string{"spec.policies.inline[0].statements[0].actions[0]"}},
		"RoleName":         {"IAM's characters, and 64 of them.", `{role: {name: "A_b+c=d,e.f@g-h"}}`, `{role: {name: "` + long + `"}}`, []string{"spec.role.name", "64"}},
		"SessionDuration":  {"Between an hour and twelve.", `{role: {maxSessionDurationSeconds: 43200}}`, `{role: {maxSessionDurationSeconds: 43201}}`, []string{"spec.role.maxSessionDurationSeconds", "43200"}},
		"ReservedTag":      {"Tags that say whose the role is are the operator's.", `{role: {tags: {Team: shop, "a b": ""}}}`, `{role: {tags: {"IAM.podidentity.io/uid": x}}}`, []string{"spec.role.tags", "must not begin with aws: or iam.podidentity.io/"}},
		"TagCharacters":    {"IAM's characters.", `{role: {tags: {"ж:/=+-@": "é"}}}`, `{role: {tags: {"a!": x}}}`, []string{"spec.role.tags", "letters, digits, spaces and _ . : / = + - @"}},
		"ServiceAccount":   {"A name that Kubernetes allows.", `{serviceAccount: {name: web.v2}}`, `{serviceAccount: {name: Web}}`, []string{"spec.serviceAccount.name"}},
		"LongName":         {"And no longer.", `{serviceAccount: {name: ` + long[:253] + `}}`, `{serviceAccount: {name: ` + long + `}}`, []string{"spec.serviceAccount.name", "253"}},
		"Mode":             {"Create or Annotate.", `{serviceAccount: {mode: Annotate}}`, `{serviceAccount: {mode: Adopt}}`, []string{"spec.serviceAccount.mode", `"Create", "Annotate"`}},
		"TokenExpiration":  {"Kubernetes gives no token for less than ten minutes.", `{serviceAccount: {tokenExpirationSeconds: 600}}`, `{serviceAccount: {tokenExpirationSeconds: 599}}`, []string{"spec.serviceAccount.tokenExpirationSeconds", "600"}},
		"Additional":       {"Whoever trusts all names nobody.", `{additionalServiceAccounts: [a], trust: {scope: ServiceAccount}}`, `{additionalServiceAccounts: [a], trust: {scope: Namespace}}`, []string{"spec.additionalServiceAccounts", "must be empty when trust.scope is Namespace"}},
		"Enums":            {"The words that there are.", `{deletionPolicy: Retain, mode: Plan, role: {adoption: Tagged}}`, `{deletionPolicy: Orphan}`, []string{"spec.deletionPolicy", `"Delete", "Retain"`}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if err := user.Create(t.Context(), object(t, strings.ToLower(name), tc.allowed)); err != nil {
				t.Errorf("%s\nrefused what is allowed: %v", tc.reason, err)
			}
			err := user.Create(t.Context(), object(t, strings.ToLower(name)+"-refused", tc.refused))
			if err == nil {
				t.Fatalf("%s\nlet pass: %s", tc.reason, tc.refused)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s\nmessage = %q, want it to say %q", tc.reason, err, want)
				}
			}
		})
	}
}

// The names of ServiceAccount and role stay; all else can be edited.
func TestUpdateRules(t *testing.T) {
	const immutable = "is immutable"
	cases := map[string]struct {
		reason        string
		before, after string
		want          string // empty: it is let pass
	}{
		"ServiceAccountSet":     {"To name another is to move the identity.", `{}`, `{serviceAccount: {name: web}}`, "spec.serviceAccount.name " + immutable},
		"ServiceAccountChanged": {"So is to change the name.", `{serviceAccount: {name: web}}`, `{serviceAccount: {name: api}}`, "spec.serviceAccount.name " + immutable},
		"ServiceAccountRemoved": {"And to remove it.", `{serviceAccount: {name: web}}`, `{}`, "spec.serviceAccount.name " + immutable},
		"ServiceAccountSaid":    {"To say what is true anyway moves nothing.", `{}`, `{serviceAccount: {name: serviceaccountsaid}}`, ""},
		"RoleSet":               {"IAM cannot rename a role.", `{}`, `{role: {name: mine}}`, "spec.role.name " + immutable},
		"RoleRemoved":           {"Nor give it the generated name.", `{role: {name: mine, description: d}}`, `{role: {description: d}}`, "spec.role.name " + immutable},
		"EverythingElse": {
			"The rest can be edited.",
			`{role: {description: a, adoption: Never}, serviceAccount: {mode: Create}, deletionPolicy: Delete, policies: {managed: ["` + policyARN + `"]}}`,
			`{role: {description: b, adoption: Tagged, tags: {a: b}}, serviceAccount: {mode: Annotate}, deletionPolicy: Retain, suspend: true, mode: Plan, trust: {scope: Namespace}}`,
			"",
		},
		"Emptied": {"And be taken away.", `{role: {description: a}}`, `{}`, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			made := object(t, strings.ToLower(name), tc.before)
			if err := user.Create(t.Context(), made); err != nil {
				t.Fatal(err)
			}
			changed := object(t, strings.ToLower(name), tc.after)
			changed.SetResourceVersion(made.GetResourceVersion())
			switch err := user.Update(t.Context(), changed); {
			case tc.want == "" && err != nil:
				t.Errorf("%s\nrefused: %v", tc.reason, err)
			case tc.want != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%s\nerr = %v, want it to say %q", tc.reason, err, tc.want)
			}
		})
	}
}

// An object that no operator has seen is not taken for ready by kstatus.
func TestUnseenIsNotReady(t *testing.T) {
	if err := user.Create(t.Context(), object(t, "unseen", `{}`)); err != nil {
		t.Fatal(err)
	}
	var got v1alpha1.PodIdentity
	if err := user.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "unseen"}, &got); err != nil {
		t.Fatal(err)
	}
	if got.Status.ObservedGeneration != -1 {
		t.Errorf("status.observedGeneration = %d, want -1", got.Status.ObservedGeneration)
	}
}

// What the team names can be selected by.
func TestSelectableFields(t *testing.T) {
	if err := user.Create(t.Context(), object(t, "selected", `{serviceAccount: {name: wanted}}`)); err != nil {
		t.Fatal(err)
	}
	var list v1alpha1.PodIdentityList
	if err := user.List(t.Context(), &list, client.MatchingFields{"spec.serviceAccount.name": "wanted"}); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || list.Items[0].Name != "selected" {
		t.Errorf("selected %d objects", len(list.Items))
	}
}
