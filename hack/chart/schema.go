package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cert-manager/helm-tool/parser"
	"github.com/cert-manager/helm-tool/schema"
	"gopkg.in/yaml.v3"
)

// object is a JSON object.
type object = map[string]any

// values returns the documentation of the chart's values.
func values(root string, hidden bool) (*parser.Document, error) {
	return parser.Load(filepath.Join(root, chartDir, "values.yaml"), hidden)
}

// valuesSchema returns the JSON schema of the values: what helm-tool makes of
// values.yaml, with the constraints that its tags and the operator's own kinds add.
func valuesSchema(root string) ([]byte, error) {
	document, err := values(root, true)
	if err != nil {
		return nil, err
	}
	rendered, err := schema.Render(document)
	if err != nil {
		return nil, err
	}
	var all object
	if err := json.Unmarshal([]byte(rendered), &all); err != nil {
		return nil, err
	}
	definitions, _ := all["$defs"].(object)
	for _, section := range document.Sections {
		for _, property := range section.Properties {
			definition, ok := definitions["helm-values."+property.Path.String()].(object)
			if !ok {
				return nil, fmt.Errorf("%s: the schema has no definition of it", property.Path)
			}
			if err := constrain(root, definition, property); err != nil {
				return nil, fmt.Errorf("%s: %w", property.Path, err)
			}
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(all)
	return b.Bytes(), err
}

// constrain adds the constraints in a value's tags to its definition.
func constrain(root string, definition object, property parser.Property) error {
	tags := property.Description.Tags
	if property.Type == "integer" {
		definition["type"] = "integer"
	}
	if pattern := tags.GetString("docs:pattern"); pattern != "" {
		definition["pattern"] = pattern
	}
	if _, ok := tags["docs:enum"]; ok {
		definition["enum"] = strings.Split(tags.GetString("docs:enum"), "|")
	}
	for _, bound := range []string{"minimum", "maximum"} {
		text := tags.GetString("docs:" + bound)
		if text == "" {
			continue
		}
		number, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return err
		}
		definition[bound] = number
	}
	if plural := tags.GetString("docs:specs"); plural != "" {
		spec, err := specSchema(root, plural)
		if err != nil {
			return err
		}
		definition["additionalProperties"] = spec
	}
	return nil
}

// specSchema returns the schema of the spec of a kind of the operator, in which no
// other fields than its own are allowed: the API server would drop a misspelled limit
// silently.
func specSchema(root, plural string) (object, error) {
	raw, err := os.ReadFile(filepath.Join(root, "config/crd/bases/iam.podidentity.io_"+plural+".yaml"))
	if err != nil {
		return nil, err
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPI struct {
						Properties map[string]object `yaml:"properties"`
					} `yaml:"openAPIV3Schema"`
				} `yaml:"schema"`
			} `yaml:"versions"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		return nil, err
	}
	if len(crd.Spec.Versions) != 1 {
		return nil, fmt.Errorf("%s has %d versions, want 1: choose one here", plural, len(crd.Spec.Versions))
	}
	return strict(crd.Spec.Versions[0].Schema.OpenAPI.Properties["spec"]), nil
}

// strict returns a structural schema of Kubernetes as a JSON schema that allows no
// unknown fields.
func strict(s object) object {
	out := object{}
	for key, value := range s {
		if strings.HasPrefix(key, "x-kubernetes-") {
			continue
		}
		out[key] = value
	}
	if properties, ok := s["properties"].(object); ok {
		inner := object{}
		for name, p := range properties {
			inner[name] = strict(p.(object)) //nolint:forcetypeassert // so is the form of a schema
		}
		out["properties"], out["additionalProperties"] = inner, false
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if inner, ok := s[key].(object); ok {
			out[key] = strict(inner)
		}
	}
	return out
}
