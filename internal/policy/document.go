package policy

import "strings"

// Document is an IAM policy in canonical JSON. Two policies that AWS treats
// alike have equal Documents, so == is the only comparison anybody needs. Its
// text is itself a document that AWS accepts.
type Document string

// Parse reads a policy of any kind: identity, trust or another resource's. The
// text is JSON, or JSON percent-encoded once, as IAM's read calls return it.
//
// Parse refuses, with an *Error, what is not shaped like a policy: an unknown
// or repeated element, a value of the wrong type, a Version or an Effect that
// does not exist. Whether AWS would take it as an identity or a trust policy
// is for CheckIdentity and CheckTrust to say.
func Parse(raw []byte) (Document, error) {
	p, err := decode(raw)
	if err != nil {
		return "", err
	}
	return p.Document(), nil
}

// Policy returns the decoded form, which is canonical too. It cannot fail for a
// Document that Parse or Policy.Document made of a valid policy; for any other
// text it returns a Policy without statements, which grants nothing.
func (d Document) Policy() Policy {
	p, err := decode([]byte(d))
	if err != nil {
		return Policy{}
	}
	return p.canonical()
}

// Document returns p's canonical form. It does not check p: of one that
// CheckIdentity and CheckTrust refuse it may be a text that Parse refuses.
func (p Policy) Document() Document {
	return Document(appendPolicy(nil, p.canonical()))
}

// Size returns the number of characters in raw that are not white space, which
// is what AWS counts for the quotas on policy sizes.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func Size(raw string) int {
	n := 0
	for _, r := range raw {
		if !strings.ContainsRune(" \t\r\n", r) {
			n++
		}
	}
	return n
}
