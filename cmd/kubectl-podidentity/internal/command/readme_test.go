package command

import (
	"os"
	"strings"
	"testing"
)

// The first screen of README.md shows status and why as they are: each line of its blocks
// is one of a golden file, wrapped where it is long, and "..." stands for lines that are
// left out.
func TestREADME_ShowsGoldenOutput(t *testing.T) {
	readme, err := os.ReadFile("../../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	first, _, found := strings.Cut(string(readme), "\n## ")
	if !found {
		t.Fatal("README.md has no section")
	}
	for command, file := range map[string]string{
		"kubectl podidentity status -n shop checkout":          "status/readme.txt",
		"kubectl podidentity why -n shop checkout-5d8f7-abcde": "why/trust-star-in-equals.txt",
	} {
		_, block, found := strings.Cut(first, "$ "+command+"\n")
		if !found {
			t.Errorf("the first screen does not show %s", command)
			continue
		}
		block, _, _ = strings.Cut(block, "\n```")
		raw, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		rest, parts := words(string(raw)), strings.Split(block, "\n...\n")
		for i, part := range parts {
			before, after, found := strings.Cut(rest, words(part))
			switch {
			case !found:
				t.Errorf("%s does not hold:\n%s", file, part)
			case i == 0 && before != "" || i == len(parts)-1 && after != "":
				t.Errorf("%s begins or ends with other lines than README.md shows:\n%s", file, part)
			}
			rest = after
		}
	}
}

// words returns a text on one line.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }
