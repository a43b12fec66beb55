package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// Tokens that stand for template actions while a manifest is YAML. No manifest contains
// such a text otherwise.
const (
	prefixToken    = "PREFIX-"
	namespaceToken = "NAMESPACE"
	leaseToken     = "LEASE_NAMESPACE"
	accountToken   = "SERVICE_ACCOUNT"
	actionsToken   = "VALIDATION_ACTIONS"
)

// actions are the template actions of the tokens.
var actions = strings.NewReplacer(
	prefixToken, `{{ include "podidentity.prefix" . }}-`,
	leaseToken, `{{ include "podidentity.leaseNamespace" . }}`,
	namespaceToken, `{{ include "podidentity.namespace" . }}`,
	accountToken, `{{ include "podidentity.serviceAccountName" . }}`,
	actionsToken, `{{ toJson .Values.admissionPolicies.validationActions }}`,
)

// A manifest is one object of config/ on its way to a template.
type manifest struct{ document *yaml.Node }

// resources returns the manifests that the kustomization in dir lists, in its order.
func resources(root, dir string) ([]manifest, error) {
	names, err := listed(root, dir)
	if err != nil {
		return nil, err
	}
	var all []manifest
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(root, dir, name))
		if err != nil {
			return nil, err
		}
		found, err := parse(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// listed returns the names of the resources of the kustomization in dir.
func listed(root, dir string) ([]string, error) {
	var kustomization struct {
		Resources []string `yaml:"resources"`
	}
	raw, err := os.ReadFile(filepath.Join(root, dir, "kustomization.yaml"))
	if err != nil {
		return nil, err
	}
	err = yaml.Unmarshal(raw, &kustomization)
	return kustomization.Resources, err
}

// parse returns the manifests of a file.
func parse(content []byte) ([]manifest, error) {
	var all []manifest
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, manifest{&document})
	}
}

// template returns the manifest as a template: its text with the actions of the
// tokens, its labels and annotations completed by lines of template.
func (m manifest) template(annotations string) (string, error) {
	metadata := field(m.document.Content[0], "metadata")
	labels := takeMap(metadata, "labels")
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(m.document); err != nil {
		return "", err
	}
	text := actions.Replace(escape(b.String()))
	var lines strings.Builder
	lines.WriteString("\n  labels:\n    {{- include \"podidentity.labels\" . | nindent 4 }}")
	for _, label := range labels {
		condition, ok := labelConditions[label[0]]
		if !ok {
			return "", fmt.Errorf("label %s: no value of the chart controls it, see labelConditions", label[0])
		}
		fmt.Fprintf(&lines, "\n    {{- if %s }}\n    %s: %q\n    {{- end }}", condition, label[0], label[1])
	}
	before, after, ok := strings.Cut(text, "\nmetadata:")
	if !ok {
		return "", errors.New("the manifest has no metadata")
	}
	return before + "\nmetadata:" + annotations + lines.String() + after, nil
}

// labelConditions are the values that control labels of manifests.
var labelConditions = map[string]string{
	"rbac.authorization.k8s.io/aggregate-to-view": ".Values.rbac.aggregateToView",
}

// escape makes actions of Prometheus templates mean themselves in a template of Helm.
func escape(text string) string {
	return action.ReplaceAllString(text, "{{`$0`}}")
}

var action = regexp.MustCompile(`\{\{.*?\}\}`)

// field returns the value of a key of a mapping, nil if it has none.
func field(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// takeMap removes a key with a flat mapping from a mapping, and returns its entries.
func takeMap(mapping *yaml.Node, key string) [][2]string {
	if mapping == nil {
		return nil
	}
	var entries [][2]string
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value != key {
			continue
		}
		inner := mapping.Content[i+1].Content
		for j := 0; j < len(inner); j += 2 {
			entries = append(entries, [2]string{inner[j].Value, inner[j+1].Value})
		}
		mapping.Content = append(mapping.Content[:i:i], mapping.Content[i+2:]...)
		break
	}
	return entries
}

// set replaces the value of a key that a mapping has.
func set(mapping *yaml.Node, key, value string) {
	if node := field(mapping, key); node != nil {
		node.Kind, node.Tag, node.Value, node.Content, node.Style = yaml.ScalarNode, "!!str", value, nil, 0
	}
}

// prefixed puts the prefix before the name of a mapping.
func prefixed(mapping *yaml.Node) {
	if name := field(mapping, "name"); name != nil {
		set(mapping, "name", prefixToken+name.Value)
	}
}
