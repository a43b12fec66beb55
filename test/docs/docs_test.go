package docs

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/yaml"
)

const root = "../.."

// pages returns all pages of the repository by path.
func pages(t *testing.T) map[string]Page {
	t.Helper()
	list, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]Page{}
	for _, page := range list {
		byPath[page.Path] = page
	}
	if len(byPath["README.md"].Blocks) == 0 || len(byPath["docs/README.md"].Links) == 0 {
		t.Fatal("the pages were not read")
	}
	return byPath
}

func TestLinks_LeadToFilesAndHeadings(t *testing.T) {
	all := pages(t)
	for _, page := range all {
		for _, link := range page.Links {
			if problem := check(page, link, all); problem != "" {
				t.Errorf("%s: link to %s: %s", page.Path, link, problem)
			}
		}
	}
}

// check returns what is wrong with a link of a page, or "".
func check(page Page, link string, all map[string]Page) string {
	u, err := url.Parse(link)
	switch {
	case err != nil:
		return err.Error()
	case u.Scheme == "https" && u.Host != "":
		return ""
	case u.Scheme != "" || u.Host != "" || path.IsAbs(u.Path):
		return "must be relative or begin with https://"
	}
	target := page.Path
	if u.Path != "" {
		target = path.Join(path.Dir(page.Path), u.Path)
	}
	info, err := os.Stat(filepath.Join(root, target))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file"
	case err != nil:
		return err.Error()
	case info.IsDir():
		return "is a directory; link to a file in it"
	case u.Fragment != "" && !slices.Contains(all[target].Anchors, u.Fragment):
		return "no such heading; there are " + strings.Join(all[target].Anchors, ", ")
	}
	return ""
}

// Without a link from the index, or from the index of its folder, no reader finds a
// page, and the site's sidebar lacks it.
func TestIndex_ListsEveryPage(t *testing.T) {
	all := pages(t)
	listed := map[string]bool{"docs/README.md": true}
	for _, index := range all {
		if !strings.HasPrefix(index.Path, "docs/") || path.Base(index.Path) != "README.md" {
			continue
		}
		for _, link := range index.Links {
			listed[path.Join(path.Dir(index.Path), link)] = true
		}
	}
	for _, page := range all {
		if strings.HasPrefix(page.Path, "docs/") && !listed[page.Path] {
			t.Errorf("docs/README.md does not list %s", page.Path)
		}
	}
}

// checks are the languages of code blocks that are parsed here. YAML is also applied to
// an API server, in test/manifests, and shell blocks run, in test/docs/walkthrough.
var checks = map[string]func(ctx context.Context, text string) error{
	"": nil, "console": nil, // what a program prints
	"go":      statements,
	"json":    func(_ context.Context, text string) error { return json.Unmarshal([]byte(text), new(any)) },
	"mermaid": diagram,
	"sh":      shell,
	"yaml":    documents,
}

// otherTests are the languages that other tests check, with a test of each page that has
// such blocks, or of every page.
var otherTests = map[string]map[string]string{
	"csv":    {"docs/gitops.md": "TestGitOps_DocumentedRBACNamesRealActions"},
	"hcl":    {everyPage: "TestTerraform_DocumentedModulesAreValid"},
	"promql": {"docs/metrics.md": "TestAlerts_AreDocumented"},
	"sql":    {"docs/auditing.md": "TestAuditing_QueriesNameColumnsOfCloudTrail"},
}

const everyPage = ""

// A page with a block that no test checks is an error.
func TestBlocks_AreWellFormed(t *testing.T) {
	tests := testSources(t)
	for _, page := range pages(t) {
		if page.Indented > 0 {
			t.Errorf("%s: %d code blocks are indented; fence them, and name their language", page.Path, page.Indented)
		}
		for _, block := range page.Blocks {
			parse, known := checks[block.Language]
			if !known {
				of := otherTests[block.Language]
				if test := cmp.Or(of[everyPage], of[page.Path]); test == "" || !exists(tests, test, "") {
					t.Errorf("%s:%d: no test checks this block of the language %q (%q)", page.Path, block.Line, block.Language, test)
				}
			}
			if parse == nil {
				continue
			}
			if err := parse(t.Context(), block.Text); err != nil {
				t.Errorf("%s:%d: %s: %v", page.Path, block.Line, block.Language, err)
			}
		}
	}
}

// statements returns an error if Go cannot parse the body of a function.
func statements(_ context.Context, body string) error {
	_, err := parser.ParseFile(token.NewFileSet(), "", "package p\n\nfunc f() {\n"+body+"\n}\n", 0)
	return err
}

// diagram returns an error if the first line names no diagram of Mermaid that the pages
// use. make docs-lint parses all of it, with Mermaid.
func diagram(_ context.Context, text string) error {
	if !regexp.MustCompile(`^(flowchart (LR|TB)|sequenceDiagram|stateDiagram-v2)\n`).MatchString(text) {
		return errors.New("the first line must be flowchart LR, flowchart TB, sequenceDiagram or stateDiagram-v2")
	}
	return nil
}

// shell returns an error if bash cannot parse a script.
func shell(ctx context.Context, script string) error {
	cmd := exec.CommandContext(ctx, "bash", "-n")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return errors.New(cmp.Or(strings.TrimSpace(string(out)), err.Error()))
	}
	return nil
}

// documents returns an error if a stream of YAML documents cannot be parsed.
func documents(_ context.Context, text string) error {
	reader := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := yaml.UnmarshalStrict(document, new(any)); err != nil {
			return err
		}
	}
}

// local is what a code span must look like to be taken for a path of the repository.
var local = regexp.MustCompile(`^(api|charts|cmd|config|controllers|docs|hack|internal|test)/[\w./-]+$`)

func TestCode_NamesFilesThatExist(t *testing.T) {
	for _, page := range pages(t) {
		for _, code := range page.Code {
			if !local.MatchString(code) {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, code)); err != nil {
				t.Errorf("%s: `%s`: %v", page.Path, code, err)
			}
		}
	}
}

func TestCode_NamesTargetsOfTheMakefile(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile(`^\s*make ([a-z][a-z-]*)`)
	for _, page := range pages(t) {
		lines := page.Code
		for _, block := range page.Blocks {
			if block.Language == "sh" {
				lines = append(lines, strings.Split(block.Text, "\n")...)
			}
		}
		for _, line := range lines {
			found := used.FindStringSubmatch(line)
			if found != nil && !bytes.Contains(makefile, []byte("\n"+found[1]+":")) {
				t.Errorf("%s: the Makefile has no target %s", page.Path, found[1])
			}
		}
	}
}

// A line of prose is at most 120 characters. Rows of tables, and code, are as long as
// they must be.
func TestProse_FitsTheLine(t *testing.T) {
	const limit = 120
	for _, page := range pages(t) {
		fenced := false
		for i, line := range strings.Split(page.Source, "\n") {
			trimmed := strings.TrimSpace(line)
			if strings.HasPrefix(trimmed, "```") {
				fenced = !fenced
			}
			if length := utf8.RuneCountInString(line); length > limit && !fenced && !strings.HasPrefix(trimmed, "|") {
				t.Errorf("%s:%d: %d characters, at most %d", page.Path, i+1, length, limit)
			}
		}
	}
}

func TestSlug_IsGitHubs(t *testing.T) {
	for heading, want := range map[string]string{
		"Fill in the placeholders":              "fill-in-the-placeholders",
		"Resolving CredentialsUnavailable":      "resolving-credentialsunavailable",
		"3. Create the identity":                "3-create-the-identity",
		"Couldn't retrieve verification key":    "couldnt-retrieve-verification-key",
		"spec.policies.inline[].statements[]":   "specpoliciesinlinestatements",
		"Does it work? Yes – with K8s":          "does-it-work-yes--with-k8s",
		"config/aws: what the operator's needs": "configaws-what-the-operators-needs",
	} {
		if got := slug(heading); got != want {
			t.Errorf("slug(%q) = %q, want %q", heading, got, want)
		}
	}
}

// A heading that repeats gets a number; code and links in it count as their text.
func TestParse_HeadingsAndLinks(t *testing.T) {
	page := parse("p.md", []byte("# A `b`\n\n## A [b](c.md)\n\n![d](e.svg)\n\n```sh\nmake\n```\n\n    make\n"))
	if page.Indented != 1 {
		t.Errorf("%d indented blocks, want 1", page.Indented)
	}
	if want := []string{"a-b", "a-b-1"}; !slices.Equal(page.Anchors, want) {
		t.Errorf("anchors = %q, want %q", page.Anchors, want)
	}
	if want := []string{"c.md", "e.svg"}; !slices.Equal(page.Links, want) {
		t.Errorf("links = %q, want %q", page.Links, want)
	}
	if want := (Block{Language: "sh", Line: 8, Text: "make\n"}); len(page.Blocks) != 1 || page.Blocks[0] != want {
		t.Errorf("blocks = %+v, want %+v", page.Blocks, want)
	}
}
