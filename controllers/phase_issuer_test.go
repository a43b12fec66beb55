package controllers

import (
	"context"
	"testing"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// fakeAccount is an account in memory.
type fakeAccount struct {
	account plan.Account
	err     error
}

func (i fakeAccount) Identity(context.Context) (plan.Account, error) { return i.account, i.err }

// fakeProviders are OIDC providers in memory.
type fakeProviders struct {
	found   *plan.Provider
	err     error
	reads   int
	created bool
}

func (f *fakeProviders) Provider(context.Context, string) (*plan.Provider, error) {
	f.reads++
	return f.found, f.err
}

func (f *fakeProviders) CreateProvider(context.Context, string, string, map[string]string) (string, error) {
	f.created = true
	return "arn", nil
}

func (f *fakeProviders) AddAudience(context.Context, string, string) error { return nil }

func TestIssuerPhase_RequiresProviderAndAudience(t *testing.T) {
	cases := map[string]struct {
		found  *plan.Provider
		create bool
		want   string
	}{
		"no provider is reported":            {want: v1alpha1.ReasonOIDCProviderNotFound},
		"a missing audience is reported":     {found: &plan.Provider{Audiences: []string{"other"}}, want: v1alpha1.ReasonAudienceMissing},
		"a provider with the audience is ok": {found: &plan.Provider{Audiences: []string{plan.DefaultAudience}}},
		"Create creates the provider":        {create: true},
	}
	for reason, tc := range cases {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t)
			providers := &fakeProviders{found: tc.found}
			config := unitConfig
			config.CreateOIDCProvider = tc.create
			u.issuer.clusterInfo = &clusterInfo{
				config: config, clock: u.clock, apiReader: u.client, providers: providers, account: fakeAccount{account: plan.Account{Partition: "aws", ID: "123456789012"}},
				discover: func(context.Context) (string, error) { return unitCluster.Issuer, nil },
			}
			s := newScope(checkout(), "prod")
			if err := u.issuer.resolveCluster(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			err := u.issuer.requireProvider(t.Context(), s)
			if tc.want == "" {
				if err != nil || providers.created != tc.create {
					t.Errorf("error = %v, created = %v", err, providers.created)
				}
				return
			}
			expectFault(t, err, fault.Blocked, tc.want)
			_ = u.issuer.requireProvider(t.Context(), s)
			if providers.reads != 1 {
				t.Errorf("a failure is read again after %d calls, want one read for all objects", providers.reads)
			}
		})
	}
}
