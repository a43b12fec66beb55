package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck_FindsWordsInProse(t *testing.T) {
	rules, err := parse("# comment\n\nsomebody = a user\nputs? back = restore\n")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		file, content string
		want          []string
	}{
		"a comment of a Go file":             {"a.go", "package a\n\n// Somebody calls.\n", []string{`a.go:3: "Somebody": write instead: a user`}},
		"the second line of a comment":       {"a.go", "package a\n\n/* It\nputs back. */\n", []string{`a.go:4: "puts back": write instead: restore`}},
		"a message of a Go file":             {"a.go", "package a\n\nconst m = \"somebody\"\n", []string{`a.go:3: "somebody": write instead: a user`}},
		"an identifier is not language":      {"a.go", "package a\n\nvar somebody int\n", nil},
		"a part of a word is another word":   {"a.md", "somebodys\n", nil},
		"each line of a page":                {"a.md", "# A\nput back, somebody\n", []string{`a.md:2: "somebody": write instead: a user`, `a.md:2: "put back": write instead: restore`}},
		"a word with spaces stays in a line": {"a.md", "put\nback\n", nil},
	}
	for reason, tc := range cases {
		t.Run(reason, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, check(tc.file, tc.content, rules)); diff != "" {
				t.Errorf("findings: -want, +got:\n%s", diff)
			}
		})
	}
}

func TestParse_RejectsALineWithoutReplacement(t *testing.T) {
	if _, err := parse("somebody\n"); err == nil {
		t.Error("a word without a replacement is accepted")
	}
}

func TestIsProse_CommentsStringsAndPages(t *testing.T) {
	for file, want := range map[string]bool{
		"controllers/status.go": true, "Makefile": true, "docs/README.md": true, "test/x/testdata/a.yaml": false, "go.sum": false, "hack/words/words.txt": false,
	} {
		if got := isProse(file); got != want {
			t.Errorf("isProse(%s) = %t, want %t", file, got, want)
		}
	}
}
