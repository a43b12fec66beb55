package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// A stack evaluates the template as CloudFormation does: parameters, conditions,
// rules and the functions that the template uses.
type stack struct {
	template   map[string]any
	parameters map[string]string
}

func newStack(t *testing.T, parameters map[string]string) stack {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal(shippedTemplate(t), &root); err != nil {
		t.Fatal(err)
	}
	parsed, err := long(root.Content[0])
	if err != nil {
		t.Fatal(err)
	}
	s := stack{template: parsed.(map[string]any), parameters: map[string]string{
		"AWS::Partition": "aws", "AWS::AccountId": "123456789012", "AWS::Region": "eu-west-1",
	}}
	for name, p := range s.template["Parameters"].(map[string]any) {
		if value, ok := p.(map[string]any)["Default"].(string); ok {
			s.parameters[name] = value
		}
	}
	for name, value := range parameters {
		s.checkParameter(t, name, value)
		s.parameters[name] = value
	}
	return s
}

// checkParameter fails the test unless the template accepts a value.
func (s stack) checkParameter(t *testing.T, name, value string) {
	t.Helper()
	declared, ok := s.template["Parameters"].(map[string]any)[name].(map[string]any)
	if !ok {
		t.Fatalf("the template has no parameter %s", name)
	}
	if pattern, ok := declared["AllowedPattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(value) {
		t.Errorf("parameter %s: %q does not match %s", name, value, pattern)
	}
	if allowed, ok := declared["AllowedValues"].([]any); ok && !slices.Contains(allowed, any(value)) {
		t.Errorf("parameter %s: %q is not one of %v", name, value, allowed)
	}
}

// long returns a YAML node with functions in their long form: {"Fn::Sub": …}.
func long(node *yaml.Node) (any, error) {
	value, err := plain(node)
	if err != nil || !strings.HasPrefix(node.Tag, "!") || strings.HasPrefix(node.Tag, "!!") {
		return value, err
	}
	name := strings.TrimPrefix(node.Tag, "!")
	if name != "Ref" {
		name = "Fn::" + name
	}
	return map[string]any{name: value}, nil
}

func plain(node *yaml.Node) (any, error) {
	switch node.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(node.Content); i += 2 {
			value, err := long(node.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[node.Content[i].Value] = value
		}
		return m, nil
	case yaml.SequenceNode:
		var list []any
		for _, item := range node.Content {
			value, err := long(item)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	default:
		if strings.HasPrefix(node.Tag, "!!") {
			var value any
			err := node.Decode(&value)
			return value, err
		}
		return node.Value, nil // a tag of CloudFormation's
	}
}

// resources returns the resources that the stack creates. Policy documents that are
// text are decoded, as CloudFormation does.
func (s stack) resources(t *testing.T) map[string]map[string]any {
	t.Helper()
	created := map[string]map[string]any{}
	for id, declared := range s.template["Resources"].(map[string]any) {
		resource := maps.Clone(declared.(map[string]any))
		if condition, ok := resource["Condition"].(string); ok && !s.condition(condition) {
			continue
		}
		properties := s.resolve(resource["Properties"]).(map[string]any)
		for _, key := range []string{"PolicyDocument", "AssumeRolePolicyDocument"} {
			if text, ok := properties[key].(string); ok {
				var document any
				if err := json.Unmarshal([]byte(text), &document); err != nil {
					t.Errorf("%s of %s: %v", key, id, err)
				}
				properties[key] = document
			}
		}
		resource["Properties"] = properties
		created[id] = resource
	}
	return created
}

// brokenRules returns the rules that reject the parameters.
func (s stack) brokenRules(t *testing.T) []string {
	t.Helper()
	var broken []string
	for name, declared := range s.template["Rules"].(map[string]any) {
		rule := declared.(map[string]any)
		if s.resolve(rule["RuleCondition"]) != true {
			continue
		}
		for _, assertion := range rule["Assertions"].([]any) {
			if s.resolve(assertion.(map[string]any)["Assert"]) != true {
				broken = append(broken, name)
			}
		}
	}
	return broken
}

func (s stack) condition(name string) bool {
	return s.resolve(s.template["Conditions"].(map[string]any)[name]) == true
}

// resolve evaluates the functions in a value.
func (s stack) resolve(value any) any {
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 1 {
			for name, argument := range v {
				if result, ok := s.call(name, argument); ok {
					return result
				}
			}
		}
		resolved := map[string]any{}
		for key, item := range v {
			resolved[key] = s.resolve(item)
		}
		return resolved
	case []any:
		var resolved []any
		for _, item := range v {
			resolved = append(resolved, s.resolve(item))
		}
		return resolved
	default:
		return value
	}
}

// call evaluates a function, and reports whether the name is that of one.
func (s stack) call(name string, argument any) (any, bool) {
	list, _ := argument.([]any)
	switch name {
	case "Ref":
		if value, ok := s.parameters[argument.(string)]; ok {
			return value, true
		}
		return fmt.Sprintf("<%v>", argument), true // a resource
	case "Fn::GetAtt":
		return fmt.Sprintf("<%v>", argument), true
	case "Fn::Equals":
		return s.resolve(list[0]) == s.resolve(list[1]), true
	case "Fn::Not":
		return s.resolve(list[0]) != true, true
	case "Fn::If":
		if s.condition(list[0].(string)) {
			return s.resolve(list[1]), true
		}
		return s.resolve(list[2]), true
	case "Fn::Sub":
		return s.substitute(argument), true
	}
	return nil, false
}

var expression = regexp.MustCompile(`\$\{(!?)([^}]*)\}`)

// substitute evaluates Fn::Sub of a text, or of a text and a map.
func (s stack) substitute(argument any) string {
	local := map[string]any{}
	if list, ok := argument.([]any); ok {
		local, argument = s.resolve(list[1]).(map[string]any), list[0]
	}
	return expression.ReplaceAllStringFunc(argument.(string), func(match string) string {
		parts := expression.FindStringSubmatch(match)
		if parts[1] == "!" {
			return "${" + parts[2] + "}"
		}
		if value, ok := local[parts[2]].(string); ok {
			return value
		}
		if value, ok := s.parameters[parts[2]]; ok {
			return value
		}
		return "<undefined " + parts[2] + ">"
	})
}
