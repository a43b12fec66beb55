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
		return node{}, errorAt(nil, "is larger than %d bytes, which exceeds IAM's limit", maxBytes)
	}
	if !utf8.Valid(text) {
		return node{}, errorAt(nil, "is not valid UTF-8")
	}
	if !json.Valid(text) {
		var whole json.RawMessage
		return node{}, notJSON(text, json.Unmarshal(text, &whole))
	}
	r := reader{text: string(text)}
	root, err := r.value(nil, 0)
	return root, errors.Join(err, r.faults.err())
}

// reader reads the values of a text that is valid JSON.
type reader struct {
	text   string
	at     int
	faults Errors // problems that do not stop the reader
}

// decodePercent decodes percent-encoded documents, as IAM's read calls return them, once.
// A document that starts with a brace is not encoded. RFC 3986 does not encode a space as
// '+', hence PathUnescape.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html
func decodePercent(raw []byte) ([]byte, error) {
	if len(raw) > 3*maxBytes {
		return nil, errorAt(nil, "is larger than %d bytes, which exceeds IAM's limit", maxBytes)
	}
	if !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("%")) {
		return raw, nil
	}
	s, err := url.PathUnescape(string(raw))
	if err != nil {
		return nil, errorAt(nil, "is neither JSON nor percent-encoded JSON: %v", err)
	}
	return []byte(s), nil
}

// notJSON returns the error for a text that is not JSON, with the line and the column
// at which it stops being JSON.
func notJSON(text []byte, err error) error {
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return errorAt(nil, "is not JSON: %v", err)
	}
	before := text[:max(0, min(int(syntax.Offset), len(text))-1)]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return errorAt(nil, "is not JSON: %v (line %d, column %d)", syntax, line, column)
}

// value reads the next value.
func (r *reader) value(at *location, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errorAt(at, "is nested too deeply")
	}
	switch r.next() {
	case '"':
		n := node{kind: kindString, text: r.string()}
		r.checkText(at, n.text)
		return n, nil
	case '[':
		return r.array(at, depth)
	case '{':
		return r.object(at, depth)
	case 'n':
		r.at += len("null")
		return node{kind: kindNull}, nil
	default: // a bool or a number, of which the digits are kept: 1.10 and 12345678901234567890
		begin := r.at
		for r.at < len(r.text) && strings.IndexByte(",]} \t\r\n", r.text[r.at]) < 0 {
			r.at++
		}
		return node{kind: kindScalar, text: r.text[begin:r.at]}, nil
	}
}

// next skips white space, and returns the next character.
func (r *reader) next() byte {
	for strings.IndexByte(" \t\r\n", r.text[r.at]) >= 0 {
		r.at++
	}
	return r.text[r.at]
}

// more skips what is between the elements of an array or object, and reports whether there
// is another one.
func (r *reader) more(end byte) bool {
	if c := r.next(); c != end && c != ',' {
		return true
	} else if r.at++; c == end {
		return false
	}
	return true
}

// string reads a string.
func (r *reader) string() string {
	begin, escaped := r.at, false
	for r.at++; r.text[r.at] != '"'; r.at++ {
		if r.text[r.at] == '\\' {
			escaped = true
			r.at++
		}
	}
	r.at++
	if !escaped {
		return r.text[begin+1 : r.at-1]
	}
	var text string
	if err := json.Unmarshal([]byte(r.text[begin:r.at]), &text); err != nil {
		return string(utf8.RuneError) // which is rejected; the text is valid JSON
	}
	return text
}

func (r *reader) array(at *location, depth int) (node, error) {
	n := node{kind: kindArray}
	for r.at++; r.more(']'); {
		element, err := r.value(at.item(len(n.items)), depth+1)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, element)
	}
	return n, nil
}

func (r *reader) object(at *location, depth int) (node, error) {
	n := node{kind: kindObject}
	seen := map[string]bool{}
	for r.at++; r.more('}'); {
		r.next()
		name := r.string()
		r.checkText(at, name)
		if seen[name] {
			r.reject(at.member(name), "duplicate element; remove one of them")
		}
		seen[name] = true
		r.next()
		r.at++ // the colon
		value, err := r.value(at.member(name), depth+1)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member{name, value})
	}
	return n, nil
}

func (r *reader) reject(at *location, format string, args ...any) {
	r.faults = append(r.faults, &Error{Path: at.String(), Msg: fmt.Sprintf(format, args...)})
}

func (r *reader) checkText(at *location, s string) {
	if strings.Contains(s, string(utf8.RuneError)) {
		r.reject(at, "contains invalid Unicode")
	}
}

// location is where a value is in a document, nil for the document itself. Its path is
// written only for a fault.
type location struct {
	parent *location
	name   string // of a member
	index  int    // of an item, -1 for a member
}

func (l *location) member(name string) *location { return &location{l, name, -1} }
func (l *location) item(i int) *location         { return &location{l, "", i} }

// String returns the JSON path.
func (l *location) String() string {
	switch {
	case l == nil:
		return ""
	case l.index >= 0:
		return item(l.parent.String(), l.index)
	default:
		return join(l.parent.String(), l.name)
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
