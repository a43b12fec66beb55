package account

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// Simulated is an answer of IAM's policy simulator for one action.
type Simulated struct {
	Action     string
	Decision   string   // allowed, implicitDeny or explicitDeny
	Statements []string // the policies of the statements that matched
	DeniedBy   string   // what else denies, if known
}

// Simulate asks IAM's policy simulator what a role may do on a resource. Keys
// are condition keys of the request.
func (a *Account) Simulate(ctx context.Context, roleARN, resource string, keys map[string][]string, actions ...string) ([]Simulated, error) {
	input := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &roleARN, ActionNames: actions}
	if resource != "" {
		input.ResourceArns = []string{resource}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		input.ContextEntries = append(input.ContextEntries, iamtypes.ContextEntry{
			ContextKeyName: &key, ContextKeyType: iamtypes.ContextKeyTypeEnumStringList, ContextKeyValues: keys[key],
		})
	}
	var answers []Simulated
	for page := iam.NewSimulatePrincipalPolicyPaginator(a.iam, input); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, a.explain("iam:SimulatePrincipalPolicy", "role "+roleARN, err)
		}
		for i := range out.EvaluationResults {
			answers = append(answers, simulated(&out.EvaluationResults[i]))
		}
	}
	return answers, nil
}

func simulated(r *iamtypes.EvaluationResult) Simulated {
	s := Simulated{Action: aws.ToString(r.EvalActionName), Decision: string(r.EvalDecision)}
	for _, m := range r.MatchedStatements {
		s.Statements = append(s.Statements, aws.ToString(m.SourcePolicyId))
	}
	switch {
	case r.OrganizationsDecisionDetail != nil && !r.OrganizationsDecisionDetail.AllowedByOrganizations:
		s.DeniedBy = "a service control policy of the AWS organization"
	case r.PermissionsBoundaryDecisionDetail != nil && !r.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary:
		s.DeniedBy = "the permissions boundary"
	}
	return s
}
