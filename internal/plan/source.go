package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// inlinePolicy returns the policy of in. Policies are compared in canonical form, in
// which actions are in lower case, and written as their author wrote them, so that
// the role in AWS shows the same text as the spec. The error begins with the field.
func inlinePolicy(in v1alpha1.InlinePolicy, cluster Cluster) (InlinePolicy, error) {
	place := policy.Place{Partition: cluster.Partition}
	switch {
	case (in.Document != "") == (len(in.Statements) > 0):
		return InlinePolicy{}, errors.New("statements: exactly one of statements and document must be set")
	case in.Document != "":
		return fromDocument(in.Document, place)
	default:
		return fromStatements(in.Statements, place)
	}
}

func fromDocument(text string, place policy.Place) (InlinePolicy, error) {
	// The size is checked before anything is parsed, which bounds the work.
	if size := policy.Size(text); size > DefaultQuotas.RolePolicySize {
		return InlinePolicy{}, fmt.Errorf("document: has %d characters without white space; the limit for all inline policies of a role is %d; move some statements to a managed policy",
			size, DefaultQuotas.RolePolicySize)
	}
	p, err := policy.CheckDocument([]byte(text), place)
	if err != nil {
		return InlinePolicy{}, fmt.Errorf("document: %w", err)
	}
	source := ""
	if usesCanonicalOperators(p) {
		if source, err = compact(text); err != nil {
			return InlinePolicy{}, fmt.Errorf("document: %w", err)
		}
	}
	return InlinePolicy{Document: p.Document(), Source: source}, nil
}

func fromStatements(statements []v1alpha1.Statement, place policy.Place) (InlinePolicy, error) {
	if err := checkDuplicateConditions(statements); err != nil {
		return InlinePolicy{}, fmt.Errorf("statements%w", err)
	}
	p := PolicyOf(statements)
	if found, ok := errors.AsType[policy.Errors](p.CheckStatements(place)); ok {
		return InlinePolicy{}, errors.New(found.List())
	}
	source, err := encode(p)
	if err != nil {
		return InlinePolicy{}, fmt.Errorf("statements: %w", err)
	}
	return InlinePolicy{Document: p.Document(), Source: source}, nil
}

// usesCanonicalOperators reports whether all condition operators have the spelling
// that IAM requires. This operator accepts any case; a policy in another one is
// written in canonical form.
func usesCanonicalOperators(p policy.Policy) bool {
	for _, s := range p.Statements {
		for _, c := range s.Conditions {
			if c.Operator != policy.CanonicalOperator(c.Operator) {
				return false
			}
		}
	}
	return true
}

// compact returns a valid document without white space, with Version as the first
// element: AWS is reported to reject some documents in which it follows Statement.
func compact(document string) (string, error) {
	var elements struct {
		Version   json.RawMessage `json:"Version"`
		ID        json.RawMessage `json:"Id"`
		Statement json.RawMessage `json:"Statement"`
	}
	if err := json.Unmarshal([]byte(document), &elements); err != nil {
		return "", err
	}
	var out bytes.Buffer
	separator := "{"
	for _, e := range []struct {
		name  string
		value json.RawMessage
	}{{"Version", elements.Version}, {"Id", elements.ID}, {"Statement", elements.Statement}} {
		if e.value == nil {
			continue
		}
		out.WriteString(separator + strconv.Quote(e.name) + ":")
		separator = ","
		if err := json.Compact(&out, e.value); err != nil {
			return "", err
		}
	}
	return policy.EscapeNonLatin1(out.String() + "}"), nil
}

// statementJSON is a statement as JSON, in the order of IAM's documentation.
type statementJSON struct {
	Sid         string                         `json:",omitempty"`
	Effect      policy.Effect                  `json:",omitempty"`
	Action      []string                       `json:",omitempty"`
	NotAction   []string                       `json:",omitempty"`
	Resource    []string                       `json:",omitempty"`
	NotResource []string                       `json:",omitempty"`
	Condition   map[string]map[string][]string `json:",omitempty"`
}

// encode returns an identity policy as JSON, with statements and values in the order
// of p.
func encode(p policy.Policy) (string, error) {
	document := struct {
		Version   string
		Statement []statementJSON
	}{Version: p.Version}
	for _, s := range p.Statements {
		document.Statement = append(document.Statement, statementJSON{
			Sid: s.SID, Effect: s.Effect, Action: s.Actions, NotAction: s.NotActions,
			Resource: s.Resources, NotResource: s.NotResources, Condition: conditionJSON(s.Conditions),
		})
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(document); err != nil {
		return "", err
	}
	return policy.EscapeNonLatin1(strings.TrimSpace(out.String())), nil
}

func conditionJSON(conditions []policy.Condition) map[string]map[string][]string {
	all := map[string]map[string][]string{}
	for _, c := range conditions {
		operator := policy.CanonicalOperator(c.Operator)
		if all[operator] == nil {
			all[operator] = map[string][]string{}
		}
		all[operator][c.Key] = c.Values
	}
	return all
}
