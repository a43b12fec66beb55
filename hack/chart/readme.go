package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/cert-manager/helm-tool/parser"
)

// The README's generated part is between these lines.
const (
	begin = "<!-- Values: generated from values.yaml by `make manifests` -->\n"
	end   = "<!-- End of values -->\n"
)

//go:embed values.md.tmpl
var valuesTemplate string

// readme returns the chart's README with the table of its values.
func readme(root string) ([]byte, error) {
	document, err := values(root, false)
	if err != nil {
		return nil, err
	}
	current, err := os.ReadFile(filepath.Join(root, chartDir, "README.md"))
	if err != nil {
		return nil, err
	}
	before, rest, ok := strings.Cut(string(current), begin)
	if !ok {
		return nil, fmt.Errorf("the line %q is missing", begin)
	}
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		return nil, fmt.Errorf("the line %q is missing", end)
	}
	table, err := template.New("values").Funcs(template.FuncMap{"text": text, "initial": initial}).Parse(valuesTemplate)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(before + begin)
	if err := table.Execute(&b, document); err != nil {
		return nil, err
	}
	b.WriteString(end + after)
	raw, err := os.ReadFile(filepath.Join(root, chartDir, "values.yaml"))
	if err != nil {
		return nil, err
	}
	return b.Bytes(), errors.Join(undocumented(document), brokenSentence(string(raw)))
}

// midSentence finds a line of a comment that ends within a sentence, before one that
// begins with a capital letter.
var midSentence = regexp.MustCompile(`(?m)^ *# [^+\n].*[^.:\n]\n *# ([A-Z]\S*)`)

// brokenSentence reports a line at whose end helm-tool would end the sentence, because
// the next one begins with a capital letter.
func brokenSentence(values string) error {
	if found := midSentence.FindStringSubmatch(values); found != nil {
		return fmt.Errorf("values.yaml: %s begins a line within a sentence; break the line elsewhere:\n%s", found[1], found[0])
	}
	return nil
}

// undocumented reports the values that have no description.
func undocumented(document *parser.Document) error {
	var problems []error
	for _, section := range document.Sections {
		for _, property := range section.Properties {
			if text(property.Description) == "" {
				problems = append(problems, fmt.Errorf("%s: has no description", property.Path))
			}
		}
	}
	return errors.Join(problems...)
}

// text returns a description in one line of a table.
func text(description parser.Comment) string {
	line := strings.Join(strings.Fields(description.String()), " ")
	line, _, _ = strings.Cut(line, " For example:") // which needs lines of its own
	return strings.ReplaceAll(line, "|", `\|`)
}

// initial returns the default of a value in one line of a table.
func initial(property parser.Property) string {
	switch {
	case property.Default == "":
		return ""
	case strings.Contains(property.Default, "\n"):
		return "see [values.yaml](values.yaml)"
	default:
		return "`" + property.Default + "`"
	}
}
