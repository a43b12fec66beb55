// Reduce cuts one of AWS's published service models (a service-2.json, plain
// or gzipped, as AWS ships it with its SDKs) down to what package model reads:
// the listed operations, the shapes that they reach, and of these only what
// changes a request or an answer. Members stay in the model's order.
//
//	go run ./test/awslocal/model/reduce -operations CreateRole,GetRole service-2.json >iam.json
//
// With -operations-of FILE the operations are those of an existing reduced model.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "reduce:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("reduce", flag.ContinueOnError)
	operations := flags.String("operations", "", "comma-separated names of the operations to keep")
	existing := flags.String("operations-of", "", "reduced model whose operations to keep")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("want the path of one service-2.json or service-2.json.gz, got %d arguments", flags.NArg())
	}
	keep, err := operationNames(*operations, *existing)
	if err != nil {
		return err
	}
	raw, err := read(flags.Arg(0))
	if err != nil {
		return err
	}
	service, err := reduce(raw, keep)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(service)
}

func operationNames(operations, existing string) ([]string, error) {
	if existing == "" {
		return strings.Split(operations, ","), nil
	}
	raw, err := os.ReadFile(existing)
	if err != nil {
		return nil, err
	}
	var old model.Service
	if err := json.Unmarshal(raw, &old); err != nil {
		return nil, fmt.Errorf("%s: %w", existing, err)
	}
	return old.OperationNames(), nil
}

func read(path string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		return raw, err
	}
	r, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// The parts of AWS's file that are of interest.
type (
	source struct {
		Metadata   model.Metadata
		Operations map[string]struct {
			HTTP          model.HTTP
			Input, Output struct{ Shape, ResultWrapper string }
			Errors        []struct{ Shape string }
			AuthType      string
		}
		Shapes map[string]sourceShape
	}
	sourceShape struct {
		model.Shape
		Members members `json:"members"`
		Member  ref     `json:"member"`
		Key     ref     `json:"key"`
		Value   ref     `json:"value"`
	}
	ref struct{ Shape, LocationName string }
	// members is an object whose order matters.
	members []model.Member
)

func (m *members) UnmarshalJSON(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var member model.Member
		if err := dec.Decode(&member); err != nil {
			return err
		}
		member.Name = fmt.Sprint(name)
		*m = append(*m, member)
	}
	return nil
}

func reduce(raw []byte, operations []string) (model.Service, error) {
	var src source
	if err := json.Unmarshal(raw, &src); err != nil {
		return model.Service{}, err
	}
	out := model.Service{
		Origin:     fmt.Sprintf("AWS's published service model %s, reduced by test/awslocal/model/reduce", src.Metadata.UID),
		Metadata:   src.Metadata,
		Operations: map[string]model.Operation{},
		Shapes:     map[string]*model.Shape{},
	}
	for _, name := range slices.Sorted(slices.Values(operations)) {
		op, ok := src.Operations[name]
		if !ok {
			return model.Service{}, fmt.Errorf("%s has no operation %q", src.Metadata.UID, name)
		}
		reduced := model.Operation{
			Input:         op.Input.Shape,
			Output:        op.Output.Shape,
			ResultWrapper: op.Output.ResultWrapper,
			AuthType:      op.AuthType,
		}
		if src.Metadata.Protocol != "query" {
			reduced.HTTP = &op.HTTP
		}
		for _, e := range op.Errors {
			reduced.Errors = append(reduced.Errors, e.Shape)
		}
		out.Operations[name] = reduced
		for _, shape := range append([]string{op.Input.Shape, op.Output.Shape}, reduced.Errors...) {
			reach(shape, src.Shapes, out.Shapes)
		}
	}
	return out, nil
}

// reach copies a shape and all shapes that it refers to.
func reach(name string, from map[string]sourceShape, to map[string]*model.Shape) {
	if name == "" || to[name] != nil {
		return
	}
	src := from[name]
	shape := src.Shape
	shape.Members = src.Members
	shape.Member, shape.MemberName = src.Member.Shape, src.Member.LocationName
	shape.Key, shape.Value = src.Key.Shape, src.Value.Shape
	to[name] = &shape
	for _, m := range shape.Members {
		reach(m.Shape, from, to)
	}
	reach(shape.Member, from, to)
	reach(shape.Key, from, to)
	reach(shape.Value, from, to)
}
