package awslocal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// guarded is an endpoint that asks policies, with a client that may do everything.
func guarded(t *testing.T) *endpoint {
	t.Helper()
	return newEndpoint(t, awslocal.Options{Authorize: true, AccessKeys: map[string]string{"AKIDLOCAL": "secret"}})
}

// as returns a client in a session of the named role, which has that inline policy.
func (e *endpoint) as(t *testing.T, name, document string, edit ...func(*iam.CreateRoleInput)) *endpoint {
	t.Helper()
	e.createRole(t, name, append(edit, func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String(anyTrust) })...)
	if document != "" {
		if _, err := e.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &document}); err != nil {
			t.Fatal(err)
		}
	}
	return e.assume(t, name, nil)
}

func (e *endpoint) assume(t *testing.T, name string, sessionPolicy *string) *endpoint {
	t.Helper()
	role, err := e.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		t.Fatal(err)
	}
	out, err := e.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: role.Role.Arn, RoleSessionName: aws.String("test"), Policy: sessionPolicy})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Credentials
	return clients(e.Server, e.url, *c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

// allow is a policy that allows actions on resources, under a condition if any.
func allow(action, resource, condition string) string {
	return statement("Allow", action, resource, condition)
}

func statement(effect, action, resource, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Action":` + action + `,"Resource":` + resource + condition + `}]}`
}

// The permissions and condition keys of a call are those of AWS's service authorization
// reference.
func TestAuthorize_RequiresWhatAWSDocuments(t *testing.T) {
	create := func(e *endpoint, edit func(*iam.CreateRoleInput)) error {
		in := &iam.CreateRoleInput{RoleName: aws.String("new"), Path: aws.String("/team/"), AssumeRolePolicyDocument: aws.String(anyTrust)}
		edit(in)
		_, err := e.iam.CreateRole(t.Context(), in)
		return err
	}
	tagged := func(in *iam.CreateRoleInput) {
		in.Tags = []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("shop")}}
	}
	bounded := func(in *iam.CreateRoleInput) { in.PermissionsBoundary = aws.String(policyARN("boundary")) }
	plain := func(*iam.CreateRoleInput) {}
	const boundary = `{"StringEquals":{"iam:PermissionsBoundary":"arn:aws:iam::123456789012:policy/boundary"}}`
	cases := map[string]struct {
		reason string
		policy string
		call   func(*endpoint) error
		want   string // what the rejection ends with; empty if it is allowed
	}{
		"Nothing": {
			"A caller without a policy has no permissions.", "",
			func(e *endpoint) error { return create(e, plain) },
			"iam:CreateRole on resource: arn:aws:iam::123456789012:role/team/new because no identity-based policy allows the iam:CreateRole action",
		},
		"WhoAmI": {
			"Every caller may call GetCallerIdentity.", "",
			func(e *endpoint) error {
				_, err := e.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
				return err
			}, "",
		},
		"Path":      {"The ARN of a new role has its path.", allow(`"iam:CreateRole"`, `"arn:aws:iam::*:role/team/*"`, ""), func(e *endpoint) error { return create(e, plain) }, ""},
		"OtherPath": {"The ARN of a new role has no other path.", allow(`"iam:CreateRole"`, `"arn:aws:iam::*:role/other/*"`, ""), func(e *endpoint) error { return create(e, plain) }, "because no identity-based policy allows the iam:CreateRole action"},
		"Tags": {
			"Creating a role with tags also needs iam:TagRole.", allow(`"iam:CreateRole"`, `"*"`, ""),
			func(e *endpoint) error { return create(e, tagged) },
			"iam:TagRole on resource: arn:aws:iam::123456789012:role/team/new because no identity-based policy allows the iam:TagRole action",
		},
		"RequestTag":      {"The request has the tag.", allow(`"iam:*"`, `"*"`, `{"StringEquals":{"aws:RequestTag/team":"shop"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`), func(e *endpoint) error { return create(e, tagged) }, ""},
		"OtherRequestTag": {"The request has another value of the tag.", allow(`"iam:*"`, `"*"`, `{"StringEquals":{"aws:RequestTag/team":"pay"}}`), func(e *endpoint) error { return create(e, tagged) }, "because no identity-based policy allows the iam:CreateRole action"},
		"Boundary":        {"The request has the boundary.", allow(`"iam:CreateRole"`, `"*"`, boundary), func(e *endpoint) error { return create(e, bounded) }, ""},
		"NoBoundary":      {"None.", allow(`"iam:CreateRole"`, `"*"`, boundary), func(e *endpoint) error { return create(e, plain) }, "because no identity-based policy allows the iam:CreateRole action"},
		"RoleBoundary": {
			"Permissions may be granted to a role with the boundary.", allow(`"iam:PutRolePolicy"`, `"*"`, boundary),
			func(e *endpoint) error {
				_, err := e.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("there"), PolicyName: aws.String("p"), PolicyDocument: aws.String(readS3)})
				return err
			}, "",
		},
		"ResourceTag": {
			"The tags of the role have two condition keys.", allow(`"iam:GetRole"`, `"*"`, `{"StringEquals":{"aws:ResourceTag/team":"shop","iam:ResourceTag/team":"shop"}}`),
			func(e *endpoint) error {
				_, err := e.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("there")})
				return err
			}, "",
		},
		"PolicyARN": {
			"The condition is on the attached policy.", allow(`"iam:AttachRolePolicy"`, `"*"`, `{"ArnLike":{"iam:PolicyARN":"arn:aws:iam::aws:policy/Amazon*"}}`),
			func(e *endpoint) error {
				_, err := e.iam.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("there"), PolicyArn: aws.String("arn:aws:iam::aws:policy/IAMFullAccess")})
				return err
			}, "iam:AttachRolePolicy on resource: role there because no identity-based policy allows the iam:AttachRolePolicy action",
		},
		"PassRole": {
			"Adding a role to an instance profile needs iam:PassRole.", allow(`["iam:AddRoleToInstanceProfile"]`, `"*"`, ""),
			func(e *endpoint) error {
				_, err := e.iam.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{RoleName: aws.String("there"), InstanceProfileName: aws.String("profile")})
				return err
			}, "iam:PassRole on resource: arn:aws:iam::123456789012:role/there because no identity-based policy allows the iam:PassRole action",
		},
		"PassRoleToEC2": {
			"The role may be passed only to EC2.", allow(`["iam:AddRoleToInstanceProfile","iam:PassRole"]`, `"*"`, `{"StringEqualsIfExists":{"iam:PassedToService":"ec2.amazonaws.com"}}`),
			func(e *endpoint) error {
				_, err := e.iam.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{RoleName: aws.String("there"), InstanceProfileName: aws.String("profile")})
				return err
			}, "",
		},
		"Account": {
			"The resource of an action on the account is *.", allow(`"iam:GetAccountSummary"`, `"*"`, ""),
			func(e *endpoint) error {
				_, err := e.iam.GetAccountSummary(t.Context(), &iam.GetAccountSummaryInput{})
				return err
			}, "",
		},
		"EKS": {
			"Actions of EKS are evaluated like those of IAM.", allow(`"eks:ListClusters"`, `"*"`, ""),
			func(e *endpoint) error {
				_, err := e.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("prod")})
				return err
			}, "eks:DescribeCluster on resource: arn:aws:eks:us-east-1:123456789012:cluster/prod because no identity-based policy allows the eks:DescribeCluster action",
		},
		"Principal": {
			"Conditions on the caller are evaluated.", allow(`"iam:ListRoles"`, `"*"`, `{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/caller"},"StringEquals":{"aws:PrincipalAccount":"123456789012"}}`),
			func(e *endpoint) error {
				_, err := e.iam.ListRoles(t.Context(), &iam.ListRolesInput{})
				return err
			}, "",
		},
		"Deny": {
			"An explicit deny overrides.",
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"},{"Effect":"Deny","Action":"iam:CreateRole","Resource":"*"}]}`,
			func(e *endpoint) error { return create(e, plain) },
			"with an explicit deny in an identity-based policy",
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			e := guarded(t)
			e.createPolicy(t, "boundary")
			e.createRole(t, "there", bounded, tagged)
			if _, err := e.iam.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("profile")}); err != nil {
				t.Fatal(err)
			}
			expectRejection(t, tc.call(e.as(t, "caller", tc.policy)), tc.want)
		})
	}
}

// expectRejection checks that err says AccessDenied in these words, or nothing if
// there are none.
func expectRejection(t *testing.T, err error, want string) {
	t.Helper()
	denied := err != nil && (failureOf(t, err).Code == "AccessDenied" || failureOf(t, err).Code == "AccessDeniedException")
	switch {
	case want == "" && err != nil:
		t.Errorf("denied: %v", err)
	case want != "" && (!denied || !strings.Contains(err.Error(), ": User: arn:aws:sts::"+account+":assumed-role/") || !strings.HasSuffix(err.Error(), want)):
		t.Errorf("%v\nwant AccessDenied, and %s", err, want)
	}
}

// The layers of policies must all allow, and any may deny.
func TestAuthorize_AllLayersMustAllow(t *testing.T) {
	all, none, deny := allow(`"*"`, `"*"`, ""), allow(`"s3:*"`, `"*"`, ""), statement("Deny", `"iam:*"`, `"*"`, "")
	cases := map[string]struct {
		identity, boundary, session string
		want                        string
	}{
		"All":              {all, all, all, ""},
		"Identity":         {none, all, all, "because no identity-based policy allows the iam:ListRoles action"},
		"Boundary":         {all, none, all, "because no permissions boundary allows the iam:ListRoles action"},
		"Session":          {all, all, none, "because no session policy allows the iam:ListRoles action"},
		"BoundaryDenies":   {none, deny, all, "with an explicit deny in a permissions boundary"},
		"SessionDenies":    {all, none, deny, "with an explicit deny in a session policy"},
		"BoundaryIsNoGift": {none, all, "", "because no identity-based policy allows the iam:ListRoles action"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			e := guarded(t)
			if _, err := e.iam.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("limit"), PolicyDocument: &tc.boundary}); err != nil {
				t.Fatal(err)
			}
			caller := e.as(t, "caller", tc.identity, func(in *iam.CreateRoleInput) { in.PermissionsBoundary = aws.String(policyARN("limit")) })
			if tc.session != "" {
				caller = e.assume(t, "caller", &tc.session)
			}
			_, err := caller.iam.ListRoles(t.Context(), &iam.ListRolesInput{})
			expectRejection(t, err, tc.want)
		})
	}
}

// A session ends with its role.
func TestSession_EndsWithItsRole(t *testing.T) {
	e := guarded(t)
	caller := e.as(t, "caller", "")
	if _, err := e.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("caller")}); err != nil {
		t.Fatal(err)
	}
	e.createRole(t, "caller") // another one of that name
	_, err := caller.iam.ListRoles(t.Context(), &iam.ListRolesInput{})
	if err == nil || !strings.Contains(err.Error(), "InvalidClientTokenId") {
		t.Errorf("%v, want InvalidClientTokenId", err)
	}
}

// A trust policy that names a role lets it in; one that names the account leaves
// it to the policies of the account's roles.
func TestAssumeRole_RequiresTrustAndPermission(t *testing.T) {
	trusting := func(principal string) func(*iam.CreateRoleInput) {
		return func(in *iam.CreateRoleInput) {
			in.AssumeRolePolicyDocument = aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"}}`)
		}
	}
	cases := map[string]struct {
		reason, trusted, policy string
		want                    bool
	}{
		"Named":         {"A trust policy that names the role admits it.", roleARN("caller"), "", true},
		"Account":       {"A trust policy that names the account does not admit the role alone.", account, "", false},
		"AccountAllows": {"If the account is trusted, its policies decide.", account, allow(`"sts:AssumeRole"`, `"arn:aws:iam::123456789012:role/target"`, ""), true},
		"NamedDenied":   {"An explicit deny overrides a named role.", roleARN("caller"), statement("Deny", `"sts:*"`, `"*"`, ""), false},
		"NotTrusted":    {"A policy admits no caller that the role does not trust.", roleARN("other"), allow(`"sts:*"`, `"*"`, ""), false},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			e := guarded(t)
			e.createRole(t, "other")
			caller := e.as(t, "caller", tc.policy)
			e.createRole(t, "target", trusting(tc.trusted))
			_, err := caller.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(roleARN("target")), RoleSessionName: aws.String("test")})
			if got := err == nil; got != tc.want {
				t.Errorf("%v", err)
			}
		})
	}
}

// shippedPolicy is the policy that installers give to the operator, rendered for
// cluster prod.
func shippedPolicy(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "aws", "operator-policy.json"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("PARTITION", "aws", "ACCOUNT_ID", account, "CLUSTER", "prod", "ISSUER", "oidc.example.com").Replace(string(raw))
}

// Calls that the operator must never make are denied, whatever their parameters.
func TestOperatorPolicy_ForbiddenCallsAreDenied(t *testing.T) {
	const boundary = "arn:aws:iam::" + account + ":policy/podidentity-boundary"
	owner := []iamtypes.Tag{
		{Key: aws.String("iam.podidentity.io/managed-by"), Value: aws.String("podidentity-operator")},
		{Key: aws.String("iam.podidentity.io/cluster"), Value: aws.String("prod")},
	}
	own := func(in *iam.CreateRoleInput) {
		in.Path, in.Tags, in.PermissionsBoundary = aws.String("/podidentity/prod/"), owner, aws.String(boundary)
	}
	create := func(edits ...func(*iam.CreateRoleInput)) func(*endpoint) error {
		return func(e *endpoint) error {
			in := &iam.CreateRoleInput{RoleName: aws.String("new"), AssumeRolePolicyDocument: aws.String(ec2Trust)}
			for _, edit := range append([]func(*iam.CreateRoleInput){own}, edits...) {
				edit(in)
			}
			_, err := e.iam.CreateRole(t.Context(), in)
			return err
		}
	}
	const rejected, denied = "because no identity-based policy allows", "with an explicit deny in an identity-based policy"
	cases := map[string]struct {
		call func(*endpoint) error
		want string // empty if it is what the operator is for
	}{
		"create a role of its own": {create(), ""},
		"create one outside of its path": {
			create(func(in *iam.CreateRoleInput) { in.Path = aws.String("/") }), denied,
		},
		"create one without the boundary": {create(func(in *iam.CreateRoleInput) { in.PermissionsBoundary = nil }), denied},
		"create one with another boundary": {
			create(func(in *iam.CreateRoleInput) { in.PermissionsBoundary = aws.String(policyARN("other")) }), denied,
		},
		"create one for another cluster": {
			create(func(in *iam.CreateRoleInput) {
				in.Tags = []iamtypes.Tag{owner[0], {Key: aws.String("iam.podidentity.io/cluster"), Value: aws.String("test")}}
			}), denied,
		},
		"create one without tags": {create(func(in *iam.CreateRoleInput) { in.Tags = nil }), rejected},
		"grant to its own": {func(e *endpoint) error {
			_, err := e.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("mine"), PolicyName: aws.String("p"), PolicyDocument: aws.String(readS3)})
			return err
		}, ""},
		"touch a role outside of its path": {func(e *endpoint) error {
			_, err := e.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("foreign"), PolicyName: aws.String("p"), PolicyDocument: aws.String(readS3)})
			return err
		}, denied},
		"touch a role in its path that is not its own": {func(e *endpoint) error {
			_, err := e.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("intruder")})
			return err
		}, rejected},
		"retag a foreign role into its own": {func(e *endpoint) error {
			_, err := e.iam.TagRole(t.Context(), &iam.TagRoleInput{RoleName: aws.String("foreign"), Tags: owner})
			return err
		}, denied},
		"take its tags off": {func(e *endpoint) error {
			_, err := e.iam.UntagRole(t.Context(), &iam.UntagRoleInput{RoleName: aws.String("mine"), TagKeys: []string{"iam.podidentity.io/cluster"}})
			return err
		}, denied},
		"swap a boundary": {func(e *endpoint) error {
			_, err := e.iam.PutRolePermissionsBoundary(t.Context(), &iam.PutRolePermissionsBoundaryInput{RoleName: aws.String("mine"), PermissionsBoundary: aws.String(policyARN("other"))})
			return err
		}, denied},
		"delete a boundary": {func(e *endpoint) error {
			_, err := e.iam.DeleteRolePermissionsBoundary(t.Context(), &iam.DeleteRolePermissionsBoundaryInput{RoleName: aws.String("mine")})
			return err
		}, denied},
		"rewrite the boundary": {func(e *endpoint) error {
			_, err := e.iam.CreatePolicyVersion(t.Context(), &iam.CreatePolicyVersionInput{PolicyArn: aws.String(boundary), PolicyDocument: aws.String(readS3), SetAsDefault: true})
			return err
		}, denied},
		"attach an administrator's policy": {func(e *endpoint) error {
			_, err := e.iam.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("mine"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
			return err
		}, denied},
		"edit its own role": {func(e *endpoint) error {
			_, err := e.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("operator"), PolicyName: aws.String("p"), PolicyDocument: aws.String(readS3)})
			return err
		}, denied},
		"pass a role": {func(e *endpoint) error {
			_, err := e.iam.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{RoleName: aws.String("mine"), InstanceProfileName: aws.String("profile")})
			return err
		}, rejected},
		"create a provider": {func(e *endpoint) error {
			_, err := e.iam.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://evil.example.com")})
			return err
		}, rejected},
		"create a policy": {func(e *endpoint) error {
			_, err := e.iam.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String(readS3)})
			return err
		}, rejected},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			e := guarded(t)
			for _, name := range []string{"podidentity-boundary", "other"} {
				e.createPolicy(t, name)
			}
			e.createRole(t, "mine", own)
			e.createRole(t, "foreign")
			e.createRole(t, "intruder", func(in *iam.CreateRoleInput) { in.Path = aws.String("/podidentity/prod/") })
			if _, err := e.iam.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("profile")}); err != nil {
				t.Fatal(err)
			}
			err := tc.call(e.as(t, "operator", shippedPolicy(t)))
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("to %s: %v; want %q", name, err, tc.want)
			}
		})
	}
}
