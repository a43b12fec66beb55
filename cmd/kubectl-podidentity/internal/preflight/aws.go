package preflight

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/orphan"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// issuer checks that AWS can know the issuer.
func issuer(f Facts) Check {
	const name = "issuer"
	if f.Issuer == "" {
		return unknown(name, f.IssuerProblem)
	}
	if _, err := policy.IssuerHostPath(f.Issuer); err != nil {
		return Check{name, check.Broken, err.Error(), "set --service-account-issuer of the API server to an https:// URL that AWS can reach"}
	}
	return ok(name, "the issuer is "+f.Issuer)
}

// keys checks that the issuer publishes the keys with which the API server signs.
func keys(f Facts) Check {
	const name = "keys"
	switch {
	case f.Issuer == "":
		return unknown(name, "without the issuer, its keys are not known")
	case f.KeysProblem != "":
		return unknown(name, f.KeysProblem)
	case f.PublishedProblem != "":
		return Check{
			name, check.Broken, "the issuer cannot be reached from here: " + f.PublishedProblem,
			"AWS must reach " + f.Issuer + "/.well-known/openid-configuration over the internet, with a certificate of a public authority",
		}
	}
	for _, k := range f.Keys {
		if !slices.Contains(f.Published, k) {
			return Check{
				name, check.Broken, "the issuer does not publish a key with which the API server signs, so AWS rejects its tokens",
				"publish the output of kubectl get --raw /openid/v1/jwks at the issuer",
			}
		}
	}
	return ok(name, "the issuer publishes the keys of the API server")
}

func provider(f Facts) Check {
	const name = "provider"
	switch {
	case f.AWS == nil:
		return unknown(name, f.AWSProblem)
	case f.Issuer == "":
		return unknown(name, "without the issuer, the provider is not known")
	case f.AWS.ProviderProblem != "":
		return unknown(name, f.AWS.ProviderProblem)
	case f.AWS.Provider == nil:
		return Check{
			name, check.Broken, "IAM of account " + f.AWS.AccountID + " has no OIDC provider for the issuer",
			"aws iam create-open-id-connect-provider --url " + f.Issuer + " --client-id-list " + audienceOf(f),
		}
	default:
		return ok(name, "IAM has an OIDC provider for the issuer")
	}
}

func audienceOf(f Facts) string {
	if f.Operator != nil && f.Operator.Options.Audience != "" {
		return f.Operator.Options.Audience
	}
	return plan.DefaultAudience
}

func audience(f Facts) Check {
	const name = "audience"
	if f.AWS == nil || f.AWS.Provider == nil {
		return unknown(name, "without the provider, its audiences are not known")
	}
	if !slices.Contains(f.AWS.Provider.Audiences, audienceOf(f)) {
		return Check{
			name, check.Broken, "the provider does not accept audience " + audienceOf(f),
			"aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn " + f.AWS.Provider.ARN + " --client-id " + audienceOf(f),
		}
	}
	return ok(name, "the provider accepts audience "+audienceOf(f))
}

// otherClusters looks for other clusters that use the operator's path or name.
func otherClusters(f Facts) Check {
	const name = "clusters"
	roles, problem := rolesOf(f)
	if problem != "" {
		return unknown(name, problem)
	}
	o := f.Operator.Options
	others, twins := map[string]bool{}, 0
	for _, r := range roles {
		switch cluster := r.Tags[plan.TagCluster]; {
		case cluster != "" && cluster != o.ClusterName && strings.HasPrefix(r.Path, o.RolePath):
			others[cluster] = true
		case cluster == o.ClusterName && strings.HasPrefix(f.Issuer, "https://") && trustsOther(r, f.Issuer):
			twins++
		}
	}
	if len(others) > 0 {
		return Check{
			name, check.Broken, "other clusters have roles below " + o.RolePath + ": " + strings.Join(slices.Sorted(maps.Keys(others)), ", "),
			"give each cluster its own --role-path: the operator's policy is limited to it",
		}
	}
	if twins > 0 {
		return Check{
			name, check.Broken, fmt.Sprintf("%d roles with this cluster's name trust another issuer: another cluster is also called %s, or this one was replaced", twins, o.ClusterName),
			"give each cluster in the account its own --cluster-name",
		}
	}
	return ok(name, "no other cluster uses "+o.RolePath+" or the name "+o.ClusterName)
}

// rolesOf returns the roles that matter to the operator, or why they are not known.
func rolesOf(f Facts) ([]role.Role, string) {
	switch {
	case f.AWS == nil:
		return nil, f.AWSProblem
	case f.AWS.RolesProblem != "":
		return nil, f.AWS.RolesProblem
	case f.Operator == nil || f.Operator.OptionsProblem != "":
		return nil, "without the operator's options, its roles are not known"
	default:
		return f.AWS.Roles, ""
	}
}

// trustsOther reports whether a role trusts an OIDC provider, but not that of the
// issuer.
func trustsOther(r role.Role, issuer string) bool {
	trust, err := r.Trust.Policy()
	if err != nil {
		return false
	}
	other := false
	for _, s := range trust.Statements {
		for _, p := range s.Principals {
			_, hostPath, found := strings.Cut(p.ID, ":oidc-provider/")
			if found && hostPath == strings.TrimPrefix(issuer, "https://") {
				return false
			}
			other = other || found
		}
	}
	return other
}

// quotas warns about quotas of the account that are nearly used up.
func quotas(f Facts) Check {
	const name = "quotas"
	if f.AWS == nil {
		return unknown(name, f.AWSProblem)
	}
	if f.AWS.SummaryProblem != "" {
		return unknown(name, f.AWS.SummaryProblem)
	}
	var near []string
	for _, q := range []struct{ used, quota, what string }{
		{"Roles", "RolesQuota", "roles"},
		{"Policies", "PoliciesQuota", "managed policies"},
	} {
		used, quota := f.AWS.Summary[q.used], f.AWS.Summary[q.quota]
		if quota > 0 && used*10 >= quota*9 {
			near = append(near, fmt.Sprintf("%d of %d %s", used, quota, q.what))
		}
	}
	if len(near) > 0 {
		return Check{name, check.Warning, "the account has used " + strings.Join(near, " and "), "request a higher quota from AWS (Service Quotas, IAM)"}
	}
	return ok(name, fmt.Sprintf("the account has %d of %d roles", f.AWS.Summary["Roles"], f.AWS.Summary["RolesQuota"]))
}

// orphans looks for roles of this cluster that should have been deleted with their
// object. Those that were retained on purpose are not a finding.
func orphans(f Facts) Check {
	const name = "orphans"
	roles, problem := rolesOf(f)
	if problem = cmp.Or(problem, f.IdentitiesProblem, f.ClusterIDProblem); problem != "" {
		return unknown(name, problem)
	}
	uids := map[string]bool{}
	for _, uid := range f.Identities {
		uids[uid] = true
	}
	o := f.Operator.Options
	var leaked []string
	retained := 0
	for _, found := range orphan.Find(plan.Cluster{Name: o.ClusterName, ID: f.ClusterID, RolePath: o.RolePath}, roles, uids) {
		if found.State == orphan.Retained {
			retained++
			continue
		}
		leaked = append(leaked, found.Name)
	}
	switch {
	case len(leaked) > 0:
		return Check{
			name, check.Warning, fmt.Sprintf("%d roles of this cluster have no PodIdentity: %s", len(leaked), some(leaked)),
			"see: kubectl podidentity orphans",
		}
	case retained > 0:
		return ok(name, fmt.Sprintf("no role was left behind; %d are retained on purpose", retained))
	default:
		return ok(name, "each role of this cluster has a PodIdentity")
	}
}

func some(names []string) string {
	const shown = 5
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
