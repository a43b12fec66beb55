package policy

import (
	"fmt"
	"net/url"
	"strings"
)

// TrustSpec says which ServiceAccounts a generated trust policy admits.
type TrustSpec struct {
	ProviderARN     string   // of the IAM OIDC provider
	Issuer          string   // its host and path, from IssuerHostPath
	Audience        string   // usually sts.amazonaws.com
	Namespace       string   // of the ServiceAccounts
	ServiceAccounts []string // each admitted by its exact subject
	WholeNamespace  bool     // admit every ServiceAccount of Namespace; ServiceAccounts is not read
}

// Trust returns the trust policy of IAM roles for service accounts. It always
// tests the subject and the audience of the token: without the subject, every
// ServiceAccount of the cluster would be admitted.
//
// A spec that does not say exactly whom to admit, because something is empty
// or holds a wildcard or a policy variable, admits nobody.
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

// DenyAllTrust returns a trust policy that admits nobody, with which to cut a role
// off before it is taken apart. What keeps people out is that nothing is
// allowed; the statement is there because IAM wants one. IAM is known to take
// this one (hashicorp/terraform-provider-aws#4248).
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

// IssuerHostPath returns an OIDC issuer's URL as AWS writes it in the ARN of
// the provider and in condition keys: without the scheme, and otherwise to the
// letter. A port and the case of the path stay, and so does a slash at the end
// (Auth0's issuers end in one: oidc-provider/example.auth0.com/).
//
// It refuses what IAM refuses as a provider's URL.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
func IssuerHostPath(issuerURL string) (string, error) {
	u, err := url.Parse(issuerURL)
	hostPath, https := strings.CutPrefix(issuerURL, "https://")
	switch {
	case err != nil || !https || u.Hostname() == "":
		return "", fmt.Errorf("issuer %q: must be a URL that begins with https://", issuerURL)
	case u.User != nil || strings.ContainsAny(issuerURL, "?#"):
		return "", fmt.Errorf("issuer %q: must not have a user, a query or a fragment", issuerURL)
	case len(issuerURL) > 255:
		return "", fmt.Errorf("issuer %q: must not be longer than 255 characters", issuerURL)
	default:
		return hostPath, nil
	}
}
