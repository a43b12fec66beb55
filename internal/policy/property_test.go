package policy

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A written document can be parsed, and gives the same policy, whatever its characters.
func TestDocument_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPolicy(rapid.Bool().Draw(t, "trusts")).Draw(t, "policy")
		text := rapid.String().Filter(func(s string) bool { return !strings.ContainsRune(s, utf8.RuneError) })
		p.ID = text.Draw(t, "id")
		for i := range p.Statements {
			p.Statements[i].Resources = append(p.Statements[i].Resources, text.Draw(t, "resource"))
		}
		d := p.Document()
		again, err := Parse([]byte(d))
		if err != nil || again != d {
			t.Fatalf("Parse(%s) = %s, %v", d, again, err)
		}
		if diff := cmp.Diff(d, d.Policy().Document()); diff != "" {
			t.Fatalf("Document(Policy(d)): -d, +got:\n%s", diff)
		}
	})
}

// The canonical form means the same: it grants and denies what the policy does.
func TestDocument_GrantsWhatThePolicyGrants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trusts := rapid.Bool().Draw(t, "trusts")
		p := genPolicy(trusts).Draw(t, "policy")
		canonical := p.Document().Policy()
		for range 20 {
			r := genRequest(trusts).Draw(t, "request")
			if want, got := Evaluate(r, p), Evaluate(r, canonical); got != want {
				t.Fatalf("Evaluate(canonical) = %v, want %v", got, want)
			}
		}
	})
}

// A change in meaning is a change in the text: if two policies give different decisions
// on a request, their Documents differ.
func TestDocument_DiffersIfTheMeaningDiffers(t *testing.T) {
	differ := 0
	rapid.Check(t, func(t *rapid.T) {
		trusts := rapid.Bool().Draw(t, "trusts")
		a := genPolicy(trusts).Draw(t, "a")
		b := genWider(a).Draw(t, "b")
		for range 20 {
			r := genRequest(trusts).Draw(t, "request")
			if Evaluate(r, a) != Evaluate(r, b) {
				differ++
				if a.Document() == b.Document() {
					t.Fatalf("both are %s", a.Document())
				}
			}
		}
	})
	if differ == 0 {
		t.Error("no two policies differed: the generators are of no use")
	}
}

// IsSubset is sound: what narrow allows, wide also allows.
func TestIsSubset_AgreesWithEvaluate(t *testing.T) {
	within, allowed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		trusts := rapid.Bool().Draw(t, "trusts")
		narrow := genPolicy(trusts).Draw(t, "narrow")
		wide := rapid.OneOf(genWider(narrow), genPolicy(trusts)).Draw(t, "wide")
		if !IsSubset(narrow.Document(), wide.Document()) {
			return
		}
		within++
		for range 50 {
			r := genRequest(trusts).Draw(t, "request")
			if Evaluate(r, narrow) != Allowed {
				continue
			}
			allowed++
			if got := Evaluate(r, wide); got != Allowed {
				t.Fatalf("narrow allows and wide says %v\nnarrow: %s\nwide: %s", got, narrow.Document(), wide.Document())
			}
		}
	})
	if !testing.Short() && (within == 0 || allowed == 0) { // -short draws too few pairs
		t.Errorf("%d pairs within, %d requests allowed: the generators are of no use", within, allowed)
	}
}

func TestIsSubset_IsAnOrder(t *testing.T) {
	chains := 0
	rapid.Check(t, func(t *rapid.T) {
		trusts := rapid.Bool().Draw(t, "trusts")
		p := genPolicy(trusts).Draw(t, "a")
		a := p.Document()
		q := genWider(p).Draw(t, "b")
		b, c := q.Document(), genWider(q).Draw(t, "c").Document()
		if sound(p) && !IsSubset(a, a) {
			t.Fatalf("not within itself: %s", a)
		}
		if IsSubset(a, b) && IsSubset(b, c) {
			chains++
			if !IsSubset(a, c) {
				t.Fatalf("a within b within c, but not a within c\na: %s\nb: %s\nc: %s", a, b, c)
			}
		}
	})
	if chains == 0 {
		t.Error("no chain: the generators are of no use")
	}
}

// sound reports whether IsSubset can give a result for p: the statements have one of each
// element, and operators that exist.
func sound(p Policy) bool {
	return every(p.Statements, func(s Statement) bool {
		return (s.Actions == nil) != (s.NotActions == nil) &&
			!(s.Resources != nil && s.NotResources != nil) && !(s.Principals != nil && s.NotPrincipals != nil) &&
			every(s.Conditions, func(c Condition) bool { _, ok := parseOperator(c.Operator); return ok })
	})
}

// FuzzParse parses any text. Accepted documents are canonical, are JSON, and survive
// every operation on documents.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","Principal":"*","Action":["S3:Get*"],"Resource":"*"}]}`,
		`{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":["123456789012"]},"NotAction":"*","Condition":{"Bool":{"aws:SecureTransport":false}}}}`,
		string(Trust(spec())), string(DenyAllTrust()), url.PathEscape(string(DenyAllTrust())), `%7B%7D`, `{"Id":"\ud83d\ude00"}`, `{"Id":"é"}`,
		`{"Statement":[{"Condition":{"ForAllValues:NumericLessThanIfExists":{"aws:a":[1e5,true,"${aws:a, 'b'}"]}}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Parse(raw)
		if err != nil {
			return
		}
		if !json.Valid([]byte(d)) {
			t.Fatalf("not JSON: %s", d)
		}
		for _, form := range []string{string(d), " " + string(d) + "\n", url.PathEscape(string(d))} {
			if again, err := Parse([]byte(form)); err != nil || again != d {
				t.Fatalf("Parse(%s) = %s, %v; want %s", form, again, err, d)
			}
		}
		p := d.Policy()
		if got := p.Document(); got != d {
			t.Fatalf("Document(Policy(d)) = %s, want %s", got, d)
		}
		_, _ = p.CheckIdentity(), p.CheckTrust()
		_ = Evaluate(webIdentity(testIssuer, "a", "b"), p)
		if IsSubset(d, Policy{}.Document()) && Evaluate(Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::a"}, p) == Allowed {
			t.Fatalf("within nothing, and allows something: %s", d)
		}
	})
}
