// Package fault sorts errors by who must act before another attempt can
// succeed. An error is classified once, where it enters the operator; the
// controllers decide on a requeue, a condition and an event from its Kind and
// reason alone and never look at an AWS error code or at a message.
package fault

import (
	"errors"
	"fmt"
)

// Kind says who has to act before a retry can help.
type Kind int

const (
	// Transient faults pass by themselves: throttling, timeouts, conflicts.
	// It is the zero value, so an unclassified error is retried with backoff:
	// to retry is safe, to give up is not.
	Transient Kind = iota
	// Waiting is not a failure: something expected has not happened yet.
	Waiting
	// Blocked faults pass when somebody changes the world: grants a
	// permission, raises a quota, creates a missing policy.
	Blocked
	// Terminal faults pass only when somebody changes the object.
	Terminal
)

// String returns the kind's name in lower case, as it is logged.
func (k Kind) String() string {
	switch k {
	case Transient:
		return "transient"
	case Waiting:
		return "waiting"
	case Blocked:
		return "blocked"
	case Terminal:
		return "terminal"
	default:
		return fmt.Sprintf("kind(%d)", int(k))
	}
}

// Error is an error with a Kind and the condition reason it shows up as. Its
// message is read by users: it is stable from one attempt to the next, and so
// holds no request ID, no session name and no time.
type Error struct {
	Kind   Kind
	Reason string
	Err    error
}

// Errorf returns an Error that wraps the error fmt.Errorf makes of its arguments.
func Errorf(kind Kind, reason, format string, args ...any) error {
	return &Error{Kind: kind, Reason: reason, Err: fmt.Errorf(format, args...)}
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the Kind of the first Error in err's chain, or Transient.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Transient
}

// ReasonOf returns the reason of the first Error in err's chain, or fallback.
func ReasonOf(err error, fallback string) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return fallback
}
