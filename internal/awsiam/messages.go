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

// stableError is an error that users read. Its text does not change between attempts,
// unlike that of its cause, which contains request IDs, attempts and times.
type stableError struct {
	text  string
	cause error
}

func (s *stableError) Error() string { return s.text }
func (s *stableError) Unwrap() error { return s.cause }

// The files that messages refer to.
const (
	operatorPolicy = "config/aws/operator-policy.json"
	providerPolicy = "config/aws/operator-policy-oidc-provider.json"
	readme         = "config/aws/README.md"
)

func throttledMessage(r apiError) string {
	if r.code == "ConcurrentModification" || r.code == "EntityTemporarilyUnmodifiable" {
		return fmt.Sprintf("concurrent modification (%s of %s); retrying", r.code, r.name)
	}
	return fmt.Sprintf("AWS %s is throttling this account (%s of %s); retrying", r.service(), r.code, r.name)
}

func unavailableMessage(r apiError) string {
	return fmt.Sprintf("AWS %s is temporarily unavailable (%s of %s); retrying", r.service(), r.code, r.name)
}

func conflictMessage(r apiError) string {
	return fmt.Sprintf("the role changed during reconciliation (%s of %s); retrying", r.code, r.name)
}

func notFoundMessage(r apiError) string {
	return fmt.Sprintf("resource not found; it was deleted or has not propagated yet (%s of %s); retrying", r.code, r.name)
}

func rejectedMessage(r apiError) string {
	return fmt.Sprintf("AWS %s rejected %s: %s: %s", r.service(), r.name, r.code, r.text)
}

func unmodifiableMessage(r apiError) string {
	return "role cannot be modified (service-linked roles are managed by AWS): " + r.text
}

func boundaryNotFoundMessage(r apiError) string {
	arn := r.boundary
	if m := noSuchBoundary.FindStringSubmatch(r.text); m != nil {
		arn = m[1]
	}
	return fmt.Sprintf("permissions boundary %s does not exist or is not attachable; create it or use a different one", arn)
}

func policyNotFoundMessage(r apiError) string {
	const missing = "managed policy %s not found; "
	before, name, ofAWS := strings.Cut(r.policy, ":iam::aws:policy/")
	switch {
	case !ofAWS:
		return fmt.Sprintf(missing+"create it or fix spec.policies.managed", r.policy)
	case strings.Contains(name, "/"):
		return fmt.Sprintf(missing+"AWS has no policy of this name; fix spec.policies.managed (aws iam list-policies --scope AWS)", r.policy)
	default:
		return fmt.Sprintf(missing+"AWS has no policy of this name without a path; policies for service roles have one, such as "+
			"%s:iam::aws:policy/service-role/%s; fix spec.policies.managed (aws iam list-policies --scope AWS)", r.policy, before, name)
	}
}

func notAttachableMessage(r apiError) string {
	return fmt.Sprintf("managed policy %s in spec.policies.managed cannot be attached to this role: %s; use a different policy", r.policy, r.text)
}

// instanceProfileMessage contains the command to run: the operator's policy covers only
// instance profiles under its own path, and the operator creates none.
func instanceProfileMessage(r apiError) string {
	return fmt.Sprintf("the role is in instance profile %[1]s, which the operator is not allowed to change; "+
		"run: aws iam remove-role-from-instance-profile --instance-profile-name %[1]s --role-name %[2]s", r.profile, r.role)
}

func policyRejectedMessage(r apiError) string {
	return fmt.Sprintf("%s: AWS rejected the policy document: %s", cmp.Or(r.document, "a policy"), r.text)
}

func issuerUnreachableMessage(r apiError) string {
	return "IAM cannot fetch the issuer's discovery document or JWKS; both must be publicly reachable: " + r.text
}

func credentialsMessage(r apiError) string {
	return fmt.Sprintf("AWS %s rejected the operator's credentials (%s): invalid, expired or inactive, or node clock skew; see %s", r.service(), r.code, readme)
}

func clockSkewMessage(r apiError) string {
	return fmt.Sprintf("AWS %s rejected the request timestamp (%s): check the node's clock", r.service(), r.code)
}

// credentialsErrorMessage reports that there are no credentials, with AWS's reason if it
// gave one. AWS's message about an expired token is omitted, because it contains times,
// which differ between attempts.
func credentialsErrorMessage(code, text string) string {
	switch code {
	case "":
		return "no AWS credentials found: annotate the operator's ServiceAccount with eks.amazonaws.com/role-arn; see " + readme
	case "ExpiredTokenException":
		return "AWS STS denied the operator's credentials request: the projected token has expired (ExpiredTokenException), which the kubelet should have rotated, or the node's clock is wrong; see " + readme
	}
	return fmt.Sprintf("AWS STS denied the operator's credentials request: %s: %s; see %s", code, text, readme)
}

// Patterns of AWS's messages about calls that are not authorized.
var (
	deniedAction = regexp.MustCompile(`not authorized to perform: ([a-z0-9-]+:[A-Za-z0-9]+)(?: on resource: (.+?))?(?: (?:because|with) .*)?$`)
	deniedBy     = regexp.MustCompile(`(explicit deny|because no)(?: in)? ?((?:an? )?(?:identity-based policy|permissions boundary|service control policy|resource control policy|resource-based policy|session policy|VPC endpoint policy))?`)
)

// accessDeniedMessage names the missing action as AWS reports it, which can differ from
// the operation: creating a role with tags also needs iam:TagRole. It omits the caller,
// because the name of its session changes.
func accessDeniedMessage(r apiError) string {
	if r.profile != "" {
		return instanceProfileMessage(r)
	}
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
		return fmt.Sprintf("%s is explicitly denied by %s; %s", what, cmp.Or(policy, "a policy"), see)
	case policy == "" || policy == "identity-based policy":
		return fmt.Sprintf("the operator is missing the IAM permission %s; %s", what, see)
	default:
		return fmt.Sprintf("%s is not allowed by any %s that applies to the operator", what, policy)
	}
}

// Patterns of AWS's messages about quotas.
var (
	namedQuota  = regexp.MustCompile(`quota for (\w+): (\d+)`)
	inlineQuota = regexp.MustCompile(`policy size of (\d+) bytes exceeded`)
)

// quotaNames maps AWS's names of the quotas that the operator can reach to what they
// count, and to their keys in GetAccountSummary if it contains them.
var quotaNames = map[string]struct{ counts, key string }{
	"ACLSizePerRole":                    {"characters in the trust policy of a role", "AssumeRolePolicySizeQuota"},
	"ClientIdsPerOpenIdConnectProvider": {"audiences of an OIDC provider", ""},
	"OpenIdConnectProvidersPerAccount":  {"OIDC providers in the account", ""},
	"PoliciesPerRole":                   {"managed policies attached to a role", "AttachedPoliciesPerRoleQuota"},
	"RolePolicySize":                    {"characters in all inline policies of a role", "RolePolicySizeQuota"},
	"RolesPerAccount":                   {"roles in the account", "RolesQuota"},
	"TagsPerRole":                       {"tags of a role", ""},
}

// quotaOf names the quota that an operation reaches if AWS does not name it.
var quotaOf = map[string]string{
	"AttachRolePolicy":       "PoliciesPerRole",
	"CreateRole":             "RolesPerAccount",
	"PutRolePolicy":          "RolePolicySize",
	"TagRole":                "TagsPerRole",
	"UpdateAssumeRolePolicy": "ACLSizePerRole",
}

// quotaMessage names the quota and its value: the account's own if it is known, otherwise
// the one in AWS's message.
func quotaMessage(r apiError) string {
	name, value := quotaOf[r.name], ""
	if m := namedQuota.FindStringSubmatch(r.text); m != nil {
		name, value = m[1], m[2]
	} else if m := inlineQuota.FindStringSubmatch(r.text); m != nil {
		name, value = "RolePolicySize", m[1]
	}
	quota, known := quotaNames[name]
	if !known {
		return fmt.Sprintf("IAM quota exceeded: %s; reduce usage or request an increase in AWS Service Quotas", r.text)
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
	return fmt.Sprintf("IAM quota exceeded: %s (%s); reduce usage or request an increase in AWS Service Quotas", quota.counts, name)
}

// unreachableMessage states why a service did not answer.
func unreachableMessage(service string, err error) string {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.HTTPStatusCode() != 0 {
		return fmt.Sprintf("AWS %s is unreachable: unexpected HTTP %d response that is not from AWS; check for a proxy", service, answer.HTTPStatusCode())
	}
	text := fmt.Sprintf("AWS %s is unreachable", service)
	if why := networkCause(err); why != "" {
		text += ": " + why
	}
	return text
}

// notSentMessage states why a request could not be built.
func notSentMessage(c operation, err error) string {
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		err = op.Err // without the names of service and operation
	}
	return fmt.Sprintf("cannot call AWS %s %s: %s", c.service(), c.name, redact(err.Error()))
}

// networkCause returns why a connection failed, without the addresses and ports
// that differ between attempts, or "".
func networkCause(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "DNS name " + dns.Name + " not found"
		}
		return "DNS lookup of " + dns.Name + " failed"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "certificate signed by unknown authority; if you use a TLS proxy, add its CA to AWS_CA_BUNDLE"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "certificate is valid for a different host name"
	}
	for _, known := range []struct {
		err  error
		text string
	}{
		{syscall.ECONNREFUSED, "connection refused"},
		{syscall.ECONNRESET, "connection closed"},
		{syscall.EPIPE, "connection closed"},
		{io.EOF, "connection closed"},
		{io.ErrUnexpectedEOF, "connection closed"},
		{syscall.ENETUNREACH, "no route to host"},
		{syscall.EHOSTUNREACH, "no route to host"},
		{context.DeadlineExceeded, "request timed out"},
	} {
		if errors.Is(err, known.err) {
			return known.text
		}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "request timed out"
	}
	return ""
}

// Patterns of AWS's messages about things that do not exist.
var (
	noSuchBoundary = regexp.MustCompile(`^Scope ARN: (\S+) does not exist or is not attachable`)
	noSuchRole     = regexp.MustCompile(`(?i)^(the )?role (with name )?\S+ (cannot be found|not found|does not exist)`)
)

// unstableText matches the parts of AWS's messages that differ between attempts.
var unstableText = []struct {
	pattern     *regexp.Regexp
	replacement string
}{
	{regexp.MustCompile(`(arn:[\w-]+:sts::\d*:(?:assumed-role|federated-user)/[\w+=,.@-]+)/[\w+=,.@-]+`), "$1"},
	{regexp.MustCompile(`(?i)[\s,;(]*request ?id:? *[0-9a-f-]{8,}\)?`), ""},
	{regexp.MustCompile(`(?i)\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`), "…"},
	{regexp.MustCompile(`\b\d{4}-?\d{2}-?\d{2}T\d{2}:?\d{2}:?\d{2}(\.\d+)?Z?`), "…"},
	{regexp.MustCompile(`\s+`), " "},
}

// maxMessage is the number of characters that are kept of an AWS message. A condition can
// hold 32768, which is more than a user reads.
const maxMessage = 1000

// redact returns an AWS message without session names, request IDs and times.
func redact(text string) string {
	for _, u := range unstableText {
		text = u.pattern.ReplaceAllString(text, u.replacement)
	}
	text = strings.TrimRight(strings.TrimSpace(text), ".")
	if runes := []rune(text); len(runes) > maxMessage {
		text = string(runes[:maxMessage]) + "…"
	}
	return text
}
