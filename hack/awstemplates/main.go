// Command awstemplates writes what an operator needs in AWS as a CloudFormation
// template and as a Terraform module, from the policies in config/aws:
//
//	go -C hack/awstemplates run . ../../config/aws
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "awstemplates: %v\n", err)
		os.Exit(1)
	}
}

// run takes the directory of the policies, and writes below it.
func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: awstemplates <directory of the policies>")
	}
	files, err := generate(args[0])
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(args[0], name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
