package model

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DecodeQuery reads the input of an operation from an awsQuery form. Unknown parameters
// are ignored, as in AWS; an invalid number or boolean is a MalformedInput error.
// Validate checks the values.
func (s *Service) DecodeQuery(operation string, form url.Values) (Struct, error) {
	input := s.Operations[operation].Input
	if input == "" {
		return Struct{}, nil
	}
	v, err := s.decodeForm(input, newTree(form))
	if err != nil {
		return nil, err
	}
	in, _ := v.(Struct)
	return in, nil
}

// tree is a form by the dot-separated parts of its keys.
type tree struct {
	value    string
	present  bool
	children map[string]*tree
}

func newTree(form url.Values) *tree {
	root := &tree{present: true}
	for key, values := range form {
		at := root
		for part := range strings.SplitSeq(key, ".") {
			if at.children == nil {
				at.children = map[string]*tree{}
			}
			child := at.children[part]
			if child == nil {
				child = &tree{}
				at.children[part] = child
			}
			at = child
		}
		if len(values) > 0 {
			at.value, at.present = values[0], true
		}
	}
	return root
}

// elements returns the children with numeric keys, in their order.
func (t *tree) elements() []*tree {
	var indexes []int
	for key := range t.children {
		if i, err := strconv.Atoi(key); err == nil && i > 0 && strconv.Itoa(i) == key {
			indexes = append(indexes, i)
		}
	}
	slices.Sort(indexes)
	out := make([]*tree, len(indexes))
	for n, i := range indexes {
		out[n] = t.children[strconv.Itoa(i)]
	}
	return out
}

// decodeForm returns nil for a value that was not sent.
func (s *Service) decodeForm(name string, t *tree) (any, error) {
	shape := s.Shapes[name]
	switch shape.Type {
	case "structure":
		return s.decodeStruct(shape, t)
	case "list":
		return s.decodeList(shape, t)
	case "map":
		return s.decodeMap(shape, t)
	}
	if !t.present {
		return nil, nil
	}
	return parseScalar(shape, t.value)
}

func (s *Service) decodeStruct(shape *Shape, t *tree) (any, error) {
	out := Struct{}
	for _, m := range shape.Members {
		child := t.children[m.wireName()]
		if child == nil {
			continue
		}
		v, err := s.decodeForm(m.Shape, child)
		if err != nil {
			return nil, err
		}
		if v != nil {
			out[m.Name] = v
		}
	}
	return out, nil
}

func (s *Service) decodeList(shape *Shape, t *tree) (any, error) {
	at := t
	if !shape.Flattened {
		member := shape.MemberName
		if member == "" {
			member = "member"
		}
		at = t.children[member]
	}
	if at == nil || len(at.children) == 0 {
		if t.present { // "Tags=" is the empty list
			return []any{}, nil
		}
		return nil, nil
	}
	out := []any{}
	for _, e := range at.elements() {
		v, err := s.decodeForm(shape.Member, e)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (s *Service) decodeMap(shape *Shape, t *tree) (any, error) {
	at := t
	if !shape.Flattened {
		at = t.children["entry"]
	}
	if at == nil {
		return nil, nil
	}
	out := Struct{}
	for _, e := range at.elements() {
		key, value := e.children["key"], e.children["value"]
		if key == nil || value == nil {
			continue
		}
		v, err := s.decodeForm(shape.Value, value)
		if err != nil {
			return nil, err
		}
		out[key.value] = v
	}
	return out, nil
}

func parseScalar(shape *Shape, raw string) (any, error) {
	switch shape.Type {
	case "integer", "long":
		if raw == "" {
			return nil, Errorf("MalformedInput", "missing value for decimal type")
		}
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil || shape.Type == "integer" && (n < math.MinInt32 || n > math.MaxInt32) {
			return nil, &APIError{Code: "MalformedInput"}
		}
		return n, nil
	case "boolean":
		switch raw {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
		return nil, Errorf("MalformedInput", "boolean must follow xsd1.1 definition")
	case "timestamp":
		at, err := time.Parse(time.RFC3339, raw)
		if err != nil {
			return nil, &APIError{Code: "MalformedInput"}
		}
		return at, nil
	}
	return raw, nil
}

func (m Member) wireName() string {
	if m.LocationName != "" {
		return m.LocationName
	}
	return m.Name
}
