// Command flagdocs writes the reference of the operator's flags, in Markdown:
//
//	go run ./hack/flagdocs docs/flags.md
package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/podidentity/podidentity-operator/internal/options"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "flagdocs: %v\n", err)
		os.Exit(1)
	}
}

// run takes the file to write.
func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: flagdocs <file to write>")
	}
	return os.WriteFile(args[0], page(options.Flags()), 0o644)
}

const top = `<!-- Written by hack/flagdocs from internal/options; ` + "`make manifests`" + ` updates it. -->

# Operator flags

` + "`manager --help`" + ` prints the same. Each flag can also be set by its environment variable; a flag on the command line
takes precedence. An invalid value stops the operator at the start, with a message that names every invalid flag.

AWS settings are those of every AWS SDK, such as ` + "`AWS_REGION`" + `; see
[config/aws](../config/aws/README.md#configuration).
`

// page returns the reference of all flags: a table of them, and a section for each.
func page(flags []options.Flag) []byte {
	var out bytes.Buffer
	out.WriteString(top + "\n| flag | default |\n|---|---|\n")
	for _, f := range flags {
		fmt.Fprintf(&out, "| [`--%s`](#--%s) | %s |\n", f.Name, f.Name, initial(f))
	}
	for _, f := range flags {
		fmt.Fprintf(&out, "\n## `--%s`\n\n| | |\n|---|---|\n| description | %s |\n", f.Name, text(f.Usage))
		if f.Env != "" {
			fmt.Fprintf(&out, "| environment variable | `%s` |\n", f.Env)
		}
		fmt.Fprintf(&out, "| default | %s |\n| must be | %s |\n", initial(f), text(f.Allowed))
	}
	return out.Bytes()
}

// initial returns the default of a flag, in Markdown.
func initial(f options.Flag) string {
	switch {
	case f.Required:
		return "required"
	case strings.Contains(f.Default, " "):
		return text(f.Default)
	default:
		return cmp.Or(code(f.Default), "none")
	}
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// address finds the URLs in a text.
var address = regexp.MustCompile(`https?://[^\s,;]+`)

// text keeps Markdown from interpreting characters, and from making links of examples.
func text(s string) string {
	escape := strings.NewReplacer("|", `\|`, "*", `\*`, "<", "&lt;", ">", "&gt;", "_", `\_`).Replace
	var out strings.Builder
	rest := 0
	for _, at := range address.FindAllStringIndex(s, -1) {
		out.WriteString(escape(s[rest:at[0]]) + code(s[at[0]:at[1]]))
		rest = at[1]
	}
	return out.String() + escape(s[rest:])
}
