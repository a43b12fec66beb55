// Managed writes managed.json.gz, the AWS managed policies, from their list in AWS:
//
//	aws iam get-account-authorization-details --filter AWSManagedPolicy >policies.json
//	go run ./test/awslocal/managed policies.json >test/awslocal/managed.json.gz
package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// details are the policies as AWS lists them, the newest version first.
type details struct {
	Policies []struct {
		PolicyName, Path, DefaultVersionID string
		CreateDate, UpdateDate             time.Time
		PolicyVersionList                  []struct {
			VersionID  string
			CreateDate time.Time
			Document   json.RawMessage
		}
	}
}

// policy is a policy as package awslocal reads it, the oldest version first.
type policy struct {
	Name     string    `json:"name"`
	Path     string    `json:"path"`
	Default  string    `json:"default"`
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
	Versions []version `json:"versions"`
}

type version struct {
	ID       string          `json:"id"`
	Created  time.Time       `json:"created"`
	Document json.RawMessage `json:"document"`
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "managed:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("want the path of one file")
	}
	raw, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	policies, err := convert(raw)
	if err != nil {
		return err
	}
	zipped, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(zipped)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(policies); err != nil {
		return err
	}
	return zipped.Close()
}

// convert returns the policies in the order of their names.
func convert(raw []byte) ([]policy, error) {
	var all details
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	var policies []policy
	for _, p := range all.Policies {
		found := policy{Name: p.PolicyName, Path: p.Path, Default: p.DefaultVersionID, Created: p.CreateDate.UTC(), Updated: p.UpdateDate.UTC()}
		for _, v := range slices.Backward(p.PolicyVersionList) {
			var document bytes.Buffer
			if err := json.Compact(&document, v.Document); err != nil {
				return nil, fmt.Errorf("%s %s: %w", p.PolicyName, v.VersionID, err)
			}
			found.Versions = append(found.Versions, version{ID: v.VersionID, Created: v.CreateDate.UTC(), Document: document.Bytes()})
		}
		if !slices.ContainsFunc(found.Versions, func(v version) bool { return v.ID == found.Default }) {
			return nil, fmt.Errorf("%s has no version %s", found.Name, found.Default)
		}
		policies = append(policies, found)
	}
	slices.SortFunc(policies, func(a, b policy) int { return cmp.Compare(a.Name, b.Name) })
	return policies, nil
}
