package command

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/kubectl-plugin.md and the golden files of this package")

// The page lists every command and flag as the plugin has them.
func TestPluginPage_ListsEveryCommandAndFlag(t *testing.T) {
	golden(t, "../../../../docs/kubectl-plugin.md", page(newRoot(Process{Version: "dev"})))
}

// golden compares got with a file, or writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not up to date; run the test with -update: -want, +got:\n%s", path, diff)
	}
}

// page returns the page of all commands.
func page(root *cobra.Command) string {
	var b strings.Builder
	intro, err := os.ReadFile("testdata/kubectl-plugin.md")
	if err != nil {
		panic(err)
	}
	b.Write(intro)
	b.WriteString("\n## Commands\n\n| command | |\n|---|---|\n")
	commands := documented(root)
	for _, c := range commands {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", c.Name(), c.Name(), c.Short)
	}
	for _, c := range commands {
		command(&b, c)
	}
	b.WriteString("\n## Flags of all commands\n\nThose of every command, in addition to the flags of kubectl that choose the cluster, the user and the namespace.\n\n")
	flags(&b, root.PersistentFlags(), func(f *pflag.Flag) bool {
		return f.Name == "output" || f.Name == "color" || strings.HasPrefix(f.Name, "aws-")
	})
	return b.String()
}

// documented returns the commands, without those that cobra adds.
func documented(c *cobra.Command) []*cobra.Command {
	var commands []*cobra.Command
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() && child.Name() != "help" && child.Name() != "completion" {
			commands = append(commands, child)
		}
	}
	return commands
}

func command(b *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n```\n%s\n```\n", c.Name(), c.Long, c.UseLine())
	if c.Example != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", c.Example)
	}
	if c.LocalNonPersistentFlags().HasAvailableFlags() {
		b.WriteByte('\n')
		flags(b, c.LocalNonPersistentFlags(), func(f *pflag.Flag) bool { return f.Name != "help" })
	}
	for _, child := range documented(c) {
		fmt.Fprintf(b, "\n#### %s %s\n\n%s\n\n```\n%s\n```\n", c.Name(), child.Name(), child.Long, child.UseLine())
		if child.LocalNonPersistentFlags().HasAvailableFlags() {
			b.WriteByte('\n')
			flags(b, child.LocalNonPersistentFlags(), func(f *pflag.Flag) bool { return f.Name != "help" })
		}
	}
}

func flags(b *strings.Builder, set *pflag.FlagSet, wanted func(*pflag.Flag) bool) {
	b.WriteString("| flag | |\n|---|---|\n")
	set.VisitAll(func(f *pflag.Flag) {
		if !wanted(f) || f.Hidden {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, strings.ReplaceAll(f.Usage, "|", `\|`))
	})
}

// Each command has a golden file of what it prints for people, and one of its JSON.
func TestCommands_HaveGoldenOutputs(t *testing.T) {
	files := map[string]bool{}
	for _, pattern := range []string{"testdata/*", "testdata/*/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			files[strings.TrimPrefix(file, "testdata/")] = true
		}
	}
	for _, c := range documented(newRoot(Process{})) {
		for _, format := range []string{".txt", ".json"} {
			has := false
			for file := range files {
				rest, of := strings.CutPrefix(file, c.Name())
				has = has || of && strings.HasSuffix(file, format) && strings.ContainsAny(rest[:1], "-./")
			}
			if !has {
				t.Errorf("command %s has no golden file with its output in form %s", c.Name(), format)
			}
		}
	}
}

// Every command is complete: the page and the help rely on it.
func TestCommands_HaveHelp(t *testing.T) {
	for _, c := range documented(newRoot(Process{})) {
		if c.Short == "" || c.Long == "" || c.Args == nil {
			t.Errorf("command %s lacks Short, Long or Args", c.Name())
		}
	}
}
