package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

const catalogDir = "config/samples/catalog"

// catalogValues returns for each entry of the catalog the values by which the chart
// creates its objects, by their path in the project.
func catalogValues(root string) (map[string][]byte, error) {
	entries, err := listed(root, catalogDir)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, entry := range entries {
		dir := path.Join(catalogDir, entry)
		names, err := listed(root, dir)
		if err != nil {
			return nil, err
		}
		var values strings.Builder
		fmt.Fprintf(&values, "# Values of the operator's chart, generated from %s by `make manifests`.\n", strings.Join(names, " and "))
		for _, name := range names {
			content, err := os.ReadFile(filepath.Join(root, dir, name))
			if err != nil {
				return nil, err
			}
			text, err := valuesOf(content)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path.Join(dir, name), err)
			}
			values.WriteString("\n" + text)
		}
		files[path.Join(dir, "values.yaml")] = []byte(values.String())
	}
	return files, nil
}

// sections are the values that create objects of a kind.
var sections = map[string]string{"PodIdentity": "identities", "PodIdentityGuardrail": "guardrails"}

// valuesOf returns the values that create the objects of a file, under the comment at
// the head of the file. The specs are copied as they are written.
func valuesOf(content []byte) (string, error) {
	section := ""
	var items strings.Builder
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		manifests, err := parse([]byte(document))
		if err != nil {
			return "", err
		}
		if len(manifests) != 1 {
			return "", fmt.Errorf("%d objects in a document, want 1", len(manifests))
		}
		object := manifests[0].document.Content[0]
		kind := valueOf(field(object, "kind"))
		switch {
		case sections[kind] == "":
			return "", fmt.Errorf("the chart has no values for a %s", kind)
		case section != "" && section != sections[kind]:
			return "", errors.New("the objects of a file must be of one kind")
		}
		section = sections[kind]
		name, err := itemName(object, kind)
		if err != nil {
			return "", err
		}
		_, spec, ok := strings.Cut(document, "\nspec:\n")
		if !ok || topLevel.MatchString(spec) {
			return "", fmt.Errorf("%s %s: spec must be the last field of the object", kind, name)
		}
		fmt.Fprintf(&items, "    %s:\n%s", name, indented(spec))
	}
	return head(content) + section + ":\n  items:\n" + items.String(), nil
}

// topLevel finds the line of a field that is not within another.
var topLevel = regexp.MustCompile(`(?m)^[^ #\n]`)

// itemName returns the name of an object among the items of its section.
func itemName(object *yaml.Node, kind string) (string, error) {
	metadata := field(object, "metadata")
	name, namespace := valueOf(field(metadata, "name")), valueOf(field(metadata, "namespace"))
	switch {
	case name == "":
		return "", fmt.Errorf("a %s without a name", kind)
	case kind == "PodIdentityGuardrail":
		return name, nil
	case namespace == "":
		return "", fmt.Errorf("%s %s has no namespace", kind, name)
	default:
		return namespace + "/" + name, nil
	}
}

// indented returns the fields of a spec as those of an item.
func indented(spec string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(spec, "\n") + "\n") {
		if line != "\n" {
			b.WriteString("    ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// head returns the comment that a file begins with.
func head(content []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(content)) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		b.WriteString(line)
	}
	return b.String()
}

// valueOf returns the value of a scalar, empty if there is none.
func valueOf(node *yaml.Node) string {
	if node == nil {
		return ""
	}
	return node.Value
}
