// Package check holds the states that a check can end with.
package check

// State is how a check ended.
type State string

// The states.
const (
	OK      State = "ok"
	Warning State = "warning" // it works, but something is wrong
	Unknown State = "unknown" // it could not be checked
	Broken  State = "broken"
)
