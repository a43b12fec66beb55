package account

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
)

// PolicyFinding is what IAM Access Analyzer finds about a policy.
type PolicyFinding struct {
	Kind    string // ERROR, SECURITY_WARNING, WARNING or SUGGESTION
	Code    string
	Message string
	Link    string // to the documentation of the code
}

// ValidatePolicy asks IAM Access Analyzer about an identity policy.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_ValidatePolicy.html
func (a *Account) ValidatePolicy(ctx context.Context, document string) ([]PolicyFinding, error) {
	var found []PolicyFinding
	pages := accessanalyzer.NewValidatePolicyPaginator(a.analyze, &accessanalyzer.ValidatePolicyInput{
		PolicyDocument: &document, PolicyType: types.PolicyTypeIdentityPolicy,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, a.explain("access-analyzer:ValidatePolicy", "", err)
		}
		for _, f := range page.Findings {
			found = append(found, PolicyFinding{
				Kind: string(f.FindingType), Code: aws.ToString(f.IssueCode), Message: aws.ToString(f.FindingDetails), Link: aws.ToString(f.LearnMoreLink),
			})
		}
	}
	return found, nil
}
