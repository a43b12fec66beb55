package guardrail

import (
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// The baseline refuses what amounts to administering IAM, or to everything. Who
// may do that may give itself any other right.

// adminPolicies are AWS's own policies that amount to it, in any partition.
var adminPolicies = []string{
	"arn:*:iam::aws:policy/AdministratorAccess",
	"arn:*:iam::aws:policy/IAMFullAccess",
	"arn:*:iam::aws:policy/PowerUserAccess",
}

func baselineManaged(arn string) string {
	if slices.ContainsFunc(adminPolicies, func(a string) bool { return policy.OverlapFold(a, arn) }) {
		return "amounts to administering the account"
	}
	return ""
}

// restrictedService are the actions of a service, but for those that do no harm.
type restrictedService struct {
	actions  string
	harmless []string
	means    string
}

// services are what the baseline keeps for administrators. iam:PassRole is
// harmless on single roles, which baselineResource sees to.
var services = []restrictedService{
	{
		actions: "iam:*",
		harmless: []string{
			"iam:Get*", "iam:List*", "iam:Simulate*", "iam:Generate*", "iam:PassRole",
			"iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole",
		},
		means: "administers IAM",
	},
	{
		actions:  "organizations:*",
		harmless: []string{"organizations:Describe*", "organizations:List*"},
		means:    "administers the organization",
	},
}

func baselineAction(action string) string {
	for _, r := range services {
		covered := slices.ContainsFunc(r.harmless, func(h string) bool { return policy.CoversFold(h, action) })
		if policy.OverlapFold(r.actions, action) && !covered {
			return r.means
		}
	}
	return ""
}

// roleActions are actions that hand out the rights of the role that they are about.
var roleActions = []string{"iam:PassRole", "sts:AssumeRole"}

// baselineResource says what is wrong with allowing actions on a resource.
func baselineResource(actions []string, resource string) string {
	if !everyRole(resource) {
		return ""
	}
	for _, sensitive := range roleActions {
		if slices.ContainsFunc(actions, func(a string) bool { return policy.OverlapFold(sensitive, a) }) {
			return "would have " + sensitive + " on every role"
		}
	}
	return ""
}

// everyRole reports whether a pattern matches all roles of an account.
func everyRole(resource string) bool {
	const segments = 6 // arn:partition:service:region:account:resource
	parts := strings.SplitN(resource, ":", segments)
	if len(parts) < segments {
		return strings.ContainsAny(resource, "*?") // it reaches into what it leaves out
	}
	return policy.OverlapFold(parts[2], "iam") && policy.Covers(parts[5], "role/?*")
}
