package awsiam

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// stableError is an error that users read. What it says stays the same while
// nothing changes, which its cause does not: that carries request IDs, attempts
// and times.
type stableError struct {
	text  string
	cause error
}

func (s *stableError) Error() string { return s.text }
func (s *stableError) Unwrap() error { return s.cause }

// The files that the messages send people to.
const (
	operatorPolicy = "config/aws/operator-policy.json"
	providerPolicy = "config/aws/operator-policy-oidc-provider.json"
	readme         = "config/aws/README.md"
)

func throttledMessage(r apiError) string {
	if r.code == "ConcurrentModification" || r.code == "EntityTemporarilyUnmodifiable" {
		return fmt.Sprintf("somebody else changes this at the same moment, or did just now (%s of %s); it is tried again", r.code, r.name)
	}
	return fmt.Sprintf("AWS %s is asked too much in this account (%s of %s); it is tried again", r.service(), r.code, r.name)
}

func unavailableMessage(r apiError) string {
	return fmt.Sprintf("AWS %s cannot answer now (%s of %s); it is tried again", r.service(), r.code, r.name)
}

func conflictMessage(r apiError) string {
	return fmt.Sprintf("what is in AWS changed since it was looked at (%s of %s); it is looked at again", r.code, r.name)
}

func notFoundMessage(r apiError) string {
	return fmt.Sprintf("it is not in AWS any more, or not everywhere yet (%s of %s); it is looked at again", r.code, r.name)
}

func rejectedMessage(r apiError) string {
	return fmt.Sprintf("AWS %s refuses %s: %s: %s", r.service(), r.name, r.code, r.text)
}

func unmodifiableMessage(r apiError) string {
	return "IAM does not let this role be changed, which is so of roles that belong to an AWS service: " + r.text
}

func boundaryNotFoundMessage(r apiError) string {
	arn := r.boundary
	if m := noSuchBoundary.FindStringSubmatch(r.text); m != nil {
		arn = m[1]
	}
	return fmt.Sprintf("the permissions boundary %s does not exist or cannot be a boundary: create that policy, or name another", arn)
}

func policyNotFoundMessage(r apiError) string {
	return fmt.Sprintf("the managed policy %s does not exist: create it, or correct spec.policies.managed", r.policy)
}

func policyRejectedMessage(r apiError) string {
	return fmt.Sprintf("%s: AWS refuses the policy: %s", cmp.Or(r.document, "a policy"), r.text)
}

func issuerUnreachableMessage(r apiError) string {
	return "IAM cannot read the OIDC issuer's discovery document and keys, which must be reachable from the internet: " + r.text
}

func credentialsMessage(r apiError) string {
	return fmt.Sprintf("AWS %s does not accept the operator's credentials (%s): they are wrong, expired or not active, or the node's clock is wrong; see %s", r.service(), r.code, readme)
}

func clockSkewMessage(r apiError) string {
	return fmt.Sprintf("AWS %s refuses a request for its date (%s): the node's clock is wrong", r.service(), r.code)
}

// credentialsErrorMessage says that there are no credentials, and AWS's reason if it
// gave one. Of a token that has expired AWS tells the times, which differ between
// attempts.
func credentialsErrorMessage(code, text string) string {
	switch code {
	case "":
		return "the operator has no AWS credentials: give its ServiceAccount a role with the annotation eks.amazonaws.com/role-arn; see " + readme
	case "ExpiredTokenException":
		return "AWS gives the operator no credentials: its ServiceAccount's token has expired (ExpiredTokenException), which the kubelet was to renew, or the node's clock is wrong; see " + readme
	}
	return fmt.Sprintf("AWS gives the operator no credentials: %s: %s; see %s", code, text, readme)
}

// What AWS says of a call that is not allowed.
var (
	deniedAction = regexp.MustCompile(`not authorized to perform: ([a-z0-9-]+:[A-Za-z0-9]+)(?: on resource: (.+?))?(?: (?:because|with) .*)?$`)
	deniedBy     = regexp.MustCompile(`(explicit deny|because no)(?: in)? ?((?:an? )?(?:identity-based policy|permissions boundary|service control policy|resource control policy|resource-based policy|session policy|VPC endpoint policy))?`)
)

// accessDeniedMessage names the missing action. AWS knows better than the operation which
// it is: to create a role with tags needs iam:TagRole too. The caller, whom AWS
// names as well, is left out, for the name of its session changes.
func accessDeniedMessage(r apiError) string {
	what := r.action()
	if m := deniedAction.FindStringSubmatch(r.text); m != nil {
		what = m[1]
		if m[2] != "" {
			what += " on " + m[2]
		}
	}
	see := "see " + operatorPolicy
	if r.onProvider() && r.name != "GetOpenIDConnectProvider" {
		see = "see " + providerPolicy
	}
	var how, policy string
	if m := deniedBy.FindStringSubmatch(r.text); m != nil {
		how, policy = m[1], m[2]
	}
	switch {
	case how == "explicit deny":
		return fmt.Sprintf("an explicit deny in %s keeps the operator from %s; %s", cmp.Or(policy, "a policy"), what, see)
	case policy == "" || policy == "identity-based policy":
		return fmt.Sprintf("the operator's IAM policy does not allow %s; %s", what, see)
	default:
		return fmt.Sprintf("no %s that applies to the operator allows %s; its IAM policy is not enough", policy, what)
	}
}

// What AWS says of a quota.
var (
	namedQuota  = regexp.MustCompile(`quota for (\w+): (\d+)`)
	inlineQuota = regexp.MustCompile(`policy size of (\d+) bytes exceeded`)
)

// quotaNames maps AWS's names of the quotas that the operator can meet to what
// they count, and to their keys in GetAccountSummary if they are there.
var quotaNames = map[string]struct{ counts, key string }{
	"ACLSizePerRole":                    {"characters in the trust policy of a role", "AssumeRolePolicySizeQuota"},
	"ClientIdsPerOpenIdConnectProvider": {"audiences of an OIDC provider", ""},
	"OpenIdConnectProvidersPerAccount":  {"OIDC providers in the account", ""},
	"PoliciesPerRole":                   {"managed policies attached to a role", "AttachedPoliciesPerRoleQuota"},
	"RolePolicySize":                    {"characters in all inline policies of a role", "RolePolicySizeQuota"},
	"RolesPerAccount":                   {"roles in the account", "RolesQuota"},
	"TagsPerRole":                       {"tags of a role", ""},
}

// quotaOf names the quota that an operation meets if AWS does not say.
var quotaOf = map[string]string{
	"AttachRolePolicy":       "PoliciesPerRole",
	"CreateRole":             "RolesPerAccount",
	"PutRolePolicy":          "RolePolicySize",
	"TagRole":                "TagsPerRole",
	"UpdateAssumeRolePolicy": "ACLSizePerRole",
}

// quotaMessage names the quota and its value: the account's own if that can be found
// out, else what AWS says.
func quotaMessage(r apiError) string {
	name, value := quotaOf[r.name], ""
	if m := namedQuota.FindStringSubmatch(r.text); m != nil {
		name, value = m[1], m[2]
	} else if m := inlineQuota.FindStringSubmatch(r.text); m != nil {
		name, value = "RolePolicySize", m[1]
	}
	quota, known := quotaNames[name]
	if !known {
		return fmt.Sprintf("a quota of IAM is used up: %s; use less, or have it raised in AWS Service Quotas", r.text)
	}
	if quota.key != "" {
		if v, ok := r.quota(quota.key); ok {
			value = strconv.Itoa(int(v))
		}
		name = quota.key
	}
	if value != "" {
		name += ": " + value
	}
	return fmt.Sprintf("the quota of %s (%s) is used up; use less, or have it raised in AWS Service Quotas", quota.counts, name)
}

// unreachableMessage says why there is no answer of that service.
func unreachableMessage(service string, err error) string {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.HTTPStatusCode() != 0 {
		return fmt.Sprintf("AWS %s cannot be reached: the answer, of HTTP status %d, is none of AWS's; is there a proxy?", service, answer.HTTPStatusCode())
	}
	text := fmt.Sprintf("AWS %s cannot be reached", service)
	if why := networkCause(err); why != "" {
		text += ": " + why
	}
	return text
}

// notSentMessage says why a request could not be made.
func notSentMessage(c operation, err error) string {
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		err = op.Err // without the names of service and operation
	}
	return fmt.Sprintf("AWS %s cannot be asked for %s: %s", c.service(), c.name, redact(err.Error()))
}

// networkCause returns why a connection failed, without the addresses and ports
// that differ between attempts, or "".
func networkCause(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "the name " + dns.Name + " is not known"
		}
		return "the name " + dns.Name + " cannot be looked up"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its certificate is of an unknown authority; is there a proxy, whose certificate belongs in AWS_CA_BUNDLE?"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "its certificate is for another name"
	}
	for _, known := range []struct {
		err  error
		says string
	}{
		{syscall.ECONNREFUSED, "connection refused"},
		{syscall.ECONNRESET, "connection closed"},
		{syscall.EPIPE, "connection closed"},
		{io.EOF, "connection closed"},
		{io.ErrUnexpectedEOF, "connection closed"},
		{syscall.ENETUNREACH, "there is no route"},
		{syscall.EHOSTUNREACH, "there is no route"},
		{context.DeadlineExceeded, "no answer in time"},
	} {
		if errors.Is(err, known.err) {
			return known.says
		}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "no answer in time"
	}
	return ""
}

// What AWS says of things that do not exist.
var (
	noSuchBoundary = regexp.MustCompile(`^Scope ARN: (\S+) does not exist or is not attachable`)
	noSuchRole     = regexp.MustCompile(`(?i)^(the )?role (with name )?\S+ (cannot be found|not found|does not exist)`)
)

// What AWS's own words may hold that differs between attempts.
var unstableText = []struct {
	is    *regexp.Regexp
	twist string
}{
	{regexp.MustCompile(`(arn:[\w-]+:sts::\d*:(?:assumed-role|federated-user)/[\w+=,.@-]+)/[\w+=,.@-]+`), "$1"},
	{regexp.MustCompile(`(?i)[\s,;(]*request ?id:? *[0-9a-f-]{8,}\)?`), ""},
	{regexp.MustCompile(`(?i)\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`), "…"},
	{regexp.MustCompile(`\b\d{4}-?\d{2}-?\d{2}T\d{2}:?\d{2}:?\d{2}(\.\d+)?Z?`), "…"},
	{regexp.MustCompile(`\s+`), " "},
}

// maxMessage is how much of AWS's words is kept: a condition holds 32768
// characters, and a reader's patience less.
const maxMessage = 1000

// redact returns AWS's words without session names, request IDs and times.
func redact(text string) string {
	for _, u := range unstableText {
		text = u.is.ReplaceAllString(text, u.twist)
	}
	text = strings.TrimRight(strings.TrimSpace(text), ".")
	if runes := []rune(text); len(runes) > maxMessage {
		text = string(runes[:maxMessage]) + "…"
	}
	return text
}
