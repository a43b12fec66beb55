package awslocal_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// A token may bring tags and a source identity, if the role's trust policy lets it;
// they are the session's, and count as those of AssumeRole do.
func TestWebIdentity_TagsOfTokens(t *testing.T) {
	const tagging, identifying = `"sts:TagSession"`, `"sts:SetSourceIdentity"`
	claims := map[string]any{
		"https://aws.amazon.com/tags": map[string]any{
			"principal_tags": map[string]any{"team": []string{"shop"}}, "transitive_tag_keys": []string{"team"},
		},
		"https://aws.amazon.com/source_identity": "checkout",
	}
	for name, tc := range map[string]struct{ reason, actions, condition, want string }{
		"Allowed":    {"The trust policy allows all three.", tagging + "," + identifying, `{"StringEquals":{"aws:RequestTag/team":"shop","sts:SourceIdentity":"checkout"}}`, ""},
		"OtherTag":   {"The trust policy allows other tags.", tagging + "," + identifying, `{"StringEquals":{"aws:RequestTag/team":"pay"}}`, "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"NoTags":     {"The trust policy allows no tags.", identifying, `{}`, "Not authorized to perform sts:TagSession"},
		"NoIdentity": {"The trust policy allows no source identity.", tagging, `{}`, "Not authorized to perform sts:SetSourceIdentity"},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			k := ecKey(t, "k")
			i := newIssuer(t, k)
			e := newEndpoint(t, awslocal.Options{OIDCClient: i.Client(), Authorize: true, AccessKeys: map[string]string{"AKIDLOCAL": "secret"}})
			must(e.iam.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: &i.URL, ClientIDList: []string{podAudience}}))(t)
			e.createRole(t, "r", func(in *iam.CreateRoleInput) {
				in.AssumeRolePolicyDocument = document(`[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::` + account + `:oidc-provider/` + i.host + `"},` +
					`"Action":["sts:AssumeRoleWithWebIdentity",` + tc.actions + `],"Condition":` + tc.condition + `}]`)
			})
			out, err := e.sts.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
				RoleArn: aws.String(roleARN("r")), RoleSessionName: aws.String("pod"), WebIdentityToken: aws.String(token(t, k, i.URL, time.Now(), claims)),
			})
			if tc.want != "" {
				if err == nil || failureOf(t, err) != (failure{403, "AccessDenied", tc.want}) {
					t.Errorf("%v, want %s", err, tc.want)
				}
				return
			}
			if err != nil || aws.ToString(out.SourceIdentity) != "checkout" {
				t.Fatalf("%v, %+v", err, out)
			}
			must(e.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("p"), PolicyDocument: aws.String(allow(
				`"iam:ListRoles"`, `"*"`, `{"StringEquals":{"aws:PrincipalTag/team":"shop","aws:SourceIdentity":"checkout"}}`))}))(t)
			pod := clients(e.Server, e.url, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
			must(pod.iam.ListRoles(t.Context(), &iam.ListRolesInput{}))(t)

			e.createRole(t, "next", func(in *iam.CreateRoleInput) {
				in.AssumeRolePolicyDocument = document(`[{"Effect":"Allow","Principal":{"AWS":"` + roleARN("r") + `"},"Action":["sts:*"],` +
					`"Condition":{"StringEquals":{"sts:TransitiveTagKeys":"team"}}}]`)
			})
			next := must(assume(roleARN("next"), "next")(t.Context(), pod))(t)
			if aws.ToString(next.SourceIdentity) != "checkout" {
				t.Errorf("the source identity does not go on: %+v", next)
			}
		})
	}
}
