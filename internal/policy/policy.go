// Package policy reads, writes, checks, compares and evaluates IAM policy
// documents. It is pure: no clock, no network, no SDK.
//
// A Document is a policy in canonical JSON, so that policies are compared with ==. A
// Policy is a decoded document. CheckIdentity and CheckTrust check whether AWS would
// accept it, Evaluate decides requests under it, and IsSubset reports whether it grants
// no more than another one.
package policy

// Policy is a decoded policy document. That of a Document is in canonical form; others
// may be in any form.
type Policy struct {
	Version    string // empty means Version2008
	ID         string
	Statements []Statement
}

// The versions of the policy language. Only Version2012 has policy variables.
const (
	Version2008 = "2008-10-17"
	Version2012 = "2012-10-17"
)

// Effect is the effect of a statement on a request that it matches.
type Effect string

// The effects.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Statement is one rule of a policy. A nil list is an absent element. An empty list that
// is not nil is an element without values, which matches nothing.
type Statement struct {
	SID                       string
	Effect                    Effect
	Principals, NotPrincipals []Principal
	Actions, NotActions       []string
	Resources, NotResources   []string
	Conditions                []Condition
}

// Principal is one entry of a Principal element.
type Principal struct {
	Type string // AWS, Federated, Service, CanonicalUser, or * (then ID is * too)
	ID   string
}

// The types of principal.
const (
	Anyone        = "*"
	AWS           = "AWS"
	Federated     = "Federated"
	Service       = "Service"
	CanonicalUser = "CanonicalUser"
)

// Strings returns values of a string type as strings, nil if there are none.
func Strings[S ~string](values []S) []string {
	if len(values) == 0 {
		return nil
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// Condition is one test of a Condition element: an operator with its optional prefix
// ForAllValues: or ForAnyValue: and suffix IfExists, a context key, and the values.
type Condition struct {
	Operator, Key string
	Values        []string
}
