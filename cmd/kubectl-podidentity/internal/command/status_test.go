package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/tree"
)

// The golden files show what users see for each fixture of package tree.
func TestStatus_OutputIsGolden(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for name, facts := range treeFacts(t) {
		t.Run(name, func(t *testing.T) {
			identities := []tree.Identity{tree.Build(facts)}
			for _, wide := range []bool{false, true} {
				var b strings.Builder
				printStatus(output.NewPrinter(&b, false), identities, "shop", wide, now)
				suffix := ".txt"
				if wide {
					suffix = "-wide.txt"
				}
				golden(t, "testdata/status/"+name+suffix, b.String())
			}
		})
	}
}

func TestStatus_WithoutIdentitiesNamesTheNamespace(t *testing.T) {
	for namespace, want := range map[string]string{"": "No PodIdentities in the cluster.\n", "shop": "No PodIdentities in namespace shop.\n"} {
		var b strings.Builder
		printStatus(output.NewPrinter(&b, false), nil, namespace, false, time.Now())
		if b.String() != want {
			t.Errorf("namespace %q: %q, want %q", namespace, b.String(), want)
		}
	}
}

// A watch of a large cluster rests longer, so that it does not keep the API server busy.
func TestStatus_WatchRestsTenTimesAsLongAsItReads(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		10 * time.Millisecond: 2 * time.Second, 200 * time.Millisecond: 2 * time.Second, 3 * time.Second: 30 * time.Second,
	} {
		if got := pause(took); got != want {
			t.Errorf("pause(%s) = %s, want %s", took, got, want)
		}
	}
}

func TestStatus_JSONIsGolden(t *testing.T) {
	var b bytes.Buffer
	if err := output.Encode(&b, output.JSON, []tree.Identity{tree.Build(treeFacts(t)["outdated"])}); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/status.json", b.String())
}

func treeFacts(t *testing.T) map[string]tree.Facts {
	t.Helper()
	files, err := filepath.Glob("../tree/testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	all := map[string]tree.Facts{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			Facts tree.Facts `json:"facts"`
		}
		if err := yaml.Unmarshal(raw, &f); err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".yaml")] = f.Facts
	}
	return all
}
