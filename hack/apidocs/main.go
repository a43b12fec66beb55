// Command apidocs writes the reference of the API's fields, in Markdown, from
// the generated CustomResourceDefinitions:
//
//	go run ./hack/apidocs config/crd/bases docs/api.md
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "apidocs: %v\n", err)
		os.Exit(1)
	}
}

// run takes the directory of the CRDs and the file to write.
func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: apidocs <directory of CRDs> <file to write>")
	}
	page, err := page(args[0])
	if err != nil {
		return err
	}
	return os.WriteFile(args[1], page, 0o644)
}

// page returns the reference of all CRDs of a directory.
func page(dir string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no CustomResourceDefinitions", dir)
	}
	var out bytes.Buffer
	out.WriteString("<!-- Written by hack/apidocs from config/crd/bases; `make manifests` updates it. -->\n\n# API reference\n\n" +
		"`kubectl explain podid.spec --recursive` shows the same in a cluster. Fields in **bold** are required.\n")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := write(&out, raw); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return out.Bytes(), nil
}
