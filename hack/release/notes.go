package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	heading    = regexp.MustCompile(`(?m)^## \[([^\]]+)\](.*)$`)
	definition = regexp.MustCompile(`(?m)^\[[^\]]+\]: \S+\n?`) // of a link, which are at the end
	dated      = regexp.MustCompile(`^ - \d{4}-\d{2}-\d{2}$`)
)

// section returns the part of a changelog in the form of https://keepachangelog.com/
// of a version. A dry run takes what is not released yet for a version without a
// section.
func section(changelog, version string, dryRun bool) (string, error) {
	number := strings.TrimPrefix(version, "v")
	sections, suffixes := map[string]string{}, map[string]string{}
	text := definition.ReplaceAllString(changelog, "")
	found := heading.FindAllStringSubmatchIndex(text, -1)
	for i, at := range found {
		end := len(text)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		name := text[at[2]:at[3]]
		sections[name], suffixes[name] = strings.TrimSpace(text[at[1]:end]), text[at[4]:at[5]]
	}
	body, ok := sections[number]
	switch {
	case !ok && dryRun:
		if body = sections["Unreleased"]; body == "" {
			return "", fmt.Errorf("CHANGELOG.md has no section [%s], and nothing under [Unreleased]", number)
		}
	case !ok:
		return "", fmt.Errorf("CHANGELOG.md has no section [%s]; move what is under [Unreleased] to `## [%s] - YYYY-MM-DD`", number, number)
	case !dated.MatchString(suffixes[number]):
		return "", fmt.Errorf("CHANGELOG.md: the heading of [%s] must end with its date, as in `## [%s] - 2026-11-26`", number, number)
	case body == "":
		return "", fmt.Errorf("CHANGELOG.md: section [%s] is empty", number)
	}
	return body, nil
}

// notes returns the release notes: what changed, and how to install and verify what
// the release has of these files.
func notes(s settings, image, changes string, files []string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n## Install\n\n| | |\n|---|---|\n| image | `%s` |\n", changes, image)
	for _, row := range []struct{ what, file, text string }{
		{"chart", s.chartFile(), fmt.Sprintf("`%s/podidentity-operator`, version `%s`", s.charts, s.number())},
		{"manifest", "install.yaml", "`install.yaml`; its first lines describe what to set"},
		{"AWS", "cloudformation.yaml", "`cloudformation.yaml`, and a Terraform module in `" + s.awsFile() + "`"},
		{"kubectl plugin", s.pluginFile("linux", "amd64"), "`" + s.pluginFile("<platform>", "<architecture>") + "`"},
	} {
		if slices.Contains(files, row.file) {
			fmt.Fprintf(&out, "| %s | %s |\n", row.what, row.text)
		}
	}
	fmt.Fprintf(&out, verification, s.version, image, s.version)
	return out.String()
}

const verification = `
## Verify

` + "`checksums.txt`" + ` has the SHA-256 of all files. It and the image are signed by the workflow of this release:

` + "```sh" + `
cosign verify-blob checksums.txt --bundle checksums.txt.sigstore.json \
  --certificate-identity https://github.com/podidentity/podidentity-operator/.github/workflows/release.yml@refs/tags/%s \
  --certificate-oidc-issuer https://token.actions.githubusercontent.com
sha256sum --check --ignore-missing checksums.txt
cosign verify %s \
  --certificate-identity https://github.com/podidentity/podidentity-operator/.github/workflows/release.yml@refs/tags/%s \
  --certificate-oidc-issuer https://token.actions.githubusercontent.com
` + "```" + `
`
