package main

import (
	"os"
	"strings"
	"testing"
)

func TestParse_Version(t *testing.T) {
	for version, want := range map[string]bool{
		"v0.1.0": true, "v1.22.333": true, "v1.0.0-rc.1": true,
		"": false, "0.1.0": false, "v0.1": false, "v01.1.0": false, "71a5eaf": false, "v0.1.0-dirty+x": false, "v0.1.0\n": false,
	} {
		if _, err := parse([]string{"--version", version}); (err == nil) != want {
			t.Errorf("version %q: error is %v, want accepted: %v", version, err, want)
		}
	}
}

func TestCheckCommit_RejectsUncommittedChanges(t *testing.T) {
	for reason, tc := range map[string]struct {
		tags    []string
		changed string
		err     string
	}{
		"the tag is checked out":           {tags: []string{"latest", "v0.1.0"}},
		"another tag is checked out":       {tags: []string{"v0.1.1"}, err: "tag v0.1.0 is not checked out"},
		"no tag is checked out":            {err: "tag v0.1.0 is not checked out"},
		"changes are in no commit":         {tags: []string{"v0.1.0"}, changed: " M main.go", err: "the working tree has changes"},
		"a tag that begins with it is not": {tags: []string{"v0.1.0-rc.1"}, err: "is not checked out"},
	} {
		t.Run(reason, func(t *testing.T) {
			err := checkCommit("v0.1.0", tc.tags, tc.changed)
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error is %v, want one with %q", err, tc.err)
			}
		})
	}
}

func TestChartDigest_ReadFromHelmsOutput(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	if got, err := chartDigest("Pushed: example.com/charts/podidentity-operator:0.1.0\nDigest: " + digest + "\n"); err != nil || got != digest {
		t.Errorf("digest is %s, %v", got, err)
	}
	if _, err := chartDigest("Error: denied"); err == nil {
		t.Error("output without a digest gives one")
	}
}

// The notes of the next release are written while it is developed.
func TestChangelog_HasNotesForTheNextRelease(t *testing.T) {
	changelog, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(changelog), "\n## [Unreleased]\n") {
		t.Error("CHANGELOG.md has no section [Unreleased]")
	}
}

// The chart of a release runs the image that was built with it.
func TestNameImage_ReplacesTheImageOfTheChart(t *testing.T) {
	files, err := collect("../../"+chart, "podidentity-operator")
	if err != nil {
		t.Fatal(err)
	}
	const image = "example.com/operator:v9.9.9@sha256:0123"
	if err := nameImage(files, image); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.name != "podidentity-operator/Chart.yaml" {
			continue
		}
		if got := string(f.content); strings.Count(got, "\n      image: "+image+"\n") != 1 || strings.Count(got, " image: ") != 1 {
			t.Errorf("Chart.yaml is\n%s", got)
		}
	}
	if err := nameImage(files[:0], image); err == nil {
		t.Error("files without a Chart.yaml are accepted")
	}
	if err := nameImage([]file{{name: "x/Chart.yaml", content: []byte("name: x\n")}}, image); err == nil {
		t.Error("a Chart.yaml without an image is accepted")
	}
}
