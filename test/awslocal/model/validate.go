package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
)

// Validate checks an input against the constraints of the model: required members,
// lengths, ranges, patterns and enumerations. It reports all violations in one
// ValidationError with AWS's message. STS repeats the values, IAM does not; and IAM
// checks the characters of names, paths and documents first, with its own messages.
func (s *Service) Validate(operation string, in Struct) error {
	input := s.Operations[operation].Input
	if input == "" {
		return nil
	}
	if err := s.checkCharacters(input, in); err != nil {
		return err
	}
	failures := s.check(input, in, "")
	if len(failures) == 0 {
		return nil
	}
	noun := "errors"
	if len(failures) == 1 {
		noun = "error"
	}
	return Errorf("ValidationError", "%d validation %s detected: %s", len(failures), noun, strings.Join(failures, "; "))
}

// check returns the sentences about a value and what is in it.
func (s *Service) check(name string, v any, path string) []string {
	shape := s.Shapes[name]
	switch shape.Type {
	case "structure":
		v, _ := v.(Struct)
		return s.checkStruct(shape, v, path)
	case "list":
		v, _ := v.([]any)
		return s.checkList(name, shape, v, path)
	case "map":
		v, _ := v.(Struct)
		return s.checkMap(shape, v, path)
	}
	var failures []string
	for _, c := range s.violated(shape, v) {
		failures = append(failures, s.failure(v, path, c))
	}
	return failures
}

func (s *Service) checkStruct(shape *Shape, v Struct, path string) []string {
	var failures []string
	for _, m := range shape.ordered {
		at := lowerFirst(m.Name)
		if path != "" {
			at = path + "." + at
		}
		value, ok := v[m.Name]
		switch {
		case ok:
			failures = append(failures, s.check(m.Shape, value, at)...)
		case slices.Contains(shape.Required, m.Name):
			failures = append(failures, s.failure(nil, at, notNull))
		}
	}
	return failures
}

// checkList reports invalid elements as AWS does: a structure by its index, a scalar by
// the constraints on all elements.
func (s *Service) checkList(name string, shape *Shape, list []any, path string) []string {
	var failures []string
	for _, c := range lengthConstraints(shape, len(list)) {
		failures = append(failures, s.failure(list, path, c))
	}
	member := s.Shapes[shape.Member]
	for i, v := range list {
		if member.Type == "structure" {
			failures = append(failures, s.check(shape.Member, v, fmt.Sprintf("%s.%d.member", path, i+1))...)
		} else if len(s.violated(member, v)) > 0 {
			all := strings.Join(allConstraints(name, member), ", ")
			return append(failures, s.failure(list, path, "Member must satisfy constraint: ["+all+"]"))
		}
	}
	return failures
}

// checkMap reports invalid keys and values by the constraints on all of them.
func (s *Service) checkMap(shape *Shape, m Struct, path string) []string {
	var failures []string
	for _, c := range lengthConstraints(shape, len(m)) {
		failures = append(failures, s.failure(m, path, c))
	}
	badKey, badValue := false, false
	for key, v := range m {
		badKey = badKey || len(s.violated(s.Shapes[shape.Key], key)) > 0
		badValue = badValue || len(s.violated(s.Shapes[shape.Value], v)) > 0
	}
	for _, part := range []struct {
		bad         bool
		what, shape string
	}{{badKey, "Map keys", shape.Key}, {badValue, "Map value", shape.Value}} {
		if part.bad {
			all := strings.Join(allConstraints("", s.Shapes[part.shape]), ", ")
			failures = append(failures, s.failure(m, path, part.what+" must satisfy constraint: ["+all+"]"))
		}
	}
	return failures
}

// IAM's messages about values with characters that it does not accept.
const (
	nameCharacters     = "It must contain only alphanumeric characters and/or the following: +=,.@_-"
	pathCharacters     = "It must begin and end with / and contain only alphanumeric characters and/or / characters."
	prefixCharacters   = "It must begin with the / character and contain only alphanumeric characters and/or / characters."
	documentCharacters = "It must contain only printable ASCII characters."
)

// iamCharacters are these messages by shape; shapes without one are reported by their
// patterns. (A prefix of a policy path must also end with a slash, which the message does
// not state.)
var iamCharacters = map[string]string{
	"instanceProfileNameType": nameCharacters,
	"policyNameType":          nameCharacters,
	"roleNameType":            nameCharacters,
	"pathType":                pathCharacters,
	"policyPathType":          pathCharacters,
	"pathPrefixType":          prefixCharacters,
	"policyDocumentType":      documentCharacters,
}

func (s *Service) checkCharacters(input string, in Struct) error {
	for _, m := range s.Shapes[input].ordered {
		words := iamCharacters[m.Shape]
		if words != "" && m.Name == "PathPrefix" {
			words = prefixCharacters
		}
		if v, ok := in[m.Name].(string); ok && words != "" && !s.Shapes[m.Shape].pattern.MatchString(v) {
			return Errorf("ValidationError", "The specified value for %s is invalid. %s", lowerFirst(m.Name), words)
		}
	}
	return nil
}

const notNull = "Member must not be null"

func (s *Service) failure(v any, path, constraint string) string {
	value := ""
	if s.ValuesInErrors {
		value = " " + quoted(v)
	}
	return fmt.Sprintf("Value%s at '%s' failed to satisfy constraint: %s", value, path, constraint)
}

func quoted(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = fmt.Sprint(e)
		}
		return "'[" + strings.Join(parts, ", ") + "]'"
	case Struct:
		parts := []string{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, fmt.Sprintf("%s=%v", key, v[key]))
		}
		return "'{" + strings.Join(parts, ", ") + "}'"
	}
	return fmt.Sprintf("'%v'", v)
}

// violated returns the constraints that a scalar does not satisfy. STS names
// the pattern first, IAM last.
func (s *Service) violated(shape *Shape, v any) []string {
	var length, pattern []string
	switch v := v.(type) {
	case nil:
		return []string{notNull}
	case string:
		length = lengthConstraints(shape, len(utf16.Encode([]rune(v))))
		if shape.pattern != nil && !shape.pattern.MatchString(v) && iamCharacters[shape.name] == "" {
			pattern = append(pattern, mustMatch(shape))
		}
		if shape.Enum != nil && !slices.Contains(shape.Enum, v) {
			pattern = append(pattern, mustBeOneOf(shape))
		}
	case int64:
		if shape.Max != nil && float64(v) > *shape.Max {
			length = append(length, fmt.Sprintf("Member must have value less than or equal to %.0f", *shape.Max))
		}
		if shape.Min != nil && float64(v) < *shape.Min {
			length = append(length, fmt.Sprintf("Member must have value greater than or equal to %.0f", *shape.Min))
		}
	}
	if s.ValuesInErrors {
		return append(pattern, length...)
	}
	return append(length, pattern...)
}

func lengthConstraints(shape *Shape, n int) []string {
	var out []string
	if shape.Max != nil && float64(n) > *shape.Max {
		out = append(out, mustBeShorter(shape))
	}
	if shape.Min != nil && float64(n) < *shape.Min {
		out = append(out, mustBeLonger(shape))
	}
	return out
}

// allConstraints lists the constraints on each element of a list.
func allConstraints(list string, shape *Shape) []string {
	var out []string
	if shape.Max != nil {
		out = append(out, mustBeShorter(shape))
	}
	if shape.Min != nil {
		out = append(out, mustBeLonger(shape))
	}
	if shape.Pattern != "" {
		out = append(out, mustMatch(shape))
	}
	if shape.Enum != nil {
		out = append(out, mustBeOneOf(shape))
	}
	if list == "tagKeyListType" { // seen of AWS for tag keys only
		out = append(out, notNull)
	}
	return out
}

func mustBeShorter(shape *Shape) string {
	return fmt.Sprintf("Member must have length less than or equal to %.0f", *shape.Max)
}

func mustBeLonger(shape *Shape) string {
	return fmt.Sprintf("Member must have length greater than or equal to %.0f", *shape.Min)
}

func mustMatch(shape *Shape) string {
	return "Member must satisfy regular expression pattern: " + shape.Pattern
}

func mustBeOneOf(shape *Shape) string {
	return "Member must satisfy enum value set: [" + strings.Join(shape.Enum, ", ") + "]"
}

func lowerFirst(name string) string { return strings.ToLower(name[:1]) + name[1:] }
