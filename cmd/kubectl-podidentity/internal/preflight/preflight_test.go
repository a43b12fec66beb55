package preflight

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	operatoroptions "github.com/podidentity/podidentity-operator/internal/options"
)

// fixture is a file of testdata: what differs from base.yaml, as a JSON merge patch,
// and the checks that are not OK.
type fixture struct {
	Reason string                 `json:"reason"`
	States map[string]check.State `json:"states"`
	Facts  map[string]any         `json:"facts"`
	// Options of the operator, in addition to --cluster-name.
	Options []string `json:"options"`
}

func read(t *testing.T, file string) fixture {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var f fixture
	if err := yaml.UnmarshalStrict(raw, &f); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return f
}

func merge(to, patch map[string]any) {
	for key, value := range patch {
		inner, isMap := value.(map[string]any)
		existing, there := to[key].(map[string]any)
		switch {
		case value == nil:
			delete(to, key)
		case isMap && there:
			merge(existing, inner)
		default:
			to[key] = value
		}
	}
}

func factsOf(t *testing.T, f fixture) Facts {
	t.Helper()
	merged := read(t, "testdata/base.yaml").Facts
	merge(merged, f.Facts)
	raw, err := yaml.Marshal(merged)
	if err != nil {
		t.Fatal(err)
	}
	var facts Facts
	if err := yaml.UnmarshalStrict(raw, &facts); err != nil {
		t.Fatal(err)
	}
	if facts.Operator != nil {
		facts.Operator.Options, err = operatoroptions.Parse(append([]string{"--cluster-name=prod"}, f.Options...), func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
	}
	return facts
}

func TestRun_FindsWhatTheFixtureBreaks(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	found := map[string]bool{}
	for _, file := range files {
		f := read(t, file)
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			got := map[string]check.State{}
			for _, c := range Run(factsOf(t, f)) {
				if c.State != check.OK {
					got[c.Name] = c.State
					found[c.Name] = true
				}
				if (c.State == check.Broken || c.State == check.Warning) && c.Fix == "" {
					t.Errorf("check %s found something and has no fix", c.Name)
				}
			}
			if diff := cmp.Diff(f.States, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nchecks that are not OK: -want, +got:\n%s", f.Reason, diff)
			}
		})
	}
	for _, c := range Run(factsOf(t, fixture{})) {
		if !found[c.Name] {
			t.Errorf("no fixture has check %s find something", c.Name)
		}
	}
}
