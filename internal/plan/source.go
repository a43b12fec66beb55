package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// A policy is compared in canonical form, in which the case of actions is folded,
// and written as it was declared: whoever looks at the role in AWS finds what the
// team wrote.

// statementJSON is a statement as IAM writes it, in IAM's order.
type statementJSON struct {
	Sid         string                         `json:",omitempty"`
	Effect      v1alpha1.Effect                `json:",omitempty"`
	Action      []v1alpha1.Action              `json:",omitempty"`
	NotAction   []v1alpha1.Action              `json:",omitempty"`
	Resource    []v1alpha1.Resource            `json:",omitempty"`
	NotResource []v1alpha1.Resource            `json:",omitempty"`
	Condition   map[string]map[string][]string `json:",omitempty"`
}

// sourceText returns the text of an inline policy that is valid, empty if only the
// canonical form will do: IAM knows operators of conditions in its own spelling
// alone, and is not as lenient about it as we are.
func sourceText(in v1alpha1.InlinePolicy) (string, error) {
	var out bytes.Buffer
	if in.Document != "" {
		if !usesCanonicalOperators([]byte(in.Document)) {
			return "", nil
		}
		if err := json.Compact(&out, []byte(in.Document)); err != nil {
			return "", err
		}
		return escapeNonLatin1(out.String()), nil
	}
	document := struct {
		Version   string
		Statement []statementJSON
	}{Version: versionOfStatements}
	for _, s := range in.Statements {
		document.Statement = append(document.Statement, statementJSON{
			Sid: s.SID, Effect: s.Effect, Action: s.Actions, NotAction: s.NotActions,
			Resource: s.Resources, NotResource: s.NotResources, Condition: conditionJSON(s.Conditions),
		})
	}
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(document); err != nil {
		return "", err
	}
	return escapeNonLatin1(strings.TrimSpace(out.String())), nil
}

func conditionJSON(declared []v1alpha1.Condition) map[string]map[string][]string {
	if len(declared) == 0 {
		return nil
	}
	all := map[string]map[string][]string{}
	for _, c := range declared {
		operator := policy.CanonicalOperator(c.Operator)
		if all[operator] == nil {
			all[operator] = map[string][]string{}
		}
		all[operator][c.Key] = toStrings(c.Values)
	}
	return all
}

// usesCanonicalOperators reports whether a document has all operators in IAM's spelling.
func usesCanonicalOperators(document []byte) bool {
	type statement struct{ Condition map[string]any }
	var one struct{ Statement statement }
	var several struct{ Statement []statement }
	if json.Unmarshal(document, &several) != nil {
		if json.Unmarshal(document, &one) != nil {
			return false
		}
		several.Statement = []statement{one.Statement}
	}
	for _, s := range several.Statement {
		for operator := range s.Condition {
			if operator != policy.CanonicalOperator(operator) {
				return false
			}
		}
	}
	return true
}

// escapeNonLatin1 escapes, in JSON, the characters that IAM takes in no other form: those
// above U+00FF (https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html).
func escapeNonLatin1(text string) string {
	var out strings.Builder
	for _, r := range text {
		if r <= 0xFF {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.String()
}
