package policy

import "fmt"

// Error says what is wrong with a policy document, where, and what is allowed
// there. Its message is the same each time for the same document, so that it
// can stand in a condition.
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
