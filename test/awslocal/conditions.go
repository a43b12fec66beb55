package awslocal

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The condition keys of all calls:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html

// contextOf returns the condition keys of a permission that a call needs.
func (c *call) contextOf(n requiredPermission) map[string][]string {
	keys := c.requestKeys()
	maps.Copy(keys, c.callerKeys())
	for _, t := range n.resource.tags {
		keys["aws:ResourceTag/"+t.key] = []string{t.value}
		if !strings.HasPrefix(n.action, "eks:") {
			keys["iam:ResourceTag/"+t.key] = []string{t.value}
		}
	}
	maps.Copy(keys, n.keys)
	return keys
}

// requestKeys describe the call itself.
func (c *call) requestKeys() map[string][]string {
	keys := map[string][]string{
		"aws:CurrentTime":     {c.now.Format(time.RFC3339)},
		"aws:EpochTime":       {strconv.FormatInt(c.now.Unix(), 10)},
		"aws:RequestedRegion": {c.srv.options.Region},
		"aws:SecureTransport": {strconv.FormatBool(c.http.TLS != nil)},
		"aws:ViaAWSService":   {"false"},
	}
	if c.service == "iam" && c.srv.options.Partition == "aws" {
		keys["aws:RequestedRegion"] = []string{"us-east-1"} // where IAM is, for all regions
	}
	if host, _, err := net.SplitHostPort(c.http.RemoteAddr); err == nil {
		keys["aws:SourceIp"] = []string{host}
	}
	if agent := c.http.UserAgent(); agent != "" {
		keys["aws:UserAgent"] = []string{agent}
	}
	if c.in.Has("RoleSessionName") {
		keys["sts:RoleSessionName"] = []string{c.in.Str("RoleSessionName")}
	}
	return keys
}

// callerKeys describe the caller.
func (c *call) callerKeys() map[string][]string {
	keys := map[string][]string{
		"aws:PrincipalAccount":      {c.caller.account()},
		"aws:PrincipalIsAWSService": {"false"},
		"aws:userid":                {c.caller.userID},
	}
	principal, kind := c.caller.principal()
	keys["aws:PrincipalArn"], keys["aws:PrincipalType"] = []string{principal}, []string{kind}
	if kind == "User" {
		keys["aws:username"] = []string{principal[strings.LastIndex(principal, "/")+1:]}
	}
	ses := c.caller.session
	if ses == nil {
		return keys
	}
	keys["aws:MultiFactorAuthPresent"] = []string{"false"}
	keys["aws:TokenIssueTime"] = []string{ses.issued.Format(time.RFC3339)}
	if ses.sourceIdentity != "" {
		keys["aws:SourceIdentity"] = []string{ses.sourceIdentity}
	}
	tags := ses.tags
	if r := c.st.roleOf(ses); r != nil {
		tags = slices.Concat(r.tags, tags) // the session's overrule the role's
	}
	for _, t := range tags {
		keys["aws:PrincipalTag/"+strings.ToLower(t.key)] = []string{t.value}
	}
	return keys
}

// principal is the user, role or account that a caller acts as, and its kind.
func (c caller) principal() (arn, kind string) {
	a, _ := parseARN(c.arn)
	resource, name, _ := strings.Cut(a.resource, "/")
	switch {
	case c.session != nil:
		return c.session.role.arn, "AssumedRole"
	case resource == "assumed-role":
		role, _, _ := strings.Cut(name, "/")
		return "arn:" + a.partition + ":iam::" + a.account + ":role/" + role, "AssumedRole"
	case resource == "root":
		return c.arn, "Account"
	}
	return c.arn, "User"
}
