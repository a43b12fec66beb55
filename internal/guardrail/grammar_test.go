package guardrail

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// The generators of this file draw from the whole grammar of policy documents, in
// every form that IAM accepts.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html

// verbs are the beginnings of the names of IAM's write actions.
var verbs = []string{"Create", "Delete", "Put", "Attach", "Detach", "Update", "Add", "Remove", "Set", "Tag", "Untag", "Enable", "Upload", "Reset"}

// reservedAction draws an action that the baseline reserves, in any case.
var reservedAction = rapid.Custom(func(t *rapid.T) string {
	if rapid.Bool().Draw(t, "listed") {
		return anyCase(t, rapid.SampledFrom(reserved).Draw(t, "action"))
	}
	return anyCase(t, "iam:"+rapid.SampledFrom(verbs).Draw(t, "verb")+rapid.SampledFrom([]string{"Role", "User", "Policy", "Group", "X"}).Draw(t, "noun"))
})

// anyCase draws another case for some letters.
func anyCase(t *rapid.T, text string) string {
	switch rapid.IntRange(0, 3).Draw(t, "case") {
	case 0:
		return strings.ToLower(text)
	case 1:
		return strings.ToUpper(text)
	default:
		return text
	}
}

// grammarDocument draws the text of a policy that may allow the action, with a context
// in which variables have values.
func grammarDocument(t *rapid.T, action string) string {
	document := map[string]any{}
	if v := rapid.SampledFrom([]string{"2012-10-17", "2012-10-17", "2008-10-17", ""}).Draw(t, "version"); v != "" {
		document["Version"] = v
	}
	if rapid.IntRange(0, 9).Draw(t, "id") == 0 {
		document["Id"] = "x"
	}
	var statements []any
	for i := range rapid.IntRange(1, 3).Draw(t, "statements") {
		statements = append(statements, grammarStatement(t, action, i))
	}
	document["Statement"] = statements
	if len(statements) == 1 && rapid.Bool().Draw(t, "single") {
		document["Statement"] = statements[0]
	}
	raw, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return inAnyForm(t, string(raw))
}

// inAnyForm draws another spelling of the same JSON.
func inAnyForm(t *rapid.T, text string) string {
	switch rapid.IntRange(0, 5).Draw(t, "form") {
	case 0:
		return url.PathEscape(text)
	case 1:
		return "\n\t " + strings.ReplaceAll(text, ",", " ,\r\n")
	case 2: // an escape for a letter or a wildcard
		letter := rapid.SampledFrom([]string{"i", "I", "*", ":", "?", "P"}).Draw(t, "letter")
		return strings.ReplaceAll(text, letter, fmt.Sprintf(`\u%04x`, letter[0]))
	default:
		return text
	}
}

func grammarStatement(t *rapid.T, action string, i int) map[string]any {
	s := map[string]any{"Effect": rapid.SampledFrom([]string{"Allow", "Allow", "Allow", "Deny"}).Draw(t, "effect")}
	if rapid.Bool().Draw(t, "sid") {
		s["Sid"] = fmt.Sprintf("S%d", i)
	}
	pattern := rapid.OneOf(encoding(action), actions)
	s[orNot(t, "Action")] = oneOrMany(t, "actions", pattern)
	s[orNot(t, "Resource")] = oneOrMany(t, "resources", rapid.OneOf(rapid.SampledFrom([]string{"*", "**", "arn:aws:iam::*:*", "arn:*", "arn:aws:iam::123456789012:role/${aws:username}"}), resources))
	if rapid.IntRange(0, 2).Draw(t, "condition") == 0 {
		s["Condition"] = map[string]any{
			grammarOperator(t): map[string]any{
				rapid.SampledFrom([]string{"aws:username", "aws:PrincipalTag/x", "AWS:UserName", "iam:PassedToService"}).Draw(t, "key"): oneOrMany(t, "values", encoding("a", "*", "true", "false", "10", "", "${aws:username}")),
			},
		}
	}
	return s
}

func grammarOperator(t *rapid.T) string {
	operator := rapid.SampledFrom([]string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "Bool", "Null", "NumericLessThan", "DateGreaterThan", "ArnLike", "ArnNotEquals", "IpAddress", "BinaryEquals"}).Draw(t, "operator")
	if operator == "Null" {
		return operator
	}
	return rapid.SampledFrom([]string{"", "", "ForAllValues:", "ForAnyValue:"}).Draw(t, "quantifier") + operator + rapid.SampledFrom([]string{"", "", "IfExists"}).Draw(t, "suffix")
}

func orNot(t *rapid.T, element string) string {
	if rapid.IntRange(0, 5).Draw(t, "not "+element) == 0 {
		return "Not" + element
	}
	return element
}

// oneOrMany draws a string, or an array of strings.
func oneOrMany(t *rapid.T, label string, of *rapid.Generator[string]) any {
	if rapid.Bool().Draw(t, label+" single") {
		return of.Draw(t, label)
	}
	return rapid.SliceOfN(of, 0, 4).Draw(t, label)
}

// baselineHolds draws a document and a request for a reserved action. A document that
// passes the baseline, as an inline policy, as typed statements or as a managed policy,
// does not allow the request by IAM's own evaluation.
func baselineHolds(t *rapid.T) (allowed bool) {
	action := reservedAction.Draw(t, "action")
	document := grammarDocument(t, action)
	p, err := policy.Decode([]byte(document))
	if err != nil {
		return false
	}
	r := policy.Request{
		Action:   action,
		Resource: rapid.SampledFrom(resourcesOf).Draw(t, "resource"),
		Context:  map[string][]string{},
	}
	for _, key := range []string{"aws:username", "aws:PrincipalTag/x", "iam:PassedToService"} {
		if values := rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom([]string{"a", "*", "true", "iam", ""}), rapid.SampledFrom(reserved)), 0, 2).Draw(t, key); len(values) > 0 {
			r.Context[key] = values
		}
	}
	if policy.Evaluate(r, p) != policy.Allowed {
		return false
	}
	for form, of := range map[string]func() (*v1alpha1.PodIdentity, Facts){
		"inline policy":    func() (*v1alpha1.PodIdentity, Facts) { return asInline(document), Facts{} },
		"typed statements": func() (*v1alpha1.PodIdentity, Facts) { return asStatements(p), Facts{} },
		"managed policy": func() (*v1alpha1.PodIdentity, Facts) {
			pi := &v1alpha1.PodIdentity{}
			pi.Spec.Policies.Managed = []v1alpha1.PolicyARN{drawnARN}
			return pi, Facts{Managed: map[string]Contents{drawnARN: ReadContents(document)}}
		},
	} {
		if form == "typed statements" && !canBeTyped(p) {
			continue
		}
		if pi, facts := of(); passes(nil, pi, facts) {
			t.Fatalf("passes the baseline as %s, and grants %s on %q: %s", form, r.Action, r.Resource, document)
		}
	}
	return true
}

// canBeTyped reports whether typed statements can express p: they have no empty lists,
// and always the same version.
func canBeTyped(p policy.Policy) bool {
	return p.Version == policy.Version2012 && !slices.ContainsFunc(p.Statements, func(s policy.Statement) bool {
		return len(s.Actions)+len(s.NotActions) == 0 || len(s.Resources)+len(s.NotResources) == 0
	})
}

func asInline(document string) *v1alpha1.PodIdentity {
	pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Name: "checkout"}}
	pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: document}}
	return pi
}

func asStatements(p policy.Policy) *v1alpha1.PodIdentity {
	pi := asInline("")
	for _, s := range p.Statements {
		pi.Spec.Policies.Inline[0].Statements = append(pi.Spec.Policies.Inline[0].Statements, v1alpha1.Statement{
			Effect:  v1alpha1.Effect(s.Effect),
			Actions: as[v1alpha1.Action](s.Actions), NotActions: as[v1alpha1.Action](s.NotActions),
			Resources: as[v1alpha1.Resource](s.Resources), NotResources: as[v1alpha1.Resource](s.NotResources),
		})
	}
	return pi
}

// No document of the whole grammar evades the baseline.
func TestBaseline_HoldsForTheWholeGrammar(t *testing.T) {
	allowed := 0
	rapid.Check(t, func(t *rapid.T) {
		if baselineHolds(t) {
			allowed++
		}
	})
	if allowed == 0 {
		t.Error("no document allows its request: the generators are of no use")
	}
}

// FuzzBaseline looks for a document of the whole grammar that evades the baseline.
func FuzzBaseline(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { baselineHolds(t) }))
}

// FuzzLists compares lists of patterns with lists of one.
func FuzzLists(f *testing.F) {
	f.Add("s3:*\ns3:Get?", "s3:Get*", true)
	f.Add("arn:aws:s3:::${aws:username}/*\n*", "arn:aws:s3:::a/b", false)
	f.Fuzz(func(t *testing.T, patterns, text string, fold bool) {
		letters := policy.ExactCase
		if fold {
			letters = policy.AnyCase
		}
		list := strings.Split(patterns, "\n")
		covers := slices.ContainsFunc(list, func(p string) bool { return policy.NewAllowlist(letters, p).Covers(text) })
		if got := policy.NewAllowlist(letters, list...).Covers(text); got != covers {
			t.Errorf("Covers = %t, want %t", got, covers)
		}
		first := slices.IndexFunc(list, func(p string) bool { return policy.NewDenylist(letters, p).Overlaps(text) })
		got, found := policy.NewDenylist(letters, list...).Overlapping(text)
		if found != (first >= 0) || found && got != first {
			t.Errorf("Overlapping = %d, %t, want %d", got, found, first)
		}
	})
}
