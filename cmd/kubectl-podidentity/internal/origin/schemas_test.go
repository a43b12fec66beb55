package origin

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// published is what a published CustomResourceDefinition says of a kind.
type published struct {
	APIVersion, Kind, Source string
	Fields                   map[string]string
	Ignored                  map[string]string
}

func publishedSchemas(t *testing.T) []published {
	t.Helper()
	raw, err := os.ReadFile("testdata/schemas.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []published
	if err := yaml.UnmarshalStrict(raw, &all); err != nil || len(all) == 0 {
		t.Fatalf("%d schemas: %v", len(all), err)
	}
	return all
}

// types are the Go types that read the kinds.
func typesOf(s published) reflect.Type {
	switch {
	case s.Kind == "Role" && s.APIVersion == ackGroup+"/v1alpha1":
		return reflect.TypeFor[ackRole]()
	case s.Kind == "Role":
		return reflect.TypeFor[crossplaneRole]()
	case s.Kind == "Policy":
		return reflect.TypeFor[struct {
			Status ackStatus `json:"status"`
		}]()
	default:
		return reflect.TypeFor[crossplanePart]()
	}
}

// fieldsOf returns the paths that a Go type reads, with the types of their values.
func fieldsOf(t reflect.Type, path string, found map[string]string) {
	switch t.Kind() {
	case reflect.Struct:
		for f := range t.Fields() {
			fieldsOf(f.Type, strings.TrimPrefix(path+"."+f.Tag.Get("json"), "."), found)
		}
	case reflect.Slice:
		fieldsOf(t.Elem(), path+"[]", found)
	case reflect.Map:
		fieldsOf(t.Elem(), path+"{}", found)
	case reflect.Interface:
		found[path] = "any"
	default:
		found[path] = map[reflect.Kind]string{reflect.String: "string", reflect.Bool: "boolean", reflect.Int32: "number"}[t.Kind()]
	}
}

// reads reports whether fields, of a Go type, hold a path of a schema, with its type.
func reads(fields map[string]string, path, kind string) bool {
	if kind == "integer" {
		kind = "number"
	}
	if fields[path] == kind {
		return true
	}
	for prefix, of := range fields {
		rest, below := strings.CutPrefix(path, prefix)
		if of == "any" && below && (rest == "" || rest[0] == '[' || rest[0] == '{') {
			return true
		}
	}
	return false
}

// Each field that import reads is one of a published schema, with its type, and each
// field of a schema is read, or there is a reason why not: nothing is dropped in silence.
func TestSchemas_FieldsAreThoseThatArePublished(t *testing.T) {
	known := map[reflect.Type]map[string]bool{} // fields that some schema has
	for _, s := range publishedSchemas(t) {
		of := typesOf(s)
		fields := map[string]string{}
		fieldsOf(of, "", fields)
		if known[of] == nil {
			known[of] = map[string]bool{}
		}
		for path, kind := range s.Fields {
			_, ignored := s.Ignored[path]
			_, group := s.Ignored[strings.SplitN(path, ".", 2)[0]]
			if read := reads(fields, path, kind); !read && !ignored && !group {
				t.Errorf("%s %s: import does not read %s (%s), and says nothing about it", s.APIVersion, s.Kind, path, kind)
			}
			for field := range fields {
				if field == path || strings.HasPrefix(path, field) && fields[field] == "any" {
					known[of][field] = true
				}
			}
		}
	}
	for of, fields := range known {
		all := map[string]string{}
		fieldsOf(of, "", all)
		for field := range all {
			// References of the native provider, which has no namespaces, are read by the
			// type of the others.
			ofOthers := strings.Contains(field, ".roleName") && strings.HasSuffix(field, ".namespace")
			if !fields[field] && !ofOthers {
				t.Errorf("%s: no published schema has the field %s", of, field)
			}
		}
	}
}

// The objects of the tests have only fields that the published schemas have, with values
// of their types: what import reads in the tests is what the tools write.
func TestSchemas_FixturesConform(t *testing.T) {
	schemas := map[string]published{}
	for _, s := range publishedSchemas(t) {
		schemas[s.APIVersion+" "+s.Kind] = s
	}
	seen := map[string]bool{}
	for _, file := range []string{"ack.yaml", "crossplane.yaml", "crossplane-namespaced.yaml"} {
		for _, u := range objectsOf(t, "../command/testdata/import/"+file) {
			kind := u.GetAPIVersion() + " " + u.GetKind()
			s, ok := schemas[kind]
			if !ok && u.GetKind() == "Policy" {
				continue // of Crossplane: only its status.atProvider.arn is read
			}
			if !ok {
				t.Errorf("%s: no published schema of %s", file, kind)
				continue
			}
			seen[kind] = true
			for _, part := range []string{"spec", "status"} {
				if value, there := u.Object[part]; there {
					conform(t, s, fmt.Sprintf("%s: %s %s", file, u.GetKind(), u.GetName()), part, value)
				}
			}
		}
	}
	for kind := range schemas {
		if !seen[kind] {
			t.Errorf("no fixture is a %s", kind)
		}
	}
}

// conform compares a value at a path with the schema.
func conform(t *testing.T, s published, object, path string, value any) {
	t.Helper()
	path = strings.Replace(path, "spec.initProvider", "spec.forProvider", 1)
	if s.Fields[path] == "any" {
		return
	}
	kind := "string"
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			below := path + "." + key
			if isMap(s, path) {
				below = path + "{}"
			}
			conform(t, s, object, below, inner)
		}
		return
	case []any:
		for _, inner := range v {
			conform(t, s, object, path+"[]", inner)
		}
		return
	case bool:
		kind = "boolean"
	case float64, int64:
		kind = "number"
	}
	want, ok := s.Fields[path]
	if want == "integer" {
		want = "number"
	}
	if !ok || want != kind {
		t.Errorf("%s: %s is a %s; the published schema says %q", object, path, kind, want)
	}
}

func isMap(s published, path string) bool {
	_, ok := s.Fields[path+"{}"]
	return ok
}

func objectsOf(t *testing.T, file string) []*unstructured.Unstructured {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []*unstructured.Unstructured
	for document := range strings.SplitSeq(string(raw), "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &u.Object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if !u.IsList() {
			all = append(all, u)
			continue
		}
		items, _, err := unstructured.NestedSlice(u.Object, "items")
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			fields, ok := item.(map[string]any)
			if !ok {
				t.Fatalf("%s: an item is not an object", file)
			}
			all = append(all, &unstructured.Unstructured{Object: fields})
		}
	}
	return all
}
