package controllers_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

var update = flag.Bool("update", false, "write the golden files and the fixtures of config/argocd from the results of the tests")

// golden compares a file with what it should hold, or writes it anew.
func golden(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(readFile(t, path))); diff != "" {
		t.Errorf("%s is not up to date; run: go test ./controllers -run GitOps -update, then go -C hack/argocd test -update ./scripts\n-want, +file:\n%s", path, diff)
	}
}

func toYAML(t *testing.T, value any) string {
	t.Helper()
	out, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// roleID is the ID of an IAM role.
var roleID = regexp.MustCompile(`\bAROA[A-Z0-9]{17}\b`)

// stable returns an object of the scenario with all that differs from one run to the
// next replaced: names of this run, IDs, versions and times.
func (s *env) stable(u *unstructured.Unstructured) *unstructured.Unstructured {
	const issuer = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
	names := strings.NewReplacer(
		roleName(s, u.GetName()), plan.RoleName("test", "shop", u.GetName()),
		strings.TrimPrefix(cluster.Issuer, "https://"), issuer,
		s.namespace, "shop",
		string(u.GetUID()), "0b5d3c1e-7f2a-4c36-9e58-d1a4f6b7c890",
	)
	replaced := walk("", u.Object, func(key, value string) string {
		switch key {
		case "creationTimestamp", "deletionTimestamp", "lastTransitionTime":
			return "2026-01-02T15:04:05Z"
		case "resourceVersion":
			return "1"
		default:
			return roleID.ReplaceAllString(names.Replace(value), "AROAEXAMPLEEXAMPLE123")
		}
	})
	return &unstructured.Unstructured{Object: replaced.(map[string]any)}
}

// walk returns a copy of value, which stands under key, with every string edited.
func walk(key string, value any, edit func(key, value string) string) any {
	switch v := value.(type) {
	case string:
		return edit(key, v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = walk(key, v[i], edit)
		}
		return list
	case map[string]any:
		content := make(map[string]any, len(v))
		for k := range v {
			content[k] = walk(k, v[k], edit)
		}
		return content
	default:
		return value
	}
}

// fixture returns the path of the fixture of an outcome, for Argo CD's tests of
// health.lua; empty if Argo CD does not ask the script. It is called by the health that
// Argo CD has to find.
func (o outcome) fixture(name string) string {
	if o.want.argo == "" {
		return ""
	}
	return filepath.Join(customizations, "testdata", strings.ToLower(o.want.argo)+"_"+name+".yaml")
}
