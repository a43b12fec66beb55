package awsiam

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Providers reads and creates IAM OIDC providers. It is safe for concurrent use.
type Providers struct{ api API }

// NewProviders returns Providers that call api.
func NewProviders(api API) *Providers { return &Providers{api: api} }

// Provider returns the OIDC provider of that ARN, or nil if there is none.
func (p *Providers) Provider(ctx context.Context, arn string) (*plan.Provider, error) {
	out, err := p.api.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(arn)})
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("OIDC provider %s: %w", arn, classify(operation{name: "GetOpenIDConnectProvider"}, err, unknownQuota))
	}
	return &plan.Provider{ARN: arn, Audiences: slices.Sorted(slices.Values(out.ClientIDList)), Tags: tagMap(out.Tags)}, nil
}

// CreateProvider creates an OIDC provider for the issuer that accepts tokens for audience,
// and returns its ARN. It sets no thumbprints: IAM determines them itself, and uses them
// only if the issuer's certificate is not signed by a public authority. If another client
// creates the provider at the same time, that is a transient fault.
func (p *Providers) CreateProvider(ctx context.Context, issuerURL, audience string, tags map[string]string) (string, error) {
	out, err := p.api.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url:          aws.String(issuerURL),
		ClientIDList: []string{audience},
		Tags:         tagList(tags),
	})
	if err != nil {
		return "", fmt.Errorf("OIDC provider for %s: %w", issuerURL, classify(operation{name: "CreateOpenIDConnectProvider"}, err, unknownQuota))
	}
	return aws.ToString(out.OpenIDConnectProviderArn), nil
}

// AddAudience adds an audience to those that the OIDC provider accepts. It may be
// repeated.
func (p *Providers) AddAudience(ctx context.Context, arn, audience string) error {
	_, err := p.api.AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{
		OpenIDConnectProviderArn: aws.String(arn),
		ClientID:                 aws.String(audience),
	})
	if err != nil {
		return fmt.Errorf("OIDC provider %s: %w", arn, classify(operation{name: "AddClientIDToOpenIDConnectProvider"}, err, unknownQuota))
	}
	return nil
}
