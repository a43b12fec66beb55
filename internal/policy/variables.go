package policy

import "strings"

// variableRef is a policy variable in a pattern.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
type variableRef struct {
	literal  rune // for ${*}, ${?} and ${$}: the character itself; else 0
	key      string
	fallback string
	// hasFallback distinguishes ${key, ''} from ${key}.
	hasFallback bool
}

// text returns what identifies the variable: two variables with equal texts have equal
// values in every request.
func (v variableRef) text() string {
	if v.hasFallback {
		return v.key + ", '" + v.fallback + "'"
	}
	return v.key
}

// readVariable parses the variable at the start of text, and returns its length. It
// reports false if there is none: "$" and an open brace alone are plain text.
func readVariable(text string) (variableRef, int, bool) {
	if len(text) < 3 || text[0] != '$' || text[1] != '{' {
		return variableRef{}, 0, false
	}
	if len(text) > 3 && text[3] == '}' && strings.IndexByte("*?$", text[2]) >= 0 {
		return variableRef{literal: rune(text[2])}, 4, true
	}
	end := strings.IndexByte(text, '}')
	if end < 0 {
		return variableRef{}, 0, false
	}
	key, rest, found := strings.Cut(text[2:end], ",")
	ref := variableRef{key: foldKey(strings.TrimSpace(key))}
	// AWS documents the form ${key, 'default'}, with a space. Without it, the text
	// is not a default.
	spaced := strings.HasPrefix(rest, " ")
	rest = strings.TrimSpace(rest)
	if found && spaced && len(rest) >= 2 && rest[0] == '\'' && rest[len(rest)-1] == '\'' {
		ref.hasFallback, ref.fallback = true, rest[1:len(rest)-1]
	}
	return ref, end + 1, true
}

// hasVariable reports whether s may contain a variable.
func hasVariable(s string) bool { return strings.Contains(s, "${") }

// values is the lookup of the request's values. A value is plain text, never a pattern:
// a tag with the value "*" does not match everything. A key with several values, and
// one without a value and default, have no value as a variable.
func (c requestContext) values(ref variableRef) ([]token, bool) {
	if ref.literal != 0 {
		return []token{{kind: literal, char: ref.literal}}, true
	}
	if found := c[ref.key]; len(found) == 1 {
		return literals(found[0]), true
	}
	return literals(ref.fallback), ref.hasFallback
}
