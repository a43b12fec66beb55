// Package policy reads, writes, checks, compares and evaluates IAM policy
// documents. It is pure: no clock, no network, no SDK.
//
// A Document is a policy in canonical JSON, so that the operator compares
// policies with == and writes one to AWS only when it means something else. A
// Policy is the same document decoded. Check* say whether AWS would take it,
// Evaluate says what it grants, Within says whether it grants no more than
// another.
package policy

// Policy is a policy document, decoded. Of a Document it is in canonical form;
// one made by hand may be in any form until it has been through Document.
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

// Effect is what a statement does to a request that it matches.
type Effect string

// The effects there are.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Statement is one rule of a policy. A nil list is an absent element; an empty
// one that is not nil is a present element without values, which matches nothing.
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

// Condition is one test of a Condition element: an operator, with its
// ForAllValues: or ForAnyValue: prefix and IfExists suffix if any, a context
// key, and the values.
type Condition struct {
	Operator, Key string
	Values        []string
}
