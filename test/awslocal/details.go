package awslocal

import (
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// getAccountAuthorizationDetails shows the roles with all their attachments,
// the account's policies with all their versions, and those of AWS's that are
// in use. It leaves out descriptions and session durations.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
func getAccountAuthorizationDetails(c *call) (model.Struct, error) {
	filter := c.in.Strings("Filter")
	wanted := func(kind string) bool { return len(filter) == 0 || slices.Contains(filter, kind) }

	var entities []any
	if wanted("Role") {
		for _, r := range sorted(c.st.roles, func(r *role) string { return r.name }) {
			entities = append(entities, r)
		}
	}
	used := c.usedPolicies()
	for _, p := range c.allPolicies() {
		if !p.aws && wanted("LocalManagedPolicy") || p.aws && wanted("AWSManagedPolicy") && used[p.arn] != (uses{}) {
			entities = append(entities, p)
		}
	}

	out := model.Struct{"UserDetailList": []any{}, "GroupDetailList": []any{}}
	entities, err := page(c, out, entities, entityKey)
	if err != nil {
		return nil, err
	}
	roles, policies := []any{}, []any{}
	for _, e := range entities {
		switch e := e.(type) {
		case *role:
			roles = append(roles, c.roleDetail(e))
		case *managedPolicy:
			policies = append(policies, c.policyDetail(e))
		}
	}
	out["RoleDetailList"], out["Policies"] = roles, policies
	return out, nil
}

// entityKey is unique among entities of all kinds.
func entityKey(e any) string {
	switch e := e.(type) {
	case *role:
		return e.arn
	case *managedPolicy:
		return e.arn
	}
	return ""
}

func (c *call) roleDetail(r *role) model.Struct {
	inline := []any{}
	for _, name := range slices.Sorted(maps.Keys(r.inline)) {
		inline = append(inline, model.Struct{"PolicyName": name, "PolicyDocument": encodeDocument(r.inline[name])})
	}
	out := roleSummary(r)
	addBoundary(out, r)
	out["InstanceProfileList"] = c.profileItems(c.profiles(func(p *instanceProfile) bool { return p.role == strings.ToLower(r.name) }))
	out["RolePolicyList"] = inline
	out["AttachedManagedPolicies"] = attachedPolicies(r.attached)
	out["Tags"] = tagValues(r.tags)
	out["RoleLastUsed"] = c.lastUsed(r)
	return out
}

func (c *call) policyDetail(p *managedPolicy) model.Struct {
	versions := []any{}
	for _, v := range slices.Backward(p.versions) {
		versions = append(versions, versionDetail(v))
	}
	out := c.policyItem(p, c.uses(p.arn))
	out["PolicyVersionList"] = versions
	return out
}

// getAccountSummary returns counts and quotas. "Per user" and other things that this
// endpoint does not have count zero.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
func getAccountSummary(c *call) (model.Struct, error) {
	versions := 0
	for _, p := range c.st.policies {
		versions += len(p.versions)
	}
	summary := model.Struct{}
	for name, n := range map[string]int{
		"AccountAccessKeysPresent":          0,
		"AccountMFAEnabled":                 0,
		"AccountPasswordPresent":            0,
		"AccountSigningCertificatesPresent": 0,
		"GlobalEndpointTokenVersion":        1,
		"Groups":                            0,
		"InstanceProfiles":                  len(c.st.profiles),
		"MFADevices":                        0,
		"MFADevicesInUse":                   0,
		"Policies":                          len(c.st.policies),
		"PolicyVersionsInUse":               versions,
		"Providers":                         len(c.st.providers),
		"Roles":                             len(c.st.roles),
		"ServerCertificates":                0,
		"Users":                             0,
	} {
		summary[name] = int64(n)
	}
	for name := range defaultQuotas {
		summary[name] = int64(c.srv.quota(name))
	}
	return model.Struct{"SummaryMap": summary}, nil
}
