package policy

import "fmt"

// Error is a fault in a policy document: where it is, and what is allowed there. Its
// message depends on the document only, so that it can be part of a condition.
type Error struct {
	Path string // the JSON path, such as Statement[0].Effect; empty for the whole document
	Msg  string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return "policy document: " + e.Msg
	}
	return "policy document: " + e.Path + ": " + e.Msg
}

func errorAt(path, format string, args ...any) error {
	return &Error{Path: path, Msg: fmt.Sprintf(format, args...)}
}
