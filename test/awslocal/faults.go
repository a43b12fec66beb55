package awslocal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"time"
)

// Faults make the endpoint behave as badly as AWS can. The zero value injects no faults.
type Faults struct {
	// Latency is how long every call takes, plus a random part of Jitter.
	Latency Duration `json:"latency,omitzero"`
	Jitter  Duration `json:"jitter,omitzero"`

	// ReadDelay is the age of the state that IAM's and EKS's reads see, STSDelay the age
	// of the one that AssumeRole and AssumeRoleWithWebIdentity see. Writes always see the
	// newest: a role that cannot be read yet can already exist.
	ReadDelay Duration `json:"readDelay,omitzero"`
	STSDelay  Duration `json:"stsDelay,omitzero"`

	// SessionDuration bounds the duration of sessions of roles, whatever the caller
	// requests; AWS issues none of less than 15 minutes.
	SessionDuration Duration `json:"sessionDuration,omitzero"`

	// PageSize bounds all pages; AWS may also return fewer items than requested.
	PageSize int `json:"pageSize,omitzero"`

	// Throttles are token buckets; a call must get a token of each that
	// applies to it.
	Throttles []Throttle `json:"throttles,omitempty"`

	// Rules inject errors. The first that matches a call and applies to it is used.
	Rules []Rule `json:"rules,omitempty"`
}

// Throttle allows a number of calls per second, and a burst. Calls beyond that get the
// error Throttling, "Rate exceeded".
type Throttle struct {
	Action string  `json:"action,omitempty"` // a pattern such as Get*; empty means any
	Rate   float64 `json:"rate"`
	Burst  int     `json:"burst,omitempty"` // default: Rate, at least 1
}

// Rule injects an error into calls.
type Rule struct {
	Action string `json:"action,omitempty"` // a pattern such as *RolePolicy; empty means any
	// Error is the code of an AWS error, or ConnectionReset or Timeout.
	Error   string `json:"error"`
	Message string `json:"message,omitempty"` // default: AWS's message for the code
	// Probability is that with which the rule applies to a matching call; 0 means always.
	Probability float64 `json:"probability,omitzero"`
	Skip        int     `json:"skip,omitzero"`  // matching calls before it applies to one
	Count       int     `json:"count,omitzero"` // calls that it applies to; 0 means no limit
	// After lets the call have its effect; only the answer is lost.
	After bool `json:"after,omitzero"`
	// Hold is how long Timeout keeps the connection; default until the caller gives up.
	Hold Duration `json:"hold,omitzero"`
}

// The errors of a Rule that are not AWS errors.
const (
	ConnectionReset = "ConnectionReset"
	Timeout         = "Timeout"
)

// Duration is a time.Duration that JSON writes as 1.5s.
type Duration time.Duration

// MarshalText writes it as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// ParseFaults reads Faults in JSON; an unknown field is an error.
func ParseFaults(r io.Reader) (Faults, error) {
	var f Faults
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return f, err
	}
	return f, f.check()
}

// check reports the first invalid setting.
func (f Faults) check() error {
	if slices.Min([]Duration{f.Latency, f.Jitter, f.ReadDelay, f.STSDelay, f.SessionDuration}) < 0 || f.PageSize < 0 {
		return errors.New("faults: durations and pageSize must not be negative")
	}
	for i, t := range f.Throttles {
		if err := t.check(); err != nil {
			return fmt.Errorf("faults: throttles[%d]%w", i, err)
		}
	}
	for i, r := range f.Rules {
		if err := r.check(); err != nil {
			return fmt.Errorf("faults: rules[%d]%w", i, err)
		}
	}
	return nil
}

func (t Throttle) check() error {
	if _, err := path.Match(t.Action, ""); err != nil {
		return fmt.Errorf(".action %q: %w", t.Action, err)
	}
	if t.Rate <= 0 || t.Burst < 0 {
		return errors.New(": rate must be positive, burst not negative")
	}
	return nil
}

func (r Rule) check() error {
	if _, err := path.Match(r.Action, ""); err != nil {
		return fmt.Errorf(".action %q: %w", r.Action, err)
	}
	if r.Error == "" {
		return fmt.Errorf(".error: want the code of an AWS error, %s or %s", ConnectionReset, Timeout)
	}
	if r.Probability < 0 || r.Probability > 1 || min(r.Skip, r.Count, int(r.Hold)) < 0 {
		return errors.New(": probability must be within 0 and 1, skip, count and hold not negative")
	}
	return nil
}

// applies reports whether a pattern matches the action.
func applies(pattern, action string) bool {
	ok, err := path.Match(pattern, action)
	return pattern == "" || err == nil && ok
}
