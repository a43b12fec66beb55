package awsiam

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// observed converts a role that GetRole or ListRoles returned: everything except its
// policies. decode returns the canonical form of a policy document that AWS returned.
func observed(role *iamtypes.Role, decode func(string) policy.Document) *plan.Observed {
	found := &plan.Observed{
		Role: plan.Role{
			Name:               aws.ToString(role.RoleName),
			Path:               aws.ToString(role.Path),
			Description:        aws.ToString(role.Description),
			MaxSessionDuration: plan.DefaultMaxSessionDuration,
			Trust:              decode(aws.ToString(role.AssumeRolePolicyDocument)),
			Tags:               tagMap(role.Tags),
		},
		ARN:       aws.ToString(role.Arn),
		ID:        aws.ToString(role.RoleId),
		CreatedAt: aws.ToTime(role.CreateDate),
	}
	if role.MaxSessionDuration != nil {
		found.MaxSessionDuration = *role.MaxSessionDuration
	}
	if role.PermissionsBoundary != nil {
		found.Boundary = aws.ToString(role.PermissionsBoundary.PermissionsBoundaryArn)
	}
	found.LastUsedAt = lastUsed(role.RoleLastUsed)
	return found
}

// lastUsed returns the time of a RoleLastUsed, zero if it has none. ListRoles omits it.
func lastUsed(u *iamtypes.RoleLastUsed) time.Time {
	if u == nil {
		return time.Time{}
	}
	return aws.ToTime(u.LastUsedDate)
}

// document returns a policy document that AWS returned, in canonical form. A text that is
// not a policy is returned unchanged: it equals no desired policy, so it is corrected like
// any other drift.
//
// IAM percent-encodes documents by RFC 3986, and the SDK does not decode them. A + stands
// for itself there, hence PathUnescape.
func document(encoded string) policy.Document {
	raw, err := url.PathUnescape(encoded)
	if err != nil {
		raw = encoded
	}
	parsed, err := policy.Parse([]byte(raw))
	if err != nil {
		return policy.Document(raw)
	}
	return parsed
}

// inlinePolicy returns an inline policy that AWS returned.
func inlinePolicy(encoded string) plan.InlinePolicy {
	return plan.InlinePolicy{Document: document(encoded)}
}

// attachedARNs returns the sorted ARNs of attached policies.
func attachedARNs(attached []iamtypes.AttachedPolicy) []string {
	var arns []string
	for _, p := range attached {
		arns = append(arns, aws.ToString(p.PolicyArn))
	}
	slices.Sort(arns)
	return arns
}

// tagMap returns tags, except AWS's own, which no caller can change.
func tagMap(tags []iamtypes.Tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, tag := range tags {
		if key := aws.ToString(tag.Key); !strings.HasPrefix(strings.ToLower(key), "aws:") {
			m[key] = aws.ToString(tag.Value)
		}
	}
	return m
}

// tagList returns tags in the SDK's form, sorted by key.
func tagList(tags map[string]string) []iamtypes.Tag {
	list := make([]iamtypes.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, iamtypes.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	return list
}

// optional returns an optional parameter: nil for "".
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
