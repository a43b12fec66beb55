package awslocal

import (
	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// The quotas that GetAccountSummary does not contain:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxTags        = 50
	maxProviders   = 100
	maxClientIDs   = 100
	maxThumbprints = 5
)

// defaultQuotas are those of a new account, by their names in GetAccountSummary.
var defaultQuotas = map[string]int{
	"AccessKeysPerUserQuota":          2,
	"AssumeRolePolicySizeQuota":       2048,
	"AttachedPoliciesPerGroupQuota":   10,
	"AttachedPoliciesPerRoleQuota":    10,
	"AttachedPoliciesPerUserQuota":    10,
	"GroupPolicySizeQuota":            5120,
	"GroupsPerUserQuota":              10,
	"GroupsQuota":                     300,
	"InstanceProfilesQuota":           1000,
	"PoliciesQuota":                   1500,
	"PolicySizeQuota":                 6144,
	"PolicyVersionsInUseQuota":        10000,
	"RolePolicySizeQuota":             10240,
	"RolesQuota":                      1000,
	"ServerCertificatesQuota":         20,
	"SigningCertificatesPerUserQuota": 2,
	"UserPolicySizeQuota":             2048,
	"UsersQuota":                      5000,
	"VersionsPerPolicyQuota":          5,
}

// associationsQuota is the name here of the quota of Pod Identity associations in a cluster.
// https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
const associationsQuota = "PodIdentityAssociationsPerCluster"

// eksQuotas are quotas that GetAccountSummary, which is IAM's, does not contain.
var eksQuotas = map[string]int{associationsQuota: 5000}

func (s *Server) quota(name string) int {
	if n, ok := s.options.Quotas[name]; ok {
		return n
	}
	return defaultQuotas[name] + eksQuotas[name]
}

// within rejects a count that exceeds a quota; name is the quota's name in AWS's message.
func (s *Server) within(count int, quota, name string) error {
	if limit := s.quota(quota); count > limit {
		return exceeded(name, limit)
	}
	return nil
}

func exceeded(name string, limit int) error {
	return model.Errorf("LimitExceeded", "Cannot exceed quota for %s: %d", name, limit)
}

// checkTrustSize rejects a trust policy that is too long without its white space.
func (s *Server) checkTrustSize(document string) error {
	return s.within(policy.Size(document), "AssumeRolePolicySizeQuota", "ACLSizePerRole")
}

// checkInlineSize rejects the inline policies of a role if their total length, without
// white space, is too large.
func (s *Server) checkInlineSize(r *role) error {
	size := 0
	for _, document := range r.inline {
		size += policy.Size(document)
	}
	if limit := s.quota("RolePolicySizeQuota"); size > limit {
		return model.Errorf("LimitExceeded", "Maximum policy size of %d bytes exceeded for role %s", limit, r.name)
	}
	return nil
}
