// Package catalog_test proves that each entry of config/samples/catalog is one
// that the operator accepts, that AWS has room for, and that asks for no more
// than it names. That a real API server accepts them is shown in test/manifests.
package catalog_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

const directory = "../../config/samples/catalog"

// cluster is one whose account is the one that entries name.
var cluster = plan.Cluster{
	Name: "prod", Partition: "aws", AccountID: "111122223333", Issuer: "https://oidc.example.com/id/0A1B",
	Audience: plan.DefaultAudience, RolePath: "/podidentity/prod/",
}

// An entry is one directory of the catalog.
type entry struct {
	name       string
	text       string // of its files
	identities []*v1alpha1.PodIdentity
	guardrails []v1alpha1.PodIdentityGuardrail
}

func TestEntries_AreValidAndWithinQuotas(t *testing.T) {
	catalog := read(t, directory)
	var all []v1alpha1.PodIdentityGuardrail
	for _, e := range catalog {
		all = append(all, e.guardrails...)
	}
	for _, e := range catalog {
		t.Run(e.name, func(t *testing.T) {
			if len(e.identities) == 0 {
				t.Error("has no PodIdentity")
			}
			for _, pi := range e.identities {
				e.isAllowed(t, pi, all)
				fits(t, pi, cluster)
				namesActions(t, pi)
			}
			for _, g := range e.guardrails {
				e.allowsNoMore(t, g)
			}
			e.namesItsSource(t)
		})
	}
}

// isAllowed shows that the operator allows an identity under the guardrails of
// the whole catalog, and that an entry has a guardrail only if it needs one.
func (e *entry) isAllowed(t *testing.T, pi *v1alpha1.PodIdentity, all []v1alpha1.PodIdentityGuardrail) {
	t.Helper()
	set, err := guardrail.Match(all, map[string]string{corev1.LabelMetadataName: pi.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	if rejection := set.Evaluate(pi, guardrail.Facts{}).Err; rejection != nil {
		t.Errorf("PodIdentity %s: %v", pi.Name, rejection)
	}
	rejected := baseline(pi) != nil
	if rejected != (len(e.guardrails) > 0) {
		t.Errorf("PodIdentity %s: the baseline rejects it: %t; guardrails of the entry: %d", pi.Name, rejected, len(e.guardrails))
	}
}

// baseline returns why the built-in baseline rejects an identity, nil if it does
// not.
func baseline(pi *v1alpha1.PodIdentity) error {
	return guardrail.Set(nil).Evaluate(pi, guardrail.Facts{}).Err
}

// fits shows that an identity is valid, and within the quotas of an account that
// has had none raised.
func fits(t *testing.T, pi *v1alpha1.PodIdentity, cluster plan.Cluster) {
	t.Helper()
	state, err := plan.Desired(pi, cluster)
	if err != nil {
		t.Errorf("PodIdentity %s: %v", pi.Name, err)
		return
	}
	if err := plan.DefaultQuotas.Check(state.Role); err != nil {
		t.Errorf("PodIdentity %s: %v", pi.Name, err)
	}
}

// namesActions shows that an identity allows nothing that it does not spell out:
// its reader, and a stricter baseline, see each action.
func namesActions(t *testing.T, pi *v1alpha1.PodIdentity) {
	t.Helper()
	if len(pi.Spec.Policies.Managed) > 0 {
		t.Errorf("PodIdentity %s: has managed policies, whose content can change", pi.Name)
	}
	for _, in := range pi.Spec.Policies.Inline {
		if in.Document != "" {
			t.Errorf("PodIdentity %s: policy %s is a document, which the API server does not check", pi.Name, in.Name)
		}
		for _, s := range in.Statements {
			if len(s.NotActions)+len(s.NotResources) > 0 || s.SID == "" {
				t.Errorf("PodIdentity %s: policy %s: statement %q has no sid, or notActions or notResources", pi.Name, in.Name, s.SID)
			}
			for _, a := range s.Actions {
				if strings.ContainsAny(string(a), "*?") {
					t.Errorf("PodIdentity %s: policy %s: %s is a pattern", pi.Name, in.Name, a)
				}
			}
		}
	}
}

// allowsNoMore shows that a guardrail is for the namespaces of its entry, and
// allows exactly the actions and ServiceAccounts that the entry has.
func (e *entry) allowsNoMore(t *testing.T, g v1alpha1.PodIdentityGuardrail) {
	t.Helper()
	var actions, accounts, namespaces []string
	for _, pi := range e.identities {
		namespaces = append(namespaces, pi.Namespace)
		accounts = append(accounts, plan.ServiceAccountsOf(pi)...)
		for _, in := range pi.Spec.Policies.Inline {
			for _, s := range in.Statements {
				actions = append(actions, texts(s.Actions)...)
			}
		}
	}
	want := [][]string{set(actions), set(accounts), set(namespaces)}
	got := [][]string{
		set(texts(g.Spec.Actions.Allowed)), set(texts(g.Spec.ServiceAccounts.Allowed)),
		{string(g.Spec.NamespaceSelector.MatchLabels[corev1.LabelMetadataName])},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("PodIdentityGuardrail %s: actions, ServiceAccounts, namespaces: -entry, +guardrail:\n%s", g.Name, diff)
	}
}

var (
	source  = regexp.MustCompile(`(?m)^# Source: https://\S+`)
	version = regexp.MustCompile(`(?m)^# Version: .+`)
)

// namesItsSource shows that an entry says where its permissions come from.
func (e *entry) namesItsSource(t *testing.T) {
	t.Helper()
	head, _, _ := strings.Cut(e.text, "\napiVersion:")
	if !source.MatchString(head) || !version.MatchString(head) {
		t.Errorf("the comment at its head names no source and version of its permissions:\n%s", head)
	}
}

// read reads the directories that the catalog in dir lists.
func read(t *testing.T, dir string) []entry {
	t.Helper()
	listed := resources(t, dir)
	found, err := filepath.Glob(filepath.Join(dir, "*", "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range found {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	if diff := cmp.Diff(names, listed); diff != "" || len(names) == 0 {
		t.Fatalf("kustomization.yaml: -directories, +resources:\n%s", diff)
	}
	entries := make([]entry, len(names))
	for i, name := range names {
		entries[i] = readEntry(t, filepath.Join(dir, name))
	}
	return entries
}

func readEntry(t *testing.T, dir string) entry {
	t.Helper()
	e := entry{name: filepath.Base(dir)}
	for _, file := range resources(t, dir) {
		text := content(t, filepath.Join(dir, file))
		e.text += text
		for document := range strings.SplitSeq(text, "\n---\n") {
			e.add(t, document)
		}
	}
	return e
}

// add reads one object. An unknown field is an error.
func (e *entry) add(t *testing.T, document string) {
	t.Helper()
	var object metav1.TypeMeta
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		t.Fatalf("%s: %v", e.name, err)
	}
	var err error
	switch object.Kind {
	case "PodIdentity":
		pi := &v1alpha1.PodIdentity{}
		err = yaml.UnmarshalStrict([]byte(document), pi)
		e.identities = append(e.identities, pi)
	case "PodIdentityGuardrail":
		var g v1alpha1.PodIdentityGuardrail
		err = yaml.UnmarshalStrict([]byte(document), &g)
		e.guardrails = append(e.guardrails, g)
	default:
		t.Fatalf("%s: has a %q", e.name, object.Kind)
	}
	if err != nil {
		t.Fatalf("%s: %v", e.name, err)
	}
}

// identityWith returns an identity with one inline policy, given in YAML.
func identityWith(t *testing.T, policy string) *v1alpha1.PodIdentity {
	t.Helper()
	pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout"}}
	pi.Spec.Policies.Inline = make([]v1alpha1.InlinePolicy, 1)
	if err := yaml.UnmarshalStrict([]byte(policy), &pi.Spec.Policies.Inline[0]); err != nil {
		t.Fatalf("%v\n%s", err, policy)
	}
	return pi
}

// resources returns what the kustomization of dir lists.
func resources(t *testing.T, dir string) []string {
	t.Helper()
	var kustomization struct {
		metav1.TypeMeta `json:",inline"`

		Resources []string `json:"resources"`
	}
	if err := yaml.UnmarshalStrict([]byte(content(t, filepath.Join(dir, "kustomization.yaml"))), &kustomization); err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	return kustomization.Resources
}

func content(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func texts[S ~string](in []S) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}

// set returns the sorted values, each once.
func set(values []string) []string { return slices.Compact(slices.Sorted(slices.Values(values))) }
