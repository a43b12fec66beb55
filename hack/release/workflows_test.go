package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	uses    = regexp.MustCompile(`^\s*(?:- )?uses: (.+)$`)
	pinned  = regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	goImage = regexp.MustCompile(`(?m)^FROM .*golang:(\d+\.\d+\.\d+) AS build$`)
	goSetup = regexp.MustCompile(`(?m)(?:GO_VERSION|go-version): (\d\S*)`)
)

// A tag of an action can be moved to other code, a commit cannot.
func TestWorkflows_ActionsArePinned(t *testing.T) {
	for name, content := range workflows(t) {
		for line := range strings.Lines(content) {
			match := uses.FindStringSubmatch(strings.TrimRight(line, "\n"))
			if match == nil || strings.HasPrefix(match[1], "./") {
				continue
			}
			if !pinned.MatchString(match[1]) {
				t.Errorf("%s: %q must be pinned as owner/name@commit # v1.2.3", name, match[1])
			}
		}
	}
}

// Builds are reproducible with the same version of Go only.
func TestWorkflows_GoIsThatOfTheDockerfile(t *testing.T) {
	dockerfile, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	image := goImage.FindSubmatch(dockerfile)
	if image == nil {
		t.Fatal("the Dockerfile names no version of Go")
	}
	for name, content := range workflows(t) {
		versions := goSetup.FindAllStringSubmatch(content, -1)
		if len(versions) == 0 {
			t.Errorf("%s sets up no version of Go", name)
		}
		for _, version := range versions {
			if version[1] != string(image[1]) {
				t.Errorf("%s uses Go %s, the Dockerfile %s", name, version[1], image[1])
			}
		}
	}
}

func workflows(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	contents := map[string]string{}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		contents[filepath.Base(name)] = string(content)
	}
	return contents
}
