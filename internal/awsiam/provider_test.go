package awsiam

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

const (
	issuer      = "https://oidc.example.com/id/0123"
	providerARN = "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/0123"
)

func TestProvider_CreateObserveAddAudience(t *testing.T) {
	_, _, c := account(t, awslocal.Options{})
	providers := NewProviders(c.IAM)
	tags := map[string]string{plan.TagManagedBy: plan.ManagedBy, plan.TagCluster: "prod"}

	if got, err := providers.Provider(t.Context(), providerARN); got != nil || err != nil {
		t.Fatalf("before: Provider(...) = %v, %v; want nothing", got, err)
	}
	arn, err := providers.CreateProvider(t.Context(), issuer, "sts.amazonaws.com", tags)
	if err != nil || arn != providerARN {
		t.Fatalf("CreateProvider(...) = %q, %v; want %q", arn, err, providerARN)
	}
	for range 2 {
		if err := providers.AddAudience(t.Context(), arn, "another"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := providers.Provider(t.Context(), arn)
	if err != nil {
		t.Fatal(err)
	}

	want := &plan.Provider{ARN: providerARN, Audiences: []string{"another", "sts.amazonaws.com"}, Tags: tags}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Provider(...): -want, +got:\n%s", diff)
	}
	if _, err := providers.CreateProvider(t.Context(), issuer, "sts.amazonaws.com", tags); fault.KindOf(err) != fault.Transient || err == nil {
		t.Errorf("CreateProvider(...) again: %v (%v), want a transient fault", err, fault.KindOf(err))
	}
}

// A provider belongs to the cluster: no author of one object can correct what is wrong
// with it, so no fault of it is terminal.
func TestProvider_FailuresAreNeverTerminal(t *testing.T) {
	get := func(ctx context.Context, p *Providers) error {
		_, err := p.Provider(ctx, providerARN)
		return err
	}
	create := func(ctx context.Context, p *Providers) error {
		_, err := p.CreateProvider(ctx, issuer, "sts.amazonaws.com", nil)
		return err
	}
	add := func(ctx context.Context, p *Providers) error { return p.AddAudience(ctx, providerARN, "a") }

	cases := map[string]struct {
		reason        string
		do            func(context.Context, *Providers) error
		status        int
		code, message string
		wantKind      fault.Kind
		wantReason    string
		want          string
	}{
		"GetDenied": {
			reason: "The message names the policy that this needs.",
			do:     get, status: 403, code: "AccessDenied", message: denial + "iam:GetOpenIDConnectProvider on resource: " + providerARN,
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonAccessDenied,
			want: "OIDC provider " + providerARN + ": the operator is missing the IAM permission iam:GetOpenIDConnectProvider on " + providerARN + "; see config/aws/operator-policy.json",
		},
		"CreateDenied": {
			reason: "Creating providers is a separate permission.",
			do:     create, status: 403, code: "AccessDenied", message: denial + "iam:TagOpenIDConnectProvider on resource: " + providerARN,
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonAccessDenied,
			want: "OIDC provider for " + issuer + ": the operator is missing the IAM permission iam:TagOpenIDConnectProvider on " + providerARN + "; see config/aws/operator-policy-oidc-provider.json",
		},
		"CreateInvalid": {
			reason: "The issuer is that of the cluster; another spec does not help.",
			do:     create, status: 400, code: "InvalidInput", message: "Invalid Open ID Connect Provider URL.",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonOIDCProviderNotFound,
			want: "OIDC provider for " + issuer + ": AWS IAM rejected CreateOpenIDConnectProvider: InvalidInput: Invalid Open ID Connect Provider URL",
		},
		"CreateUnreachable": {
			reason: "AWS cannot reach a private issuer.",
			do:     create, status: 400, code: "OpenIdIdpCommunicationError", message: "Please check .well-known/openid-configuration of provider: " + issuer + " is valid.",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonOIDCProviderNotFound,
			want: "OIDC provider for " + issuer + ": IAM cannot fetch the issuer's discovery document or JWKS; both must be publicly reachable: Please check .well-known/openid-configuration of provider: " + issuer + " is valid",
		},
		"CreateQuota": {
			reason: "GetAccountSummary does not contain this quota.",
			do:     create, status: 409, code: "LimitExceeded", message: "Cannot exceed quota for OpenIdConnectProvidersPerAccount: 100",
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonQuotaExceeded,
			want: "OIDC provider for " + issuer + ": IAM quota exceeded: OIDC providers in the account (OpenIdConnectProvidersPerAccount: 100); reduce usage or request an increase in AWS Service Quotas",
		},
		"AddToNothing": {
			reason: "The provider was deleted after it was read.",
			do:     add, status: 404, code: "NoSuchEntity", message: "OpenIDConnect Provider not found for arn " + providerARN,
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonOIDCProviderNotFound,
			want: "OIDC provider " + providerARN + ": AWS IAM rejected AddClientIDToOpenIDConnectProvider: NoSuchEntity: OpenIDConnect Provider not found for arn " + providerARN,
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) { rejectWith(w, tc.status, tc.code, tc.message) }, ClientOptions{})

			err := tc.do(t.Context(), NewProviders(c.IAM))

			if diff := cmp.Diff(reported{tc.wantKind, tc.wantReason, tc.want}, reportedBy(err)); diff != "" {
				t.Errorf("error: -want, +got:\n%s", diff)
			}
		})
	}
}
