package policy

import (
	"regexp"
	"slices"
	"strings"
)

func (c *checker) resources(s Statement, path, version string) {
	c.oneElement(path, "Resource", s.Resources != nil, s.NotResources != nil, len(s.Resources)+len(s.NotResources))
	problem := func(r string) string { return resourceProblem(r, version, c.place) }
	c.each(path, "Resource", s.Resources, problem)
	c.each(path, "NotResource", s.NotResources, problem)
}

// resourceProblem returns the rule that r violates, "" if there is none. The rules are
// those of IAM's messages: "must be in ARN format or \"*\"" and "Resource vendor must be
// fully qualified and cannot contain regexes".
func resourceProblem(r, version string, place Place) string {
	part := strings.SplitN(r, ":", 6)
	switch {
	case r == "*":
		return ""
	case part[0] != "arn" || len(part) < 3 || part[1] == "" || len(part) < 6 && !strings.HasSuffix(r, "*"):
		return "must be * or an ARN"
	case part[2] == "" || strings.ContainsAny(part[2], "*?"):
		return "must name the service, without wildcards"
	case version == Version2012 && hasVariable(strings.Join(part[:min(5, len(part))], ":")):
		return "must contain policy variables after the fifth colon only"
	}
	if problem := partitionProblem(part[1], place); problem != "" || len(part) < 6 || hasVariable(strings.Join(part[:5], ":")) {
		return problem
	}
	return segmentProblem(part[2], part[3], part[4], part[5])
}

// partitionName matches the names of AWS's partitions, also of later ones.
var partitionName = regexp.MustCompile(`^aws(-[a-z]+)*$`)

// partitionProblem returns the rule that the partition of an ARN violates. IAM accepts
// * for all of it ("Partition is not valid for resource"). A resource of another
// partition than the account's matches nothing.
func partitionProblem(partition string, place Place) string {
	switch {
	case partition == "*":
		return ""
	case !partitionName.MatchString(partition):
		return "must have a partition such as aws after the first colon, or *"
	case place.Partition != "" && partition != place.Partition:
		return "must be in partition " + place.Partition + ", as the cluster's AWS account"
	default:
		return ""
	}
}

// segmentProblem returns the rule that the region, the account or the resource of an ARN
// violates. A wildcard may be in any segment, even where IAM rejects a region: AWS's own
// examples have arn:aws:iam:*:…
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags_users.html).
func segmentProblem(service, region, account, resource string) string {
	switch {
	case !isResourceAccount(account):
		return "must have an account ID of 12 digits, or *, or nothing, after the fourth colon"
	case service == "s3" && isPlain(region) && !isRegionalS3(resource):
		return "must have no region: bucket names are global" // "can not contain region information"
	case service == "iam" && isPlain(region):
		return "must have no region: IAM is global" // "cannot contain region information"
	case service == "iam" && !isIAMResource(resource):
		return "must be *, root, or start with " + strings.Join(iamResources, ", ") + " after the fifth colon"
	default:
		return ""
	}
}

// regionalS3 are the beginnings of the resources of S3 that have a region, unlike buckets
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html#amazons3-resources-for-iam-policies).
var regionalS3 = []string{"accesspoint/", "job/", "storage-lens/", "storage-lens-group/", "access-grants/", "async-request/"}

// isRegionalS3 accepts a wildcard or a variable in the first part of the path.
func isRegionalS3(resource string) bool {
	head, _, _ := strings.Cut(resource, "/")
	return strings.ContainsAny(head, "*?") || hasVariable(head) ||
		slices.ContainsFunc(regionalS3, func(prefix string) bool { return strings.HasPrefix(resource, prefix) })
}

// isPlain reports whether s is not empty and has no wildcard.
func isPlain(s string) bool { return s != "" && !strings.ContainsAny(s, "*?") }

// isResourceAccount accepts an account ID, a pattern, and the names that AWS has instead
// of an account in ARNs of its own resources, such as aws and amazon.
func isResourceAccount(account string) bool {
	lettersOnly := !strings.ContainsFunc(account, func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' })
	return lettersOnly || isAccount(account) || strings.ContainsAny(account, "*?") || hasVariable(account)
}

// iamResources are the beginnings of IAM's resources, as IAM's message lists them: "IAM
// resource path must either be "*", root, or start with user/, federated-user/, …".
var iamResources = []string{
	"user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/",
	"sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/",
}

// isIAMResource accepts a wildcard or a variable in the first part of the path.
func isIAMResource(resource string) bool {
	head, _, _ := strings.Cut(resource, "/")
	return resource == "root" || strings.ContainsAny(head, "*?") || hasVariable(head) ||
		slices.ContainsFunc(iamResources, func(prefix string) bool { return strings.HasPrefix(resource, prefix) })
}
