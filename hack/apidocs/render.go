package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// definition is what the reference needs of a CustomResourceDefinition.
type definition struct {
	Spec struct {
		Group string `json:"group"`
		Scope string `json:"scope"`
		Names struct {
			Kind       string   `json:"kind"`
			ShortNames []string `json:"shortNames"`
		} `json:"names"`
		Versions []struct {
			Name   string `json:"name"`
			Schema struct {
				OpenAPIV3Schema schema `json:"openAPIV3Schema"`
			} `json:"schema"`
			SelectableFields []struct {
				JSONPath string `json:"jsonPath"`
			} `json:"selectableFields"`
		} `json:"versions"`
	} `json:"spec"`
}

// schema is what it needs of a schema.
type schema struct {
	Type                 string            `json:"type"`
	Format               string            `json:"format"`
	Description          string            `json:"description"`
	Default              any               `json:"default"`
	Enum                 []string          `json:"enum"`
	Pattern              string            `json:"pattern"`
	Minimum              *int64            `json:"minimum"`
	Maximum              *int64            `json:"maximum"`
	MinLength            *int64            `json:"minLength"`
	MaxLength            *int64            `json:"maxLength"`
	MinItems             *int64            `json:"minItems"`
	MaxItems             *int64            `json:"maxItems"`
	MinProperties        *int64            `json:"minProperties"`
	MaxProperties        *int64            `json:"maxProperties"`
	ListType             string            `json:"x-kubernetes-list-type"`
	ListMapKeys          []string          `json:"x-kubernetes-list-map-keys"`
	Required             []string          `json:"required"`
	Properties           map[string]schema `json:"properties"`
	Items                *schema           `json:"items"`
	AdditionalProperties *schema           `json:"additionalProperties"`
	Validations          []struct {
		Message string `json:"message"`
	} `json:"x-kubernetes-validations"`
}

// write adds the reference of one CRD.
func write(out *bytes.Buffer, raw []byte) error {
	var crd definition
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		return err
	}
	for _, version := range crd.Spec.Versions {
		root := version.Schema.OpenAPIV3Schema
		fmt.Fprintf(out, "\n## %s\n\n`apiVersion: %s/%s`, %s", crd.Spec.Names.Kind, crd.Spec.Group, version.Name, strings.ToLower(crd.Spec.Scope))
		if names := crd.Spec.Names.ShortNames; len(names) > 0 {
			fmt.Fprintf(out, ", short name `%s`", strings.Join(names, "`, `"))
		}
		fmt.Fprintf(out, "\n\n%s\n", wrap("", oneLine(root.Description)))
		rules(out, root)
		if fields := version.SelectableFields; len(fields) > 0 {
			out.WriteString("\nFields for `--field-selector`:")
			for _, field := range fields {
				fmt.Fprintf(out, " `%s`", strings.TrimPrefix(field.JSONPath, "."))
			}
			out.WriteString("\n")
		}
		for _, name := range []string{"spec", "status"} {
			if s, ok := root.Properties[name]; ok {
				section(out, name, s)
			}
		}
	}
	return nil
}

// rules adds the rules that an object as a whole must keep.
func rules(out *bytes.Buffer, s schema) {
	for _, rule := range s.Validations {
		fmt.Fprintf(out, "\n%s", wrap("- ", text(rule.Message)))
	}
	if len(s.Validations) > 0 {
		out.WriteString("\n")
	}
}

// section adds the table of one object's fields, and then of those below it.
func section(out *bytes.Buffer, path string, s schema) {
	fmt.Fprintf(out, "\n### %s\n\n%s\n", path, wrap("", oneLine(s.Description)))
	rules(out, s)
	out.WriteString("\n| field | type | description | allowed |\n|---|---|---|---|\n")
	names := slices.SortedFunc(maps.Keys(s.Properties), func(a, b string) int {
		required := func(name string) int { return slices.Index([]bool{true, false}, slices.Contains(s.Required, name)) }
		return cmp.Or(cmp.Compare(required(a), required(b)), cmp.Compare(a, b))
	})
	for _, name := range names {
		field, title := s.Properties[name], "`"+name+"`"
		if slices.Contains(s.Required, name) {
			title = "**" + title + "**"
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", title, typeOf(field), oneLine(withoutName(name, field.Description)), strings.Join(allowed(field), "; "))
	}
	for _, name := range names {
		switch field := s.Properties[name]; {
		case len(field.Properties) > 0:
			section(out, path+"."+name, field)
		case field.Items != nil && len(field.Items.Properties) > 0:
			section(out, path+"."+name+"[]", *field.Items)
		}
	}
}

// typeOf names a type as Go would, and how a list merges.
func typeOf(s schema) string {
	switch {
	case s.Items != nil && s.ListType == "map":
		return "[]" + s.Items.Type + ", by " + strings.Join(s.ListMapKeys, ", ")
	case s.Items != nil:
		return "[]" + s.Items.Type + ", " + s.ListType
	case s.AdditionalProperties != nil:
		return "map of " + s.AdditionalProperties.Type
	case s.Format != "":
		return s.Format
	}
	return s.Type
}

// allowed describes the values that are allowed.
func allowed(s schema) []string {
	var rules []string
	add := func(format string, args ...any) { rules = append(rules, fmt.Sprintf(format, args...)) }
	if len(s.Enum) > 0 {
		add("`%s`", strings.Join(s.Enum, "`, `"))
	}
	rules = append(rules, bounds(s)...)
	if s.Pattern != "" {
		add("`%s`", strings.ReplaceAll(s.Pattern, "|", `\|`))
	}
	for _, rule := range s.Validations {
		if len(s.Properties) == 0 { // the rules of an object are listed above its fields
			add("%s", text(rule.Message))
		}
	}
	for _, element := range []*schema{s.Items, s.AdditionalProperties} {
		if element == nil || len(element.Properties) > 0 {
			continue
		}
		if of := allowed(*element); len(of) > 0 {
			add("each: %s", strings.Join(of, "; "))
		}
	}
	return rules
}

// bounds describes the minimum and the maximum of a value, or of its length.
func bounds(s schema) []string {
	var rules []string
	between := func(low, high *int64, unit string) {
		switch {
		case low != nil && high != nil:
			rules = append(rules, fmt.Sprintf("%d to %d%s", *low, *high, unit))
		case low != nil && *low == 1:
			rules = append(rules, "at least 1"+strings.TrimSuffix(unit, "s"))
		case low != nil:
			rules = append(rules, fmt.Sprintf("at least %d%s", *low, unit))
		case high != nil:
			rules = append(rules, fmt.Sprintf("at most %d%s", *high, unit))
		}
	}
	between(s.Minimum, s.Maximum, "")
	between(s.MinLength, s.MaxLength, " characters")
	between(s.MinItems, s.MaxItems, " items")
	between(s.MinProperties, s.MaxProperties, " fields")
	return rules
}

// withoutName drops the field's name from the start of its description, where Go
// wants it, if what follows reads well without it.
func withoutName(name, description string) string {
	verb, rest, ok := strings.Cut(strings.TrimPrefix(description, name+" "), " ")
	switch {
	case !ok || !strings.HasPrefix(description, name+" "):
		return description
	case verb == "is" || verb == "are":
		return capital(rest)
	case slices.Contains([]string{"of", "that", "to", "by", "from", "in"}, verb):
		return capital(description)
	default:
		return capital(verb) + " " + rest
	}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// wrap breaks a paragraph, or the item of a list, into lines.
func wrap(bullet, s string) string {
	const limit = 120
	indent := strings.Repeat(" ", len(bullet))
	lines := []string{bullet}
	for word := range strings.FieldsSeq(s) {
		last := lines[len(lines)-1]
		switch {
		case last == bullet || last == indent:
			lines[len(lines)-1] = last + word
		case utf8.RuneCountInString(last)+1+utf8.RuneCountInString(word) <= limit:
			lines[len(lines)-1] = last + " " + word
		default:
			lines = append(lines, indent+word)
		}
	}
	return strings.Join(lines, "\n")
}

// oneLine makes a paragraph one line that may stand in a table.
func oneLine(s string) string { return text(strings.Join(strings.Fields(s), " ")) }

// text keeps Markdown from reading what is meant literally.
func text(s string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "<", "&lt;", ">", "&gt;", "_", `\_`).Replace(s)
}
