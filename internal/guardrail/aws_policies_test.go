package guardrail

import (
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// Whatever its name, an AWS managed policy passes the baseline only if it allows no
// reserved action on any of the resources that it names.
func TestBaseline_PoliciesOfAWS(t *testing.T) {
	documents := awslocal.AWSPolicies()
	rejected := map[string]bool{}
	allowing := 0
	for arn, document := range documents {
		if strings.Contains(arn, "/aws-service-role/") {
			continue // IAM attaches these to no other role
		}
		p, err := policy.Decode([]byte(document))
		if err != nil {
			t.Fatalf("%s: %v", arn, err)
		}
		var pi v1alpha1.PodIdentity
		pi.Spec.Policies.Managed = []v1alpha1.PolicyARN{v1alpha1.PolicyARN(arn)}
		rejected[arn] = !passes(Set{}, &pi, Facts{Managed: map[string]Contents{arn: ReadContents(document)}})
		if action := allowedReserved(p); action != "" {
			allowing++
			if !rejected[arn] {
				t.Errorf("%s passes, and allows %s", arn, action)
			}
		}
	}
	t.Logf("of %d policies of AWS %d allow a reserved action", len(documents), allowing)
	if allowing < 200 {
		t.Errorf("only %d of AWS's %d policies allow a reserved action", allowing, len(documents))
	}
	for _, name := range []string{
		"AdministratorAccess", "AdministratorAccess-Amplify", "AWSOrganizationsFullAccess", "AWSSSOMasterAccountAdministrator",
		"AWSSSODirectoryAdministrator", "AmazonElasticMapReduceFullAccess", "PowerUserAccess", "IAMFullAccess",
	} {
		if arn := "arn:aws:iam::aws:policy/" + name; !rejected[arn] {
			t.Errorf("%s passes, or is not among AWS's policies", arn)
		}
	}
	for _, name := range []string{"AmazonS3ReadOnlyAccess", "AmazonS3FullAccess", "AmazonSQSFullAccess", "service-role/AmazonEBSCSIDriverPolicy", "AmazonEKS_CNI_Policy"} {
		if arn := "arn:aws:iam::aws:policy/" + name; rejected[arn] {
			t.Errorf("%s is rejected", arn)
		}
	}
}

// allowedReserved returns a reserved action that a policy allows on one of the resources
// that it names, whatever its conditions are; empty if there is none.
func allowedReserved(p policy.Policy) string {
	var resources []string
	for i, s := range p.Statements {
		if s.Effect == policy.Allow {
			p.Statements[i].Conditions = nil
			p.Statements[i].Actions = slices.DeleteFunc(s.Actions, ofOtherService)
			resources = append(resources, s.Resources...)
		}
	}
	resources = append(resources, theResource)
	for _, action := range reserved {
		if !mayAllow(p, action) {
			continue
		}
		for _, pattern := range resources {
			resource := strings.NewReplacer("*", "x", "?", "x").Replace(pattern)
			if policy.Evaluate(policy.Request{Action: action, Resource: resource}, p) == policy.Allowed {
				return action
			}
		}
	}
	return ""
}

// ofOtherService reports whether an action pattern matches no reserved action because of
// its service.
func ofOtherService(pattern string) bool {
	service, _, _ := strings.Cut(strings.ToLower(pattern), ":")
	return !strings.ContainsAny(service, "*?$") && !slices.ContainsFunc(reserved, func(action string) bool { return strings.HasPrefix(action, service+":") })
}

const theResource = "arn:aws:iam::123456789012:role/x"

// mayAllow reports whether a statement allows an action on some resource.
func mayAllow(p policy.Policy, action string) bool {
	return slices.ContainsFunc(p.Statements, func(s policy.Statement) bool {
		s.Resources, s.NotResources = []string{"*"}, nil
		return policy.Evaluate(policy.Request{Action: action, Resource: "x"}, policy.Policy{Version: p.Version, Statements: []policy.Statement{s}}) == policy.Allowed
	})
}
