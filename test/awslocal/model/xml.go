package model

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// awsFault is the namespace of errors that arise before an operation is found.
const awsFault = "http://webservices.amazon.com/AWSFault/2005-15-09"

// EncodeQuery writes the answer of an awsQuery operation: the members that out has. A
// member that the model does not know is an error.
func (s *Service) EncodeQuery(operation string, out Struct, requestID string) ([]byte, error) {
	op := s.Operations[operation]
	w := &xmlWriter{service: s}
	w.open(operation+"Response", s.Metadata.XMLNamespace)
	if op.Output != "" {
		if err := w.value(op.Output, op.ResultWrapper, out); err != nil {
			return nil, fmt.Errorf("%s: %w", operation, err)
		}
	}
	w.open("ResponseMetadata", "")
	w.text("RequestId", requestID)
	w.close("ResponseMetadata")
	w.close(operation + "Response")
	return w.out, nil
}

// EncodeQueryError writes an error of the awsQuery protocol. An empty message is left
// out.
func (s *Service) EncodeQueryError(e *APIError, requestID string) []byte {
	fault, namespace := "Sender", s.Metadata.XMLNamespace
	if s.Status(e.Code) >= 500 {
		fault = "Receiver"
	}
	if e.Code == "InvalidAction" {
		namespace = awsFault
	}
	w := &xmlWriter{service: s}
	w.open("ErrorResponse", namespace)
	w.open("Error", "")
	w.text("Type", fault)
	w.text("Code", e.Code)
	if e.Message != "" {
		w.text("Message", e.Message)
	}
	w.close("Error")
	w.text("RequestId", requestID)
	w.close("ErrorResponse")
	return w.out
}

// xmlWriter writes to memory, which does not fail. As AWS does, it writes one element per
// line, indented by two spaces.
type xmlWriter struct {
	out     []byte
	depth   int
	service *Service
}

func (w *xmlWriter) put(s string) { w.out = append(w.out, s...) }

func (w *xmlWriter) indent() { w.put(strings.Repeat("  ", w.depth)) }

// open begins an element that contains others.
func (w *xmlWriter) open(name, namespace string) {
	w.indent()
	w.depth++
	w.put("<" + name)
	if namespace != "" {
		w.put(` xmlns="`)
		w.escape(namespace)
		w.put(`"`)
	}
	w.put(">\n")
}

func (w *xmlWriter) close(name string) {
	w.depth--
	w.indent()
	w.put("</" + name + ">\n")
}

// empty writes an empty element.
func (w *xmlWriter) empty(name string) {
	w.indent()
	w.put("<" + name + "/>\n")
}

func (w *xmlWriter) text(name, value string) {
	w.indent()
	w.put("<" + name + ">")
	w.escape(value)
	w.put("</" + name + ">\n")
}

// escape writes what XML 1.0 allows; quotes stay, as they do in AWS's answers.
func (w *xmlWriter) escape(value string) {
	for _, r := range value {
		switch {
		case r == '&':
			w.put("&amp;")
		case r == '<':
			w.put("&lt;")
		case r == '>':
			w.put("&gt;")
		case r == '\r':
			w.put("&#xD;")
		case r < ' ' && r != '\t' && r != '\n', r == 0xFFFE, r == 0xFFFF:
			w.put("\uFFFD")
		default:
			w.put(string(r))
		}
	}
}

func (w *xmlWriter) members(shape *Shape, v Struct) error {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if shape.member(name) == nil {
			return fmt.Errorf("the model has no member %s", name)
		}
	}
	for _, m := range shape.ordered {
		value, ok := v[m.Name]
		if !ok {
			continue
		}
		if err := w.value(m.Shape, m.wireName(), value); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

func (w *xmlWriter) value(shapeName, name string, v any) error {
	shape := w.service.Shapes[shapeName]
	switch v := v.(type) {
	case Struct:
		if len(v) == 0 {
			w.empty(name)
			return nil
		}
		w.open(name, "")
		defer w.close(name)
		if shape.Type == "map" {
			return w.entries(shape, v)
		}
		return w.members(shape, v)
	case []any:
		return w.list(shape, name, v)
	}
	text, err := scalarText(shape, v)
	if err != nil {
		return err
	}
	w.text(name, text)
	return nil
}

func (w *xmlWriter) list(shape *Shape, name string, v []any) error {
	if shape.Type != "list" {
		return fmt.Errorf("the model wants a %s, not a list", shape.Type)
	}
	element := shape.MemberName
	if element == "" {
		element = "member"
	}
	switch {
	case shape.Flattened:
		element = name
	case len(v) == 0:
		w.empty(name)
	default:
		w.open(name, "")
		defer w.close(name)
	}
	for _, e := range v {
		if err := w.value(shape.Member, element, e); err != nil {
			return err
		}
	}
	return nil
}

func (w *xmlWriter) entries(shape *Shape, v Struct) error {
	keys := byBucket(slices.Sorted(maps.Keys(v)), func(key string) string { return key })
	for _, key := range keys {
		w.open("entry", "")
		w.text("key", key)
		if err := w.value(shape.Value, "value", v[key]); err != nil {
			return err
		}
		w.close("entry")
	}
	return nil
}

func scalarText(shape *Shape, v any) (string, error) {
	switch v := v.(type) {
	case string:
		if shape.Type == "string" {
			return v, nil
		}
	case int64:
		if shape.Type == "integer" || shape.Type == "long" {
			return strconv.FormatInt(v, 10), nil
		}
	case bool:
		if shape.Type == "boolean" {
			return strconv.FormatBool(v), nil
		}
	case time.Time:
		if shape.Type == "timestamp" {
			return v.UTC().Format("2006-01-02T15:04:05Z"), nil
		}
	}
	return "", fmt.Errorf("the model wants a %s, not %T", shape.Type, v)
}
