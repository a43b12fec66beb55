// Command chart generates from config/ and from the chart's values.yaml what must
// not drift apart: templates, the schema of the values, the README's table, and the
// values by which the chart creates the entries of the catalog.
//
//	go -C hack/chart run . ../..
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

const chartDir = "charts/podidentity-operator"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: chart ROOT: the directory of the project")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "chart: %v\n", err)
		os.Exit(1)
	}
}

// run writes all generated files of the chart.
func run(root string) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(root, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the generated files by their path in the project.
func generate(root string) (map[string][]byte, error) {
	files, err := catalogValues(root)
	if err != nil {
		return nil, err
	}
	for name, render := range map[string]func(root string) ([]byte, error){
		"templates/crds.yaml":           crds,
		"templates/rbac.yaml":           rbac,
		"templates/admission.yaml":      admission,
		"templates/prometheusrule.yaml": prometheusRule,
		"values.schema.json":            valuesSchema,
		"README.md":                     readme,
	} {
		content, err := render(root)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[filepath.Join(chartDir, name)] = content
	}
	return files, nil
}
