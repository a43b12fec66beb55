package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
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

// The archive for the AWS side has the Terraform module and the policies, and no code.
func TestAWSFiles_HaveNoCode(t *testing.T) {
	t.Chdir("../..")
	s := settings{version: "v0.1.0", output: t.TempDir(), date: committed}
	if err := buildAWSFiles(t.Context(), s, ""); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(s.path(s.awsFile()))
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(listed(t, s.awsFile(), content)))
	for _, want := range []string{"operator-policy.json", "terraform/main.tf"} {
		if !slices.Contains(names, "podidentity-operator-aws-v0.1.0/"+want) {
			t.Errorf("%s is not in %q", want, names)
		}
	}
	if i := slices.IndexFunc(names, func(name string) bool { return strings.HasSuffix(name, ".go") }); i >= 0 {
		t.Errorf("%s is in it", names[i])
	}
}
