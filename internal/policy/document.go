package policy

import "unicode/utf8"

// Document is an IAM policy in canonical JSON. Two policies that AWS treats as equal
// have equal Documents, so that they can be compared with ==. The text is a document
// that AWS accepts.
type Document string

// Parse reads a policy of any kind: identity, trust or another resource's. The
// text is JSON, or JSON percent-encoded once, as IAM's read calls return it.
//
// Parse rejects, with Errors, a text without the structure of a policy: with an
// unknown or duplicate element, a value of the wrong type, or an unknown Version or
// Effect. CheckIdentity and CheckTrust check whether AWS would accept it as an identity
// or a trust policy.
func Parse(raw []byte) (Document, error) {
	p, err := decode(raw)
	if err != nil {
		return "", err
	}
	return p.Document(), nil
}

// Decode reads a policy like Parse, and returns it in the order and the spelling of its
// text.
func Decode(raw []byte) (Policy, error) {
	p, err := decode(raw)
	if err != nil {
		return Policy{}, err
	}
	return p, nil
}

// Policy returns the decoded policy in canonical form. For a text that is not a policy
// it returns a Policy without statements, which grants nothing.
func (d Document) Policy() Policy {
	p, err := decode([]byte(d))
	if err != nil {
		return Policy{}
	}
	return p.canonical()
}

// Document returns p's canonical form. It does not check p: if CheckIdentity and
// CheckTrust reject p, Parse may reject its Document.
func (p Policy) Document() Document {
	c, statements := p.canonicalForm()
	return Document(appendPolicy(nil, c, statements))
}

// Size returns the number of characters in raw except white space, as AWS counts them
// for its quotas on policy sizes.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func Size(raw string) int {
	n := utf8.RuneCountInString(raw)
	for i := range len(raw) {
		if c := raw[i]; c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			n--
		}
	}
	return n
}
