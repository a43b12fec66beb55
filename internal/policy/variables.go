package policy

import (
	"slices"
	"strings"
)

// variableRef is a policy variable as it stands in a pattern.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
type variableRef struct {
	literal  rune // for ${*}, ${?} and ${$}: the character itself; else 0
	key      string
	fallback string
	// hasFallback tells ${key, ''} from ${key}.
	hasFallback bool
}

// text returns what identifies the variable: two with equal texts have equal
// values in every request.
func (v variableRef) text() string {
	if v.hasFallback {
		return v.key + ", '" + v.fallback + "'"
	}
	return v.key
}

// readVariable reads the variable at the start of text, and its length. It
// reports false if there is none: "$" or an open brace alone mean themselves.
func readVariable(text []rune) (variableRef, int, bool) {
	if len(text) < 3 || text[0] != '$' || text[1] != '{' {
		return variableRef{}, 0, false
	}
	if len(text) > 3 && text[3] == '}' && strings.ContainsRune("*?$", text[2]) {
		return variableRef{literal: text[2]}, 4, true
	}
	end := slices.Index(text, '}')
	if end < 0 {
		return variableRef{}, 0, false
	}
	key, rest, found := strings.Cut(string(text[2:end]), ",")
	ref := variableRef{key: foldKey(strings.TrimSpace(key))}
	rest = strings.TrimSpace(rest)
	if found && len(rest) >= 2 && rest[0] == '\'' && rest[len(rest)-1] == '\'' {
		ref.hasFallback, ref.fallback = true, rest[1:len(rest)-1]
	}
	return ref, end + 1, true
}

// hasVariable reports whether s holds something that reads like a variable.
func hasVariable(s string) bool { return strings.Contains(s, "${") }

// values returns the lookup of a request's own values. A value is text, never
// a pattern: a tag of "*" does not match everything. A key of several values
// cannot be used as a variable, and a key without a value and without a
// default stands for nothing.
func (c requestContext) values(ref variableRef) ([]token, bool) {
	if ref.literal != 0 {
		return []token{{kind: literal, char: ref.literal}}, true
	}
	if found := c[ref.key]; len(found) == 1 {
		return literals(found[0]), true
	}
	return literals(ref.fallback), ref.hasFallback
}
