// Command dashboard generates the Grafana dashboard of the operator, for
// config/grafana and for the chart.
//
//	go -C hack/dashboard run . ../..
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// outputs are the files that hold the dashboard: a chart packs no file from outside.
var outputs = []string{"config/grafana/podidentity.json", "charts/podidentity-operator/files/dashboard.json"}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dashboard ROOT: the directory of the project")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "dashboard: %v\n", err)
		os.Exit(1)
	}
}

func run(root string) error {
	built, err := build(rows())
	if err != nil {
		return err
	}
	content, err := json.MarshalIndent(built, "", "  ")
	if err != nil {
		return err
	}
	for _, name := range outputs {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, append(content, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}
