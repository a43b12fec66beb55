package policy

import (
	"errors"
	"fmt"
	"strings"
)

// Error is a problem in a policy document: where it is, and what is allowed there. Its
// message depends on the document only, so that it can be part of a condition.
type Error struct {
	Path string // the JSON path, such as Statement[0].Effect; empty for the whole document
	Msg  string
}

func (e *Error) Error() string { return "policy document: " + e.text() }

func (e *Error) text() string {
	if e.Path == "" {
		return e.Msg
	}
	return e.Path + ": " + e.Msg
}

// Errors are all problems of one policy, in the order of its text.
type Errors []*Error

// maxListed is the number of problems that a message lists.
const maxListed = 10

func (e Errors) Error() string { return "policy document: " + e.List() }

// List returns the problems without an introduction, for a policy that is not a document.
func (e Errors) List() string {
	var texts []string
	for _, one := range e[:min(len(e), maxListed)] {
		texts = append(texts, one.text())
	}
	list := strings.Join(texts, "; ")
	if more := len(e) - maxListed; more > 0 {
		list += fmt.Sprintf("; and %d more", more)
	}
	return list
}

// Unwrap returns the problems as errors.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// err returns e as an error, nil if it is empty.
func (e Errors) err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// faultsOf returns the problems that were joined into err, in their order.
func faultsOf(err error) Errors {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all Errors
		for _, one := range joined.Unwrap() {
			all = append(all, faultsOf(one)...)
		}
		return all
	}
	if one, ok := errors.AsType[*Error](err); ok {
		return Errors{one}
	}
	return Errors{{Msg: err.Error()}}
}

func errorAt(at *location, format string, args ...any) error {
	return &Error{Path: at.String(), Msg: fmt.Sprintf(format, args...)}
}
