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
	text, err := plain(raw)
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
		return node{}, notJSON(err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // keeps the digits of 1.10 and 12345678901234567890
	return readValue(dec, "", 0)
}

// plain decodes percent-encoded documents, as IAM's read calls return them, once. A
// document that starts with a brace is not encoded. RFC 3986 does not encode a space as
// '+', hence PathUnescape.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html
func plain(raw []byte) ([]byte, error) {
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

func notJSON(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return errorAt("", "is not JSON: %v (at byte %d)", syntax, syntax.Offset)
	}
	return errorAt("", "is not JSON: %v", err)
}

// readValue reads the next value of a text that is valid JSON.
func readValue(dec *json.Decoder, path string, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errorAt(path, "is nested too deeply")
	}
	token, err := dec.Token()
	if err != nil {
		return node{}, notJSON(err)
	}
	switch t := token.(type) {
	case string:
		return node{kind: kindString, text: t}, checkText(path, t)
	case bool, json.Number:
		return node{kind: kindScalar, text: fmt.Sprint(t)}, nil
	case json.Delim:
		if t == '[' {
			return readArray(dec, path, depth)
		}
		return readObject(dec, path, depth)
	default:
		return node{kind: kindNull}, nil
	}
}

func readArray(dec *json.Decoder, path string, depth int) (node, error) {
	n := node{kind: kindArray}
	for dec.More() {
		item, err := readValue(dec, fmt.Sprintf("%s[%d]", path, len(n.items)), depth+1)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, item)
	}
	_, err := dec.Token()
	return n, err
}

func readObject(dec *json.Decoder, path string, depth int) (node, error) {
	n := node{kind: kindObject}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return node{}, notJSON(err)
		}
		name, _ := token.(string)
		if err := checkText(path, name); err != nil {
			return node{}, err
		}
		if seen[name] {
			return node{}, errorAt(join(path, name), "duplicate element; remove one of them")
		}
		seen[name] = true
		value, err := readValue(dec, join(path, name), depth+1)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member{name, value})
	}
	_, err := dec.Token()
	return n, err
}

func checkText(path, s string) error {
	if strings.ContainsRune(s, utf8.RuneError) {
		return errorAt(path, "contains invalid Unicode")
	}
	return nil
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
