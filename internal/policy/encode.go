package policy

import (
	"maps"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// appendPolicy appends p, with statements that are JSON already, as JSON without white
// space and with elements in the order of AWS's documentation.
func appendPolicy(b []byte, p Policy, statements []string) []byte {
	b = append(b, `{"Version":`...)
	b = appendText(b, p.Version)
	if p.ID != "" {
		b = append(b, `,"Id":`...)
		b = appendText(b, p.ID)
	}
	b = append(b, `,"Statement":[`...)
	for i, s := range statements {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, s...)
	}
	return append(b, `]}`...)
}

func appendStatement(b []byte, s Statement) []byte {
	start := len(b)
	name := func(name string) {
		b = append(b, ',')
		b = appendText(b, name)
		b = append(b, ':')
	}
	list := func(element string, values []string) {
		if values != nil {
			name(element)
			b = appendList(b, values)
		}
	}
	principals := func(element string, list []Principal) {
		if list != nil {
			name(element)
			b = appendPrincipals(b, list)
		}
	}
	if s.SID != "" {
		list("Sid", []string{s.SID})
	}
	if s.Effect != "" {
		list("Effect", []string{string(s.Effect)})
	}
	principals("Principal", s.Principals)
	principals("NotPrincipal", s.NotPrincipals)
	list("Action", s.Actions)
	list("NotAction", s.NotActions)
	list("Resource", s.Resources)
	list("NotResource", s.NotResources)
	if len(s.Conditions) > 0 {
		name("Condition")
		b = appendConditions(b, s.Conditions)
	}
	return closeObject(b, start)
}

// closeObject turns the members since start, each of which begins with a comma, into an
// object.
func closeObject(b []byte, start int) []byte {
	if len(b) == start {
		return append(b, "{}"...)
	}
	b[start] = '{'
	return append(b, '}')
}

// appendPrincipals appends a map from type to IDs. The list must be sorted.
func appendPrincipals(b []byte, list []Principal) []byte {
	start := len(b)
	for i := 0; i < len(list); {
		var ids []string
		t := list[i].Type
		for ; i < len(list) && list[i].Type == t; i++ {
			ids = append(ids, list[i].ID)
		}
		b = append(b, ',')
		b = appendText(b, t)
		b = append(b, ':')
		b = appendList(b, ids)
	}
	return closeObject(b, start)
}

// appendConditions appends a map from operator to keys to values. The list must be
// sorted. A duplicate of operator and key is written as a duplicate: JSON cannot
// express that both must hold, and a document that AWS rejects is safer than one that
// grants more.
func appendConditions(b []byte, list []Condition) []byte {
	start := len(b)
	for i := 0; i < len(list); {
		op := list[i].Operator
		b = append(b, ',')
		b = appendText(b, op)
		b = append(b, ':')
		inner := len(b)
		for ; i < len(list) && list[i].Operator == op; i++ {
			b = append(b, ',')
			b = appendText(b, list[i].Key)
			b = append(b, ':')
			b = appendList(b, list[i].Values)
		}
		b = closeObject(b, inner)
	}
	return closeObject(b, start)
}

// appendList appends one value as a string, and any other number of values as an array.
func appendList(b []byte, values []string) []byte {
	if len(values) == 1 {
		return appendText(b, values[0])
	}
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, v)
	}
	return append(b, ']')
}

// appendText appends a JSON string. IAM accepts only the characters U+0020 to U+00FF,
// tab and line ends in documents, so others are escaped. Unlike encoding/json, it does
// not escape <, > and &, because longer texts count against the quota.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	begin := 0 // of what is not appended yet
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		plain := r >= ' ' && r <= '\u00ff' && r != '"' && r != '\\'
		if !plain {
			b = append(b, s[begin:i]...)
			b = appendEscape(b, r)
			begin = i + size
		}
		i += size
	}
	b = append(b, s[begin:]...)
	return append(b, '"')
}

// appendEscape appends a character of a JSON string as an escape.
func appendEscape(b []byte, r rune) []byte {
	if r == '"' || r == '\\' {
		return append(b, '\\', byte(r))
	}
	const digits = "0123456789abcdef"
	var units [2]uint16
	for _, unit := range utf16.AppendRune(units[:0], r) {
		b = append(b, '\\', 'u', digits[unit>>12], digits[unit>>8&0xf], digits[unit>>4&0xf], digits[unit&0xf])
	}
	return b
}

// EscapeNonLatin1 escapes, in JSON, the characters above U+00FF, which IAM accepts in no
// other form (https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html).
func EscapeNonLatin1(json string) string {
	var b []byte
	begin := 0 // of what is not appended yet
	for i := 0; i < len(json); {
		r, size := utf8.DecodeRuneInString(json[i:])
		if r > '\u00ff' {
			b = append(b, json[begin:i]...)
			b = appendEscape(b, r)
			begin = i + size
		}
		i += size
	}
	if begin == 0 {
		return json
	}
	return string(append(b, json[begin:]...))
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
