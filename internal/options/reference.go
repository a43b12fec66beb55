package options

import "cmp"

// Flag describes a flag of the operator, for its documentation.
type Flag struct {
	Name     string // without dashes
	Env      string // environment variable that sets it too; empty if none does
	Usage    string
	Default  string // empty if there is none
	Allowed  string // what a value must be
	Required bool
}

// Flags returns all flags, in the order of the help.
func Flags() []Flag {
	var all []Flag
	for _, f := range flags() {
		all = append(all, Flag{
			Name: f.name, Env: f.env(), Usage: f.usage, Default: cmp.Or(f.defaultText, f.defaultValue), Allowed: f.allowed, Required: f.required,
		})
	}
	return all
}
