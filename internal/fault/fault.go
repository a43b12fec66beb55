// Package fault classifies errors by who must act before another attempt can succeed.
// An error is classified once, where it enters the operator. The controllers derive
// requeue, condition and event from its Kind and reason only, never from an AWS error
// code or a message.
package fault

import (
	"errors"
	"fmt"
)

// Kind defines who must act before a retry can succeed.
type Kind int

const (
	// Transient faults need no action: throttling, timeouts, conflicts. It is the
	// zero value, so that an unclassified error is retried with backoff.
	Transient Kind = iota
	// Waiting is not a failure: an expected event has not happened yet.
	Waiting
	// Blocked faults need an action outside the object: a permission is granted, a
	// quota raised, a missing policy created.
	Blocked
	// Terminal faults need a change of the object.
	Terminal
)

// String returns the kind's name in lower case, for logs.
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

// Error is an error with a Kind and the reason of its condition. Users read its message,
// which does not change between attempts: it contains no request ID, session name or
// time.
type Error struct {
	Kind   Kind
	Reason string
	// Cause names what a blocked operation waits for, such as an IAM permission. All
	// objects that the same action of a user unblocks have the same cause; it is empty
	// if the fault concerns one object only.
	Cause string
	Err   error
}

// Errorf returns an Error that wraps the result of fmt.Errorf.
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

// CauseOf returns the cause of the first Error in err's chain that has one, empty if
// there is none.
func CauseOf(err error) string {
	for {
		e, ok := errors.AsType[*Error](err)
		switch {
		case !ok:
			return ""
		case e.Cause != "":
			return e.Cause
		}
		err = e.Err
	}
}
