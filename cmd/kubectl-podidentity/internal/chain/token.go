package chain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// token checks that the kubelet mounts a token at the path in the variable.
func token(f Facts) *Link {
	found, file := tokenOf(f)
	if found == nil {
		return &Link{
			LinkToken, check.Broken, "no projected ServiceAccount token is mounted at " + file + ", the value of " + envTokenFile,
			"remove " + envTokenFile + " from the pod template, so that the webhook sets it and mounts the token",
		}
	}
	lifetime := ""
	if found.ExpirationSeconds != nil {
		lifetime = fmt.Sprintf(", for %d s", *found.ExpirationSeconds)
	}
	return &Link{LinkToken, check.OK, fmt.Sprintf("%s contains a token for audience %s%s, renewed by the kubelet", file, audienceOf(f), lifetime), ""}
}

// issuer checks that AWS can know the issuer of the token.
func issuer(f Facts) *Link {
	if f.Issuer == "" {
		return &Link{LinkIssuer, check.Unknown, "the cluster's OIDC issuer is not known: " + f.IssuerProblem, ""}
	}
	if _, err := policy.IssuerHostPath(f.Issuer); err != nil {
		return &Link{
			LinkIssuer, check.Broken, "IAM does not accept the issuer: " + err.Error(),
			"set --service-account-issuer of the API server to an https:// URL that AWS can reach",
		}
	}
	return &Link{LinkIssuer, check.OK, "the issuer of the token is " + f.Issuer, ""}
}

// elsewhere returns an unknown link if the role is in an account that the user's
// credentials are not for.
func elsewhere(f Facts, name string) *Link {
	t, ok := TargetOf(f)
	if !ok || t.Role.AccountID == f.AWS.AccountID {
		return nil
	}
	return &Link{
		name, check.Unknown, "the role is in account " + t.Role.AccountID + ", and your AWS credentials are for account " + f.AWS.AccountID,
		"choose a profile of that account with --aws-profile",
	}
}

// provider checks that IAM trusts the issuer.
func provider(f Facts) *Link {
	if link := elsewhere(f, LinkProvider); link != nil {
		return link
	}
	t, _ := TargetOf(f)
	switch {
	case f.Issuer == "":
		return &Link{LinkProvider, check.Unknown, "without the issuer, the provider is not known", ""}
	case f.AWS.Provider == nil && f.AWS.ProviderProblem != "":
		return &Link{LinkProvider, check.Unknown, f.AWS.ProviderProblem, ""}
	case f.AWS.Provider == nil:
		return &Link{
			LinkProvider, check.Broken, "IAM of account " + f.AWS.AccountID + " has no OIDC provider for the issuer of the token" + otherIssuer(f, t),
			"aws iam create-open-id-connect-provider --url " + f.Issuer + " --client-id-list " + shellQuote(t.Audience),
		}
	}
	return &Link{LinkProvider, check.OK, "IAM has an OIDC provider for this issuer", ""}
}

// otherIssuer names the issuer that the role trusts instead, "" if none.
func otherIssuer(f Facts, t Target) string {
	if f.AWS.Role == nil {
		return ""
	}
	trust, err := f.AWS.Role.Trust.Policy()
	if err != nil {
		return ""
	}
	for _, s := range trust.Statements {
		for _, p := range s.Principals {
			if p.Type == policy.Federated && p.ID != t.ProviderARN() {
				if _, other, ok := strings.Cut(p.ID, ":oidc-provider/"); ok {
					return "; the role trusts that of https://" + other
				}
			}
		}
	}
	return ""
}

// audience checks that the provider accepts the token's audience.
func audience(f Facts) *Link {
	if f.AWS.Provider == nil {
		return nil
	}
	t, _ := TargetOf(f)
	accepted := f.AWS.Provider.Audiences
	if slices.Contains(accepted, t.Audience) {
		return &Link{LinkAudience, check.OK, "the provider accepts audience " + t.Audience, ""}
	}
	link := &Link{
		LinkAudience, check.Broken, fmt.Sprintf("the token is for audience %s, and the provider accepts %s", t.Audience, orNothing(accepted)),
		"aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn " + f.AWS.Provider.ARN + " --client-id " + shellQuote(t.Audience),
	}
	if f.ServiceAccount.Annotations[plan.AnnotationAudience] != "" && len(accepted) > 0 {
		link.Fix = fmt.Sprintf("set the ServiceAccount's annotation %s to %s and restart the pod, or run: %s", plan.AnnotationAudience, accepted[0], link.Fix)
	}
	return link
}

// shellQuote quotes s for a shell where need be: users copy commands, and an audience
// is whatever the author of the pod wrote.
func shellQuote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/=") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
