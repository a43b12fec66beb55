package main

import (
	"strings"
	"testing"
)

const changelog = `# Changelog

## [Unreleased]

### Added

- Next.

## [0.2.0] - 2026-11-26

### Fixed

- A [link](https://example.com).

## [0.1.1]

- No date.

## [0.1.0] - 2026-10-01

## [0.0.1] - 2026-09-01

- First.

[Unreleased]: https://example.com/compare/v0.2.0...HEAD
[0.2.0]: https://example.com/releases/v0.2.0
`

func TestSection_OfOneVersion(t *testing.T) {
	for reason, tc := range map[string]struct {
		version string
		dryRun  bool
		want    string
		err     string
	}{
		"a section ends at the next":                     {version: "v0.2.0", want: "### Fixed\n\n- A [link](https://example.com)."},
		"the last section ends at the links":             {version: "v0.0.1", want: "- First."},
		"a dry run may name a version without a section": {version: "v0.3.0", dryRun: true, want: "### Added\n\n- Next."},
		"a dry run prefers the section of its version":   {version: "v0.0.1", dryRun: true, want: "- First."},
		"a release needs a section":                      {version: "v0.3.0", err: "has no section [0.3.0]; move what is under [Unreleased]"},
		"a release needs a date":                         {version: "v0.1.1", err: "must end with its date"},
		"a release changes something":                    {version: "v0.1.0", err: "is empty"},
	} {
		t.Run(reason, func(t *testing.T) {
			got, err := section(changelog, tc.version, tc.dryRun)
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("error is %v, want one with %q", err, tc.err)
			}
			if got != tc.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tc.want)
			}
		})
	}
}

func TestSection_NothingUnreleased(t *testing.T) {
	if _, err := section("## [Unreleased]\n", "v0.1.0", true); err == nil {
		t.Error("a dry run without any changes has notes")
	}
}

func TestNotes_ListOnlyWhatTheReleaseHas(t *testing.T) {
	s := settings{version: "v0.1.0", charts: "oci://example.com/charts"}
	got := notes(s, "example.com/operator:v0.1.0@sha256:00", "- First.", []string{"install.yaml", "podidentity-operator-0.1.0.tgz"})
	for _, want := range []string{
		"- First.\n", "| image | `example.com/operator:v0.1.0@sha256:00` |", "| chart | `oci://example.com/charts/podidentity-operator`, version `0.1.0` |",
		"| manifest |", "release.yml@refs/tags/v0.1.0 \\\n", "cosign verify example.com/operator:v0.1.0@sha256:00 \\\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the notes have no %q:\n%s", want, got)
		}
	}
	for _, absent := range []string{"kubectl plugin", "cloudformation.yaml", "%!"} {
		if strings.Contains(got, absent) {
			t.Errorf("the notes have %q:\n%s", absent, got)
		}
	}
}
