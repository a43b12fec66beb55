package tree

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"
)

// Each fixture names the findings that users see, the most important first.
func TestBuild_MostImportantFindingFirst(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var f struct {
				Reason   string   `json:"reason"`
				Findings []string `json:"findings"`
				Facts    Facts    `json:"facts"`
			}
			if err := yaml.UnmarshalStrict(raw, &f); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, finding := range Build(f.Facts).Findings {
				got = append(got, finding.Reason)
			}
			if diff := cmp.Diff(f.Findings, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nfindings: -want, +got:\n%s", f.Reason, diff)
			}
		})
	}
}

func TestSize_IsNearTheQuotaAtNineTenths(t *testing.T) {
	cases := map[string]struct {
		reason string
		size   Size
		want   bool
	}{
		"Unknown": {"Without a known quota, no usage is near it.", Size{Used: 100}, false},
		"Far":     {"Most of the quota is free.", Size{Used: 89, Quota: 100}, false},
		"Near":    {"Nine tenths are used.", Size{Used: 90, Quota: 100}, true},
		"Full":    {"The quota is used up.", Size{Used: 100, Quota: 100}, true},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := tc.size.Near(); got != tc.want {
				t.Errorf("Near() = %t, want %t", got, tc.want)
			}
		})
	}
}
