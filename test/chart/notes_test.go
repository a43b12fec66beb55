package charttest_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	charttest "github.com/podidentity/podidentity-operator/test/chart"
)

var update = flag.Bool("update", false, "rewrite the files in testdata/notes")

// The notes name the next commands for this very installation.
func TestNotes_NameTheNextCommands(t *testing.T) {
	for name, values := range matrix(t) {
		t.Run(name, func(t *testing.T) {
			rendered, err := charttest.Render(t.Context(), load(t), values)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", "notes", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(rendered.Notes), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), rendered.Notes); diff != "" {
				t.Errorf("-%s, +got; -update rewrites it:\n%s", golden, diff)
			}
		})
	}
}
