package awslocal

import (
	"errors"
	"strings"

	"github.com/podidentity/podidentity-operator/test/awslocal/grammar"
	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

func checkManagedPolicy(document string) error { return malformed(grammar.CheckManaged(document)) }

func checkIdentityPolicy(document string) error { return malformed(grammar.CheckInline(document)) }

// checkTrust rejects a trust policy that is malformed, names principals that
// do not exist, or is too long.
func (c *call) checkTrust(document string) error {
	if err := malformed(grammar.CheckTrust(document, principals{c})); err != nil {
		return err
	}
	return c.srv.checkTrustSize(document)
}

func malformed(err error) error {
	if e, ok := errors.AsType[*grammar.Error](err); ok {
		return model.Errorf("MalformedPolicyDocument", "%s", e.Message)
	}
	return err
}

// principals knows the account's roles. Users this endpoint does not have, and
// of other accounts it knows nothing, so these pass if they are well formed.
type principals struct{ *call }

// KnownAWS reports whether the account, user, role or session may exist.
func (p principals) KnownAWS(id string) bool {
	if accountID.MatchString(id) || p.st.roleByID(id) != nil {
		return true
	}
	a, ok := parseARN(id)
	if !ok || !accountID.MatchString(a.account) || a.partition != p.srv.options.Partition {
		return false
	}
	kind, name, _ := strings.Cut(a.resource, "/")
	switch {
	case a.service == "iam" && a.resource == "root":
		return true
	case a.service == "iam" && kind == "role" && a.account == p.srv.options.Account:
		r := p.st.roles[strings.ToLower(id[strings.LastIndex(id, "/")+1:])]
		return r != nil && r.arn == id
	case a.service == "iam" && (kind == "role" || kind == "user"):
		return name != ""
	case a.service == "sts" && (kind == "assumed-role" || kind == "federated-user"):
		return name != ""
	}
	return false
}
