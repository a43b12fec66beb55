package awsiam

import (
	"maps"
	"os"
	"testing"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Any ServiceAccount of any cluster in the account can be associated with a role
// that trusts EKS Pod Identity, unless the trust policy names the one it is for.
func TestOperatorTrust_EKSPodIdentity(t *testing.T) {
	raw, err := os.ReadFile("../../config/aws/operator-trust-policy-eks-pod-identity.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := policy.Parse(raw) // the placeholders are valid as they are
	if err != nil {
		t.Fatal(err)
	}
	p := document.Policy()
	if err := p.CheckTrust(); err != nil {
		t.Fatalf("AWS would reject it: %v", err)
	}
	operator := map[string]string{
		"eks-cluster-arn":            "arn:PARTITION:eks:REGION:ACCOUNT_ID:cluster/EKS_NAME",
		"kubernetes-namespace":       "podidentity-system",
		"kubernetes-service-account": "podidentity-controller-manager",
	}
	for name, tc := range map[string]struct {
		changed map[string]string // session tags that differ from the operator's; empty for missing ones
		want    policy.Decision
	}{
		"the operator's ServiceAccount":                            {nil, policy.Allowed},
		"another ServiceAccount of its namespace":                  {map[string]string{"kubernetes-service-account": "default"}, policy.ImplicitDeny},
		"a ServiceAccount of that name in another namespace":       {map[string]string{"kubernetes-namespace": "shop"}, policy.ImplicitDeny},
		"the operator of another cluster":                          {map[string]string{"eks-cluster-arn": "arn:PARTITION:eks:REGION:ACCOUNT_ID:cluster/other"}, policy.ImplicitDeny},
		"an association with disableSessionTags proves no account": {map[string]string{"kubernetes-service-account": "", "kubernetes-namespace": "", "eks-cluster-arn": ""}, policy.ImplicitDeny},
	} {
		t.Run(name, func(t *testing.T) {
			tags := maps.Clone(operator)
			maps.Copy(tags, tc.changed)
			context := map[string][]string{}
			for key, value := range tags {
				if value != "" {
					context["aws:RequestTag/"+key] = []string{value}
				}
			}
			for _, action := range []string{"sts:AssumeRole", "sts:TagSession"} {
				got := policy.Evaluate(policy.Request{
					Principals: []policy.Principal{{Type: policy.Service, ID: "pods.eks.amazonaws.com"}},
					Action:     action,
					Context:    context,
				}, p)
				if got != tc.want {
					t.Errorf("%s is %v, want %v", action, got, tc.want)
				}
			}
		})
	}
}
