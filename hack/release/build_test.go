package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Krew downloads the archives of a release by the names in .krew.yaml.
func TestPlugin_ArchivesAreThoseOfKrew(t *testing.T) {
	manifest, err := os.ReadFile("../../.krew.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, uri := range regexp.MustCompile(`releases/download/\{\{ \.TagName \}\}/([^"]+)"`).FindAllSubmatch(manifest, -1) {
		want = append(want, string(uri[1]))
	}
	for _, platform := range pluginPlatforms {
		system, architecture, _ := strings.Cut(platform, "/")
		got = append(got, settings{version: "TAG"}.pluginFile(system, architecture))
	}
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "{{ .TagName }}", "TAG")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-.krew.yaml, +release:\n%s", diff)
	}
}
