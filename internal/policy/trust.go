package policy

import (
	"fmt"
	"net/url"
	"strings"
)

// TrustSpec defines which ServiceAccounts a generated trust policy admits.
type TrustSpec struct {
	ProviderARN     string   // of the IAM OIDC provider
	Issuer          string   // its host and path, from IssuerHostPath
	Audience        string   // usually sts.amazonaws.com
	Namespace       string   // of the ServiceAccounts
	ServiceAccounts []string // each admitted by its exact subject
	WholeNamespace  bool     // admit every ServiceAccount of Namespace and ignore ServiceAccounts
}

// Trust returns the trust policy of IAM roles for service accounts. It always tests the
// subject and the audience of the token: without the subject, it would admit every
// ServiceAccount of the cluster.
//
// For a spec that is not exact, because a field is empty or contains a wildcard or a
// policy variable, it returns DenyAllTrust.
// https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
func Trust(t TrustSpec) Document {
	if !t.exact() {
		return DenyAllTrust()
	}
	audience := Condition{"StringEquals", t.Issuer + ":aud", []string{t.Audience}}
	subject := Condition{"StringEquals", t.Issuer + ":sub", t.subjects()}
	if t.WholeNamespace {
		subject.Operator = "StringLike"
	}
	return Policy{
		Version: Version2012,
		Statements: []Statement{{
			Effect:     Allow,
			Principals: []Principal{{Federated, t.ProviderARN}},
			Actions:    []string{"sts:AssumeRoleWithWebIdentity"},
			Conditions: []Condition{audience, subject},
		}},
	}.Document()
}

// subjects returns the sub claims to admit.
// https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
func (t TrustSpec) subjects() []string {
	prefix := "system:serviceaccount:" + t.Namespace + ":"
	if t.WholeNamespace {
		return []string{prefix + "*"}
	}
	var subjects []string
	for _, name := range t.ServiceAccounts {
		subjects = append(subjects, prefix+name)
	}
	return subjects
}

func (t TrustSpec) exact() bool {
	for _, s := range []string{t.ProviderARN, t.Issuer, t.Audience} {
		if s == "" || hasVariable(s) {
			return false
		}
	}
	if !consistsOf(t.Namespace, "-") { // a DNS label
		return false
	}
	return t.WholeNamespace || len(t.ServiceAccounts) > 0 &&
		every(t.ServiceAccounts, func(name string) bool { return consistsOf(name, "-.") }) // a DNS subdomain
}

// DenyAllTrust returns a trust policy that admits no one, for a role that is being
// deleted or revoked. IAM requires a statement, and is known to accept this one
// (hashicorp/terraform-provider-aws#4248).
func DenyAllTrust() Document {
	return Policy{
		Version: Version2012,
		Statements: []Statement{{
			Effect:     Deny,
			Principals: []Principal{{AWS, "*"}},
			Actions:    []string{"sts:AssumeRole"},
		}},
	}.Document()
}

// IssuerHostPath returns an OIDC issuer's URL as AWS writes it in the ARN of the
// provider and in condition keys: without the scheme and otherwise unchanged. It keeps
// a port, the case of the path, and a slash at the end, as in Auth0's issuers
// (oidc-provider/example.auth0.com/).
//
// It rejects what IAM rejects as the URL of a provider.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
func IssuerHostPath(issuerURL string) (string, error) {
	u, err := url.Parse(issuerURL)
	hostPath, https := strings.CutPrefix(issuerURL, "https://")
	switch {
	case err != nil || !https || u.Hostname() == "":
		return "", fmt.Errorf("OIDC issuer %q: must be a URL that begins with https://", issuerURL)
	case u.User != nil || strings.ContainsAny(issuerURL, "?#"):
		return "", fmt.Errorf("OIDC issuer %q: must not have a user, a query or a fragment", issuerURL)
	case len(issuerURL) > 255:
		return "", fmt.Errorf("OIDC issuer %q: must not be longer than 255 characters", issuerURL)
	default:
		return hostPath, nil
	}
}
