package manifests_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/test/controlplane"
)

// statement is a spec with one statement of an inline policy.
func statement(fields string) string {
	return `{policies: {inline: [{name: p, statements: [{` + fields + `}]}]}}`
}

// The operator rejects whatever the admission policy rejects; and the policy rejects
// whatever it can evaluate.
func (c *cluster) violationsAreRejectedAtAdmission(t *testing.T) {
	const s3 = `effect: Allow, actions: ["s3:GetObject", "s3:Put*"], resources: ["arn:aws:s3:::shop/*"]`
	admission := c.admission(t)
	for name, tc := range map[string]struct {
		reason, limits, spec string
		want                 string // after "rejected by PodIdentityGuardrail NAME: "; empty if it is let pass
	}{
		"Managed":          {"No pattern covers the policy.", `managedPolicies: {allowed: ["arn:aws:iam::123456789012:policy/shop-*"]}`, `{policies: {managed: ["arn:aws:iam::123456789012:policy/shop-a", "arn:aws:iam::123456789012:policy/Shop-b"]}}`, "spec.policies.managed: arn:aws:iam::123456789012:policy/Shop-b"},
		"ManagedAllowed":   {"Patterns cover all policies.", `managedPolicies: {allowed: ["arn:aws:iam::123456789012:policy/shop-?"]}`, `{policies: {managed: ["arn:aws:iam::123456789012:policy/shop-a"]}}`, ""},
		"ManagedDenied":    {"Denied patterns are case-insensitive.", `managedPolicies: {denied: ["*:policy/SHOP-*"]}`, `{policies: {managed: ["arn:aws:iam::123456789012:policy/shop-a"]}}`, "spec.policies.managed: arn:aws:iam::123456789012:policy/shop-a"},
		"None":             {"An empty list allows none.", `managedPolicies: {allowed: []}`, `{policies: {managed: ["arn:aws:iam::123456789012:policy/shop-a"]}}`, "spec.policies.managed: arn:aws:iam::123456789012:policy/shop-a"},
		"Inline":           {"Only managed policies are allowed.", `inlinePolicies: Forbidden`, statement(s3), "spec.policies.inline: inline policies are forbidden; use managed policies"},
		"Action":           {"The action is wider than the pattern.", `actions: {allowed: ["S3:Get*", "s3:PutObject"]}`, statement(s3), "actions that are not allowed in the inline policies p"},
		"ActionAllowed":    {"Actions are case-insensitive.", `actions: {allowed: ["S3:Get*", "s3:?ut*"]}`, statement(s3), ""},
		"ActionAdditional": {"Additional actions extend the allowed ones.", `actions: {allowed: ["s3:Get*"], additional: ["s3:Put*"]}`, statement(s3), ""},
		"ActionSame":       {"A pattern covers itself, whatever its characters.", `actions: {allowed: ["s3:?*?"]}`, statement(`effect: Allow, actions: ["s3:*??"], resources: ["*"]`), ""},
		"ActionDenied":     {"The action is denied.", `actions: {denied: ["s3:*"]}`, statement(s3), "actions that are not allowed in the inline policies p"},
		"ActionMeets":      {"Only the operator can find out that two patterns overlap.", `actions: {denied: ["s3:PutObject"]}`, statement(s3), ""},
		"NotActions":       {"Only * covers everything except a list.", `actions: {allowed: ["s3:*"]}`, statement(`effect: Allow, notActions: ["iam:*"], resources: ["*"]`), "actions that are not allowed in the inline policies p"},
		"Deny":             {"A Deny grants nothing.", `actions: {allowed: ["s3:*"]}`, statement(`effect: Deny, notActions: ["s3:*"], resources: ["*"]`), ""},
		"Document":         {"Only the operator evaluates documents.", `actions: {allowed: ["s3:*"]}`, `{policies: {inline: [{name: p, document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*"}}'}]}}`, ""},
		"Baseline":         {"Only the operator evaluates the baseline.", `maxIdentities: 1`, statement(`effect: Allow, actions: ["iam:*"], resources: ["*"]`), ""},
		"Resource":         {"No pattern covers the resource.", `resources: {allowed: ["arn:aws:s3:::bank/*"]}`, statement(s3), "resources that are not allowed in the inline policies p"},
		"ResourceOne":      {"Characters of regular expressions match literally.", `resources: {allowed: ["arn:aws:s3:::sh.p/*", "arn:aws:s3:::(shop)/*"]}`, statement(s3), "resources that are not allowed in the inline policies p"},
		"ResourceOdd":      {"Characters of regular expressions match themselves.", `resources: {allowed: ["arn:aws:s3:::a+b.(c)[d]$/*"]}`, statement(`effect: Allow, actions: ["s3:*"], resources: ["arn:aws:s3:::a+b.(c)[d]$/x"]`), ""},
		"Tags":             {"No pattern covers the key.", `tagKeys: {allowed: [Team]}`, `{role: {tags: {team: a, owner: b}}}`, "spec.role.tags: owner"},
		"RoleName":         {"No pattern covers the name.", `roleNames: {allowed: ["shop-*"]}`, `{role: {name: admin}}`, "spec.role.name: admin"},
		"RoleGenerated":    {"A generated name is not limited.", `roleNames: {allowed: []}`, `{role: {description: a}}`, ""},
		"Account":          {"The name of the object is the default name of its ServiceAccount.", `serviceAccounts: {allowed: [web]}`, `{additionalServiceAccounts: [web, worker]}`, "the ServiceAccounts checkout, worker"},
		"Trust":            {"Each ServiceAccount must be listed.", `namespaceTrust: Forbidden`, `{trust: {scope: Namespace}}`, "spec.trust.scope: Namespace is forbidden; list the ServiceAccounts in spec.additionalServiceAccounts"},
		"Unsaid":           {"A guardrail without limits leaves the baseline in force.", `onViolation: Revoke`, statement(s3), ""},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			g := admission.guard(t, strings.ToLower(name), tc.limits)
			pi := identity(t, g.Name, tc.spec)
			err := admission.Create(t.Context(), pi, client.DryRunAll)
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("rejected: %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), "rejected by PodIdentityGuardrail "+g.Name+": "+tc.want)):
				t.Errorf("got %v, want it to say: %s", err, tc.want)
			}
			if result := (guardrail.Set{*g}).Evaluate(identity(t, g.Name, tc.spec), guardrail.Facts{}); err != nil && result.Err == nil {
				t.Error("rejected, and the operator would allow it")
			}
		})
	}
	t.Run("Selectors", admission.selectorsAreThoseOfKubernetes)
	t.Run("RejectedObjectsCanBeDeleted", admission.rejectedObjectsCanBeDeleted)
}

// admission is a user of the cluster whose objects are subject to the admission policies.
type admission struct{ client.Client }

func (c *cluster) admission(t *testing.T) admission {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	user, err := client.New(c.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return admission{user}
}

func identity(t *testing.T, namespace, spec string) *v1alpha1.PodIdentity {
	t.Helper()
	pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "checkout"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &pi.Spec); err != nil {
		t.Fatal(err)
	}
	return pi
}

// guard makes a namespace, and a guardrail of that name for it that is in force
// when it returns.
func (a admission) guard(t *testing.T, name, limits string) *v1alpha1.PodIdentityGuardrail {
	t.Helper()
	name = "guard-" + name
	a.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"tier": "gold"}}})
	return a.guardNamespace(t, name, name, limits)
}

// guardNamespace is guard for a namespace that is there.
func (a admission) guardNamespace(t *testing.T, name, namespace, limits string) *v1alpha1.PodIdentityGuardrail {
	t.Helper()
	g := &v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := yaml.UnmarshalStrict([]byte(`spec: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: `+namespace+`}}, `+limits+`}`), g); err != nil {
		t.Fatal(err)
	}
	// By a ServiceAccount that it denies one sees that the API server knows it.
	const canary = "canary"
	g.Spec.ServiceAccounts.Denied = append(g.Spec.ServiceAccounts.Denied, canary)
	a.create(t, g)
	t.Cleanup(func() {
		if err := a.Delete(context.WithoutCancel(t.Context()), g); err != nil {
			t.Error(err)
		}
	})
	probe := identity(t, namespace, `{serviceAccount: {name: `+canary+`}}`)
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		err := a.Create(ctx, probe.DeepCopy(), client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), "rejected by PodIdentityGuardrail "+name+":"), nil
	})
	if err != nil {
		t.Fatalf("the API server does not apply guardrail %s: %v", name, err)
	}
	return g
}

func (a admission) create(t *testing.T, obj client.Object) {
	t.Helper()
	if err := a.Create(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
}

// The CEL of the admission policy selects the same namespaces as the operator.
func (a admission) selectorsAreThoseOfKubernetes(t *testing.T) {
	own := `{key: kubernetes.io/metadata.name, operator: In, values: [%s]}`
	for i, extra := range []string{
		`{key: tier, operator: Exists}`,
		`{key: tier, operator: DoesNotExist}`,
		`{key: team, operator: Exists}`,
		`{key: team, operator: DoesNotExist}`,
		`{key: tier, operator: In, values: [silver, gold]}`,
		`{key: tier, operator: In, values: [silver]}`,
		`{key: tier, operator: NotIn, values: [silver, gold]}`,
		`{key: team, operator: In, values: [gold]}`,
		`{key: team, operator: NotIn, values: [gold]}`,
	} {
		t.Run(extra, func(t *testing.T) {
			g := a.guard(t, fmt.Sprintf("selector-%d", i), `maxIdentities: 9`) // applied, and allows it
			spec := fmt.Sprintf(`matchExpressions: [`+own+`, `+extra+`]`, g.Name)
			other := &v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{Name: g.Name + "-other"}}
			if err := yaml.UnmarshalStrict([]byte(`spec: {namespaceSelector: {`+spec+`}, inlinePolicies: Forbidden}`), other); err != nil {
				t.Fatal(err)
			}
			selecting, err := guardrail.Match([]v1alpha1.PodIdentityGuardrail{*other}, map[string]string{"kubernetes.io/metadata.name": g.Name, "tier": "gold"})
			if err != nil {
				t.Fatal(err)
			}
			a.create(t, other)
			// The API server learns of guardrails in the order in which they are made.
			last := a.guardNamespace(t, g.Name+"-last", g.Name, `maxIdentities: 9`)
			err = a.Create(t.Context(), identity(t, g.Name, `{policies: {inline: [{name: p, document: '{"Statement":[]}'}]}}`), client.DryRunAll)
			if rejected := err != nil; rejected != (len(selecting) == 1) {
				t.Errorf("rejected = %t (%v), the operator's view is %t; %s is in force", rejected, err, len(selecting) == 1, last.Name)
			}
		})
	}
}

// A rejected identity can be suspended, retained and deleted.
func (a admission) rejectedObjectsCanBeDeleted(t *testing.T) {
	const name = "guard-wayout"
	a.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	pi := identity(t, name, `{trust: {scope: Namespace}}`)
	pi.Finalizers = []string{v1alpha1.Finalizer}
	a.create(t, pi)
	a.guardNamespace(t, name, name, `namespaceTrust: Forbidden`)
	change := func(what string, edit func()) {
		t.Helper()
		before := pi.DeepCopy()
		edit()
		if err := a.Patch(t.Context(), pi, client.MergeFrom(before)); err != nil {
			t.Errorf("%s is rejected: %v", what, err)
		}
	}
	change("To suspend", func() { pi.Spec.Suspend = true })
	change("To retain", func() { pi.Spec.DeletionPolicy = v1alpha1.DeletionRetain })
	if err := a.Delete(t.Context(), pi); err != nil {
		t.Errorf("To delete is rejected: %v", err)
	}
	change("To remove the finalizer", func() { pi.Finalizers = nil })
}

// Documents that cannot be a policy are rejected when they are applied, and
// placeholders lead to a warning. Whatever the operator accepts is accepted.
func (c *cluster) documentsAreChecked(t *testing.T) {
	warned := &warnings{}
	config := rest.CopyConfig(c.Config)
	config.WarningHandler = warned
	admission := (&cluster{ControlPlane: &controlplane.ControlPlane{Config: config}}).admission(t)
	const namespace = "documents"
	admission.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	document := func(text string) string {
		return `{policies: {inline: [{name: p, document: ` + strconv.Quote(text) + `}]}}`
	}
	const placeholder = "resources of the inline policies p contain a placeholder"
	for name, tc := range map[string]struct{ reason, spec, rejected, warned string }{
		"Valid":         {"A valid policy passes.", document("{\"Version\":\"2012-10-17\",\n\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::a/${aws:username}\"}}\n"), "", ""},
		"Encoded":       {"The operator accepts percent-encoded documents.", document("%7B%22Statement%22%3A%5B%5D%7D"), "", ""},
		"EncodedKey":    {"Percent-encoding can stand for a letter of the key.", document("%7B%22%53tatement%22%3A%5B%5D%7D"), "", ""},
		"EscapedKey":    {"An escape of JSON can stand for a letter of the key.", document(`{"\u0053tatement":[]}`), "", ""},
		"CommaInString": {"A comma in a string is valid.", document(`{"Statement":{"Sid":",}"}}`), "", ""},
		"TrailingComma": {"JSON has no trailing commas.", document("{\"Statement\": [],\n}"), "the documents of the inline policies p have a comma before a closing bracket", ""},
		"NoObject":      {"A policy is an object.", document(`"Statement"`), "the documents of the inline policies p are not JSON objects", ""},
		"Cut":           {"The end of the document is missing.", document(`{"Statement": [`), "are not JSON objects", ""},
		"NoStatement":   {"A policy has statements.", document(`{"Version":"2012-10-17"}`), "the documents of the inline policies p have no Statement", ""},
		"Placeholder":   {"A template was not filled in.", statement(`effect: Allow, actions: ["s3:*"], resources: ["arn:aws:s3:::${BUCKET}/*"]`), "", placeholder},
		"Example":       {"An example was copied.", document(`{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::<bucket>/*"}}`), "", placeholder},
		"Variable":      {"A policy variable of IAM is not a placeholder.", statement(`effect: Allow, actions: ["s3:*"], resources: ["arn:aws:s3:::b/${aws:username}"]`), "", ""},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			warned.reset()
			err := admission.Create(t.Context(), identity(t, namespace, tc.spec), client.DryRunAll)
			if (err != nil) != (tc.rejected != "") || err != nil && !strings.Contains(err.Error(), tc.rejected) {
				t.Errorf("got %v, want %q", err, tc.rejected)
			}
			if got := warned.text(); (got != "") != (tc.warned != "") || !strings.Contains(got, tc.warned) {
				t.Errorf("warning %q, want %q", got, tc.warned)
			}
		})
	}
}

// warnings collects the warnings of the API server.
type warnings struct {
	mu   sync.Mutex
	list []string
}

func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, text)
}

func (w *warnings) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = nil
}

func (w *warnings) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.list, "; ")
}
