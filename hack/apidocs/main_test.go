package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The page in docs is what the CRDs say; make manifests makes it so.
func TestPage_IsUpToDate(t *testing.T) {
	want, err := page("../../config/crd/bases")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/api.md is not up to date, run make manifests: -want, +got:\n%s", diff)
	}
}

// Types, bounds and rules are said in words, and nothing of them becomes Markdown.
func TestWrite_DescribesTypesBoundsAndRules(t *testing.T) {
	var got bytes.Buffer
	err := write(&got, []byte(`
spec:
  group: g.io
  scope: Namespaced
  names: {kind: Thing, shortNames: [th]}
  versions:
  - name: v1
    selectableFields: [{jsonPath: .spec.b}]
    schema:
      openAPIV3Schema:
        description: Thing is.
        properties:
          spec:
            description: It says.
            required: [b]
            properties:
              a: {type: array, x-kubernetes-list-type: set, maxItems: 2, description: "a is * of\nall.", items: {type: string, enum: [X, Z]}}
              b: {type: integer, format: int32, minimum: 1, maximum: 2, x-kubernetes-validations: [{rule: r, message: must be}]}
              c: {type: object, additionalProperties: {type: string, maxLength: 3, pattern: "a|b"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := "\n## Thing\n\n`apiVersion: g.io/v1`, namespaced, short name `th`\n\nThing is.\n\nFields for `--field-selector`: `spec.b`\n\n### spec\n\nIt says.\n\n" +
		"| field | type | description | allowed |\n|---|---|---|---|\n" +
		"| **`b`** | int32 |  | 1 to 2; must be |\n" +
		"| `a` | []string, set | \\* of all. | at most 2 items; each: `X`, `Z` |\n" +
		"| `c` | map of string |  | each: at most 3 characters; `a\\|b` |\n"
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// Unreadable input is an error, and nothing is written.
func TestRun_UnreadableInputWritesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "api.md")
	for name, args := range map[string][]string{"Usage": nil, "Empty": {t.TempDir(), file}} {
		t.Run(name, func(t *testing.T) {
			if err := run(args); err == nil {
				t.Error("no error")
			}
			if _, err := os.Stat(file); err == nil {
				t.Error("wrote a file")
			}
		})
	}
}
