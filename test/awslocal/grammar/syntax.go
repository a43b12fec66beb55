package grammar

import (
	"encoding/json"
	"slices"
	"strings"
)

var (
	policyElements    = []string{"Version", "Id", "Statement"}
	statementElements = []string{
		"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition",
	}
	operators = []string{
		"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
		"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
		"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
		"Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Null",
	}
)

// parse returns the statements of a document whose elements are known and of
// the right types, and its version.
func parse(document string) (statements []*object, version string, ok bool) {
	v, err := decode(document)
	policy, isObject := v.(*object)
	if err != nil || !isObject {
		return nil, "", false
	}
	for _, key := range policy.keys {
		if !slices.Contains(policyElements, key) {
			return nil, "", false
		}
	}
	if v, has := policy.values["Version"]; has {
		version, _ = v.(string)
		if version != version2012 && version != version2008 {
			return nil, "", false
		}
	}
	if v, has := policy.values["Id"]; has && !isText(v) {
		return nil, "", false
	}
	statements, ok = listStatements(policy.values["Statement"])
	if !ok || slices.ContainsFunc(statements, func(s *object) bool { return !wellTyped(s) }) {
		return nil, "", false
	}
	return statements, version, true
}

// listStatements returns the statements of an element that may hold one or several.
func listStatements(v any) ([]*object, bool) {
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	var out []*object
	for _, e := range list {
		s, ok := e.(*object)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, len(out) > 0
}

// wellTyped reports whether the elements of a statement are known, of the right
// types, and do not exclude each other.
func wellTyped(s *object) bool {
	if slices.ContainsFunc(s.keys, func(key string) bool { return !slices.Contains(statementElements, key) }) {
		return false
	}
	if slices.ContainsFunc([]string{"Action", "Resource", "Principal"}, func(key string) bool { return s.has(key) && s.has("Not"+key) }) {
		return false
	}
	for _, key := range []string{"Action", "NotAction", "Resource", "NotResource"} {
		if v, has := s.values[key]; has && !isTexts(v) {
			return false
		}
	}
	if v, has := s.values["Sid"]; has && !isText(v) {
		return false
	}
	effect, _ := s.values["Effect"].(string)
	if !strings.EqualFold(effect, "Allow") && !strings.EqualFold(effect, "Deny") {
		return false
	}
	condition, has := s.values["Condition"]
	return !has || isCondition(condition)
}

func isText(v any) bool {
	_, ok := v.(string)
	return ok
}

func isTexts(v any) bool {
	list, ok := v.([]any)
	if !ok {
		return isText(v)
	}
	return !slices.ContainsFunc(list, func(e any) bool { return e != nil && !isText(e) })
}

// isCondition reports whether v maps known operators to keys to values. An
// operator without keys need not be known.
func isCondition(v any) bool {
	condition, ok := v.(*object)
	if !ok {
		return false
	}
	for _, operator := range condition.keys {
		keys, ok := condition.values[operator].(*object)
		if !ok {
			return false
		}
		if len(keys.keys) > 0 && !slices.Contains(operators, bareOperator(operator)) {
			return false
		}
		for _, key := range keys.keys {
			if !isConditionValue(keys.values[key]) {
				return false
			}
		}
	}
	return true
}

func isConditionValue(v any) bool {
	switch v := v.(type) {
	case string, bool, json.Number:
		return true
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool {
			_, isList := e.([]any)
			return isList || !isConditionValue(e)
		})
	}
	return false
}

// bareOperator cuts the set qualifier and IfExists off.
func bareOperator(operator string) string {
	for _, qualifier := range []string{"ForAnyValue:", "ForAllValues:"} {
		if bare, ok := strings.CutPrefix(operator, qualifier); ok {
			operator = bare
			break
		}
	}
	return strings.TrimSuffix(operator, "IfExists")
}
