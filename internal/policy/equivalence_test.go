package policy

import (
	"encoding/json"
	"slices"
	"testing"

	awspolicy "github.com/hashicorp/awspolicyequivalence"
	"pgregory.net/rapid"
)

// Terraform compares policies with awspolicyequivalence, which reflects ten years of
// experience with documents that AWS rewrote. Where it and Document disagree, one of them
// is wrong; in these cases it is the oracle.
func TestEquivalence_KnownDifferencesToTheOracle(t *testing.T) {
	cases := map[string]struct {
		reason string
		a, b   string
		ours   bool // what == of the Documents says; the oracle says the opposite
	}{
		"CaseOfAction":    {"Actions are case-insensitive.", inStatement(`"Action":"S3:Get"`), inStatement(`"Action":"s3:get"`), true},
		"CaseOfKey":       {"Keys are case-insensitive.", inStatement(`"Condition":{"Bool":{"aws:A":"true"}}`), inStatement(`"Condition":{"Bool":{"aws:a":"true"}}`), true},
		"CaseOfOperator":  {"IAM accepts one spelling of an operator, which is the one that the operator writes.", inStatement(`"Condition":{"bool":{"aws:a":"true"}}`), inStatement(`"Condition":{"Bool":{"aws:a":"true"}}`), true},
		"EmptyCondition":  {"An empty condition tests nothing.", inStatement(`"Condition":{}`), inStatement(``), true},
		"EmptyOperator":   {"An operator without keys tests nothing.", inStatement(`"Condition":{"Bool":{}}`), inStatement(``), true},
		"Anyone":          {"Both forms mean every principal.", inStatement(`"Principal":"*"`), inStatement(`"Principal":{"AWS":"*"}`), true},
		"MissingVersion":  {"The default is 2008-10-17.", `{"Statement":[{}]}`, `{"Version":"2008-10-17","Statement":[{}]}`, true},
		"RepeatedAction":  {"A repeated action counts once.", inStatement(`"Action":["a:b","a:b"]`), inStatement(`"Action":"a:b"`), true},
		"RepeatedPair":    {"A repeated principal counts once.", inStatement(`"Principal":{"AWS":["x","x"]}`), inStatement(`"Principal":{"AWS":"x"}`), true},
		"RepeatedAccount": {"An account ID and its root ARN mean the same.", inStatement(`"Principal":{"AWS":["123456789012","arn:aws:iam::123456789012:root"]}`), inStatement(`"Principal":{"AWS":"123456789012"}`), true},
		"RepeatedWhole":   {"A repeated statement counts once.", `{"Statement":[{},{}]}`, `{"Statement":[{}]}`, true},
		"EmptyAction":     {"An element without values matches nothing.", inStatement(`"Action":[]`), inStatement(``), false},
		"EmptyResource":   {"An element without values matches nothing.", inStatement(`"Resource":[]`), inStatement(``), false},
		"EmptyPrincipal":  {"An element without principals is not the same as no element.", inStatement(`"Principal":{}`), inStatement(``), false},
		"AnyoneNoOne":     {"Every principal is not the same as no principal.", inStatement(`"Principal":"*"`), inStatement(`"Principal":{}`), false},
		"Number":          {"The text of a number is kept.", inStatement(`"Condition":{"NumericEquals":{"aws:a":1.50}}`), inStatement(`"Condition":{"NumericEquals":{"aws:a":1.5}}`), false},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := mustParse(t, tc.a) == mustParse(t, tc.b); got != tc.ours {
				t.Errorf("equal: %t", got)
			}
			if oracle, err := awspolicy.PoliciesAreEquivalent(tc.a, tc.b); err != nil || oracle == tc.ours {
				t.Errorf("The oracle says %t, %v: it has learned, so take this case off the list.", oracle, err)
			}
		})
	}
}

// spelling draws one of the JSON texts that mean the same as p, as far as the oracle
// knows. p is canonical and contains none of the differences above.
func spelling(t *rapid.T, p Policy) string {
	statements := []any{}
	for _, s := range shuffled(t, p.Statements) {
		statements = append(statements, spellStatement(t, s))
	}
	doc := map[string]any{"Version": p.Version, "Statement": statements}
	if len(statements) == 1 && rapid.Bool().Draw(t, "bare statement") {
		doc["Statement"] = statements[0]
	}
	if p.ID != "" || rapid.Bool().Draw(t, "empty id") {
		doc["Id"] = p.ID
	}
	text, _ := json.MarshalIndent(doc, "", rapid.SampledFrom([]string{"", " ", "\t"}).Draw(t, "indent"))
	return string(text)
}

func spellStatement(t *rapid.T, s Statement) map[string]any {
	out := map[string]any{"Effect": s.Effect}
	if s.SID != "" || rapid.Bool().Draw(t, "empty sid") {
		out["Sid"] = s.SID
	}
	for name, list := range map[string][]string{"Action": s.Actions, "NotAction": s.NotActions, "Resource": s.Resources, "NotResource": s.NotResources} {
		if list != nil {
			out[name] = spellList(t, list)
		}
	}
	for name, list := range map[string][]Principal{"Principal": s.Principals, "NotPrincipal": s.NotPrincipals} {
		types := map[string][]string{}
		for _, p := range list {
			if isAccount(p.ID) && rapid.Bool().Draw(t, "root") {
				p.ID = "arn:aws:iam::" + p.ID + ":root"
			}
			types[p.Type] = append(types[p.Type], p.ID)
		}
		lists := map[string]any{}
		for name, ids := range types {
			lists[name] = spellList(t, ids)
		}
		if list != nil {
			out[name] = lists
		}
	}
	conditions := map[string]map[string]any{}
	for _, c := range s.Conditions {
		if conditions[c.Operator] == nil {
			conditions[c.Operator] = map[string]any{}
		}
		conditions[c.Operator][c.Key] = spellList(t, c.Values)
	}
	if len(conditions) > 0 {
		out["Condition"] = conditions
	}
	return out
}

func spellList(t *rapid.T, list []string) any {
	if len(list) == 1 && rapid.Bool().Draw(t, "bare") {
		switch {
		case list[0] == "true" && rapid.Bool().Draw(t, "bool"):
			return true
		case list[0] == "10" && rapid.Bool().Draw(t, "number"):
			return 10
		}
		return list[0]
	}
	return shuffled(t, list)
}

func shuffled[T any](t *rapid.T, list []T) []T {
	return append([]T{}, rapid.Permutation(list).Draw(t, "order")...)
}

// withoutDifferences removes the known differences from p.
func withoutDifferences(p Policy) Policy {
	p = p.Document().Policy()
	for i := range p.Statements {
		s := &p.Statements[i]
		for _, list := range []*[]string{&s.Actions, &s.NotActions, &s.Resources, &s.NotResources} {
			if len(*list) == 0 {
				*list = nil
			}
		}
		for _, list := range []*[]Principal{&s.Principals, &s.NotPrincipals} {
			if len(*list) == 0 {
				*list = nil
			}
		}
		s.Conditions = slices.DeleteFunc(s.Conditions, func(c Condition) bool { return len(c.Values) == 0 })
	}
	return p.Document().Policy()
}

// equivalence draws two policies, the same or nearly the same, writes each in one of its
// spellings, and compares the results of Document and of the oracle.
func equivalence(t *rapid.T) {
	trusts := rapid.Bool().Draw(t, "trusts")
	a := withoutDifferences(genPolicy(trusts).Draw(t, "a"))
	b := a
	switch rapid.IntRange(0, 3).Draw(t, "b is") {
	case 0:
		b = withoutDifferences(genPolicy(trusts).Draw(t, "b"))
	case 1:
		b = withoutDifferences(genWider(a).Draw(t, "b"))
	}
	one, other := spelling(t, a), spelling(t, b)
	x, err := Parse([]byte(one))
	if err != nil {
		t.Fatalf("Parse(%s): %v", one, err)
	}
	y, err := Parse([]byte(other))
	if err != nil {
		t.Fatalf("Parse(%s): %v", other, err)
	}
	want, err := awspolicy.PoliciesAreEquivalent(one, other)
	if err != nil {
		t.Fatalf("oracle: %v", err)
	}
	if got := x == y; got != want {
		t.Fatalf("equal: %t; the oracle says %t\n%s\n%s", got, want, one, other)
	}
}

func TestEquivalence_AgreesWithTheOracle(t *testing.T) { rapid.Check(t, equivalence) }

func FuzzEquivalence(f *testing.F) { f.Fuzz(rapid.MakeFuzz(equivalence)) }
