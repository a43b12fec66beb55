package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

const (
	// maxBytes limits the size of a text. The largest document that IAM stores has
	// 10,240 characters without white space.
	maxBytes = 128 << 10
	// maxDepth limits the nesting. A valid policy has at most seven levels.
	maxDepth = 16
)

// node is a JSON value: a string, bool or number (text), an array (items), or
// an object (members, in the order of the document).
type node struct {
	kind    kind
	text    string
	items   []node
	members []member
}

type member struct {
	name  string
	value node
}

type kind int

const (
	kindNull kind = iota
	kindString
	kindScalar // a bool or a number
	kindArray
	kindObject
)

func (k kind) String() string {
	return [...]string{"null", "a string", "a bool or number", "an array", "an object"}[k]
}

// readJSON reads exactly one JSON value. It rejects what encoding/json accepts: a
// duplicate name in one object (two parsers may use different ones), text that is not
// UTF-8, and replacement characters, which hide different bytes.
func readJSON(raw []byte) (node, error) {
	text, err := decodePercent(raw)
	if err != nil {
		return node{}, err
	}
	if len(text) > maxBytes {
		return node{}, errorAt("", "is larger than %d bytes, which exceeds IAM's limit", maxBytes)
	}
	if !utf8.Valid(text) {
		return node{}, errorAt("", "is not valid UTF-8")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		return node{}, notJSON(text, err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // keeps the digits of 1.10 and 12345678901234567890
	r := reader{dec: dec}
	root, err := r.value("", 0)
	return root, errors.Join(err, r.faults.err())
}

// reader reads the values of a text that is valid JSON.
type reader struct {
	dec    *json.Decoder
	faults Errors // problems that do not stop the reader
}

// decodePercent decodes percent-encoded documents, as IAM's read calls return them, once.
// A document that starts with a brace is not encoded. RFC 3986 does not encode a space as
// '+', hence PathUnescape.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html
func decodePercent(raw []byte) ([]byte, error) {
	if len(raw) > 3*maxBytes {
		return nil, errorAt("", "is larger than %d bytes, which exceeds IAM's limit", maxBytes)
	}
	if !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("%")) {
		return raw, nil
	}
	s, err := url.PathUnescape(string(raw))
	if err != nil {
		return nil, errorAt("", "is neither JSON nor percent-encoded JSON: %v", err)
	}
	return []byte(s), nil
}

// notJSON returns the error for a text that is not JSON, with the line and the column
// at which it stops being JSON.
func notJSON(text []byte, err error) error {
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return errorAt("", "is not JSON: %v", err)
	}
	before := text[:max(0, min(int(syntax.Offset), len(text))-1)]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return errorAt("", "is not JSON: %v (line %d, column %d)", syntax, line, column)
}

// value reads the next value.
func (r *reader) value(path string, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errorAt(path, "is nested too deeply")
	}
	token, err := r.dec.Token()
	if err != nil {
		return node{}, errorAt(path, "is not JSON: %v", err)
	}
	switch t := token.(type) {
	case string:
		r.checkText(path, t)
		return node{kind: kindString, text: t}, nil
	case bool, json.Number:
		return node{kind: kindScalar, text: fmt.Sprint(t)}, nil
	case json.Delim:
		if t == '[' {
			return r.array(path, depth)
		}
		return r.object(path, depth)
	default:
		return node{kind: kindNull}, nil
	}
}

func (r *reader) array(path string, depth int) (node, error) {
	n := node{kind: kindArray}
	for r.dec.More() {
		element, err := r.value(item(path, len(n.items)), depth+1)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, element)
	}
	_, err := r.dec.Token()
	return n, err
}

func (r *reader) object(path string, depth int) (node, error) {
	n := node{kind: kindObject}
	seen := map[string]bool{}
	for r.dec.More() {
		token, err := r.dec.Token()
		if err != nil {
			return node{}, errorAt(path, "is not JSON: %v", err)
		}
		name, _ := token.(string)
		r.checkText(path, name)
		if seen[name] {
			r.reject(join(path, name), "duplicate element; remove one of them")
		}
		seen[name] = true
		value, err := r.value(join(path, name), depth+1)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member{name, value})
	}
	_, err := r.dec.Token()
	return n, err
}

func (r *reader) reject(path, format string, args ...any) {
	r.faults = append(r.faults, &Error{Path: path, Msg: fmt.Sprintf(format, args...)})
}

func (r *reader) checkText(path, s string) {
	if strings.ContainsRune(s, utf8.RuneError) {
		r.reject(path, "contains invalid Unicode")
	}
}

// join appends a member's name to a JSON path. It quotes a name that is not an
// identifier, such as a condition key.
func join(path, name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !isAlnum(r) }) || name == "" {
		return fmt.Sprintf("%s[%q]", path, name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func isAlnum(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}
