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
	// maxBytes bounds what is parsed. The largest document IAM stores holds
	// 10,240 characters that are not white space, so this refuses nothing that
	// anybody could use.
	maxBytes = 128 << 10
	// maxDepth bounds the nesting; a policy's own is seven.
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

// readJSON reads exactly one JSON value. It refuses what encoding/json lets
// pass: a name that occurs twice in one object (two readers may take a
// different one), text that is not UTF-8, and replacement characters, which
// make different texts look alike.
func readJSON(raw []byte) (node, error) {
	text, err := plain(raw)
	if err != nil {
		return node{}, err
	}
	if len(text) > maxBytes {
		return node{}, errorAt("", "is larger than %d bytes; IAM stores nothing of that size", maxBytes)
	}
	if !utf8.Valid(text) {
		return node{}, errorAt("", "is not valid UTF-8")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		return node{}, notJSON(err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // 1.10 and 12345678901234567890 are to come out as they went in
	return readValue(dec, "", 0)
}

// plain undoes the percent-encoding with which IAM's read calls return
// documents, once. A document that starts with a brace is not encoded: a
// percent sign in it is its own. RFC 3986 has no '+' for a space, so PathUnescape.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html
func plain(raw []byte) ([]byte, error) {
	if len(raw) > 3*maxBytes {
		return nil, errorAt("", "is larger than %d bytes; IAM stores nothing of that size", maxBytes)
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

// readValue reads the next value. The text is known to be JSON, so the decoder
// itself has nothing to complain about.
func readValue(dec *json.Decoder, path string, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errorAt(path, "is nested deeper than any policy is")
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
			return node{}, errorAt(join(path, name), "occurs twice; keep one")
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
		return errorAt(path, "holds a character that is not valid Unicode")
	}
	return nil
}

// join appends a member's name to a JSON path; a name that is not an
// identifier, such as a condition key, is quoted.
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
