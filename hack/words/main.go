// Command words fails if a file of the project uses a word of words.txt. It reads the
// comments and string literals of Go files, and all of the other text files that git
// tracks, except generated ones.
package main

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"go/scanner"
	"go/token"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
)

//go:embed words.txt
var list string

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(files []string) error {
	rules, err := parse(list)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		out, err := exec.CommandContext(context.Background(), "git", "ls-files", "--cached", "--others", "--exclude-standard").Output()
		if err != nil {
			return fmt.Errorf("git ls-files: %w", err)
		}
		files = strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	var findings []error
	for _, file := range files {
		if !isProse(file) {
			continue
		}
		content, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			return err
		}
		for _, f := range check(file, string(content), rules) {
			findings = append(findings, errors.New(f))
		}
	}
	return errors.Join(findings...)
}

// rule is one line of the list.
type rule struct {
	word    *regexp.Regexp
	instead string
}

// parse reads a list: comments, and lines of the form "expression = replacement".
func parse(list string) ([]rule, error) {
	var rules []rule
	for line := range strings.Lines(list) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		word, instead, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("words.txt: %q has no replacement", line)
		}
		compiled, err := regexp.Compile(`(?i)\b(` + strings.TrimSpace(word) + `)\b`)
		if err != nil {
			return nil, fmt.Errorf("words.txt: %w", err)
		}
		rules = append(rules, rule{compiled, strings.TrimSpace(instead)})
	}
	return rules, nil
}

var (
	extensions = []string{".go", ".md", ".yaml", ".yml", ".json", ".sh", ".txt", ".tf", ".tmpl", ".mts", ""}
	generated  = regexp.MustCompile(`(^|/)(testdata|go\.(mod|sum)|LICENSE|package(-lock)?\.json|zz_generated\.[^/]*|\.git.*)(/|$)|^hack/words/|^docs/benchmarks/results\.json$`)
)

// isProse reports whether the project wrote the words of a file.
func isProse(file string) bool {
	return slices.Contains(extensions, path.Ext(file)) && !generated.MatchString(file)
}

// check returns one finding for each use of a word.
func check(file, content string, rules []rule) []string {
	var findings []string
	for _, text := range texts(file, content) {
		for _, r := range rules {
			for _, at := range r.word.FindAllStringIndex(text.content, -1) {
				line := text.line + strings.Count(text.content[:at[0]], "\n")
				findings = append(findings, fmt.Sprintf("%s:%d: %q: write instead: %s", file, line, text.content[at[0]:at[1]], r.instead))
			}
		}
	}
	return findings
}

// text is a part of a file that a reader reads as language.
type text struct {
	line    int // of its beginning, from 1
	content string
}

// texts returns the comments and string literals of a Go file, and the lines of any
// other.
func texts(file, content string) []text {
	if path.Ext(file) == ".go" {
		return goTexts(content)
	}
	var all []text
	lines := bufio.NewScanner(strings.NewReader(content))
	lines.Buffer(nil, len(content)+1)
	for n := 1; lines.Scan(); n++ {
		all = append(all, text{n, lines.Text()})
	}
	return all
}

func goTexts(content string) []text {
	var s scanner.Scanner
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(content))
	s.Init(file, []byte(content), nil, scanner.ScanComments)
	var all []text
	for {
		at, kind, literal := s.Scan()
		switch kind {
		case token.EOF:
			return all
		case token.COMMENT, token.STRING:
			all = append(all, text{file.Line(at), literal})
		default: // identifiers follow the names of Kubernetes and IAM
		}
	}
}
