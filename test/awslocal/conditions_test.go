package awslocal_test

import (
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// Conditions of trust policies can use the caller and the role.
func TestConditions_OfTrustPolicies(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, condition string
		user, role        bool // whether the user, and the role caller, may assume the role
	}{
		"Principal":   {"The principal is the role of the session.", `{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/caller"}}`, false, true},
		"User":        {"The user is that of the session.", `{"StringEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:user/awslocal","aws:username":"awslocal"}}`, true, false},
		"Type":        {"The caller is an assumed role.", `{"StringEquals":{"aws:PrincipalType":"AssumedRole"}}`, false, true},
		"Tag":         {"The calling role has the tag.", `{"StringEquals":{"aws:PrincipalTag/Team":"shop"}}`, false, true},
		"ResourceTag": {"The role of the request has the tag.", `{"StringEquals":{"aws:ResourceTag/team":"pay","iam:ResourceTag/team":"pay"}}`, true, true},
		"Account":     {"The account is that of the caller.", `{"StringEquals":{"aws:PrincipalAccount":"210987654321"}}`, false, false},
		"Session":     {"The request has the name of the session.", `{"StringEquals":{"sts:RoleSessionName":"test"}}`, true, true},
		"ID":          {"The ID of a session begins with that of its role.", `{"StringLike":{"aws:userid":"AROA*:test"}}`, false, true},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			e := newEndpoint(t, awslocal.Options{})
			caller := e.as(t, "caller", "", func(in *iam.CreateRoleInput) {
				in.Tags = []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("shop")}}
			})
			e.createRole(t, "target", func(in *iam.CreateRoleInput) {
				in.Tags = []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("pay")}}
				in.AssumeRolePolicyDocument = document(`[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole","Condition":` + tc.condition + `}]`)
			})
			for _, who := range []struct {
				*endpoint
				name string
				want bool
			}{{e, "user", tc.user}, {caller, "role", tc.role}} {
				if err := ignore(assume(roleARN("target"), "test")(t.Context(), who.endpoint)); (err == nil) != who.want {
					t.Errorf("The %s: %v", who.name, err)
				}
			}
		})
	}
}

// The condition keys of every call.
func TestConditions_GlobalKeys(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, condition string
		want              bool
	}{
		"Address":      {"The call comes from the address.", `{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}`, true},
		"OtherAddress": {"The call does not come from another address.", `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, false},
		"Agent":        {"The call has the user agent.", `{"StringLike":{"aws:UserAgent":"aws-sdk-go-v2/*"}}`, true},
		"Region":       {"All calls of IAM have one region.", `{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}`, true},
		"Directly":     {"No service makes the call on behalf of a user.", `{"Bool":{"aws:ViaAWSService":"false","aws:PrincipalIsAWSService":"false"}}`, true},
		"MFA":          {"A session states that it has no MFA.", `{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`, false},
		"NoMFA":        {"A session states that it has no MFA.", `{"Bool":{"aws:MultiFactorAuthPresent":"false"}}`, true},
		"Issued":       {"A session states when it began.", `{"DateGreaterThan":{"aws:TokenIssueTime":"2020-01-01T00:00:00Z"}}`, true},
		"Old":          {"A session can be ended by a condition on its age.", `{"DateLessThan":{"aws:TokenIssueTime":"2020-01-01T00:00:00Z"}}`, false},
		"Transport":    {"The connection of this test is not encrypted.", `{"Bool":{"aws:SecureTransport":"false"}}`, true},
		"NoTransport":  {"The connection of this test is not encrypted.", `{"Bool":{"aws:SecureTransport":"true"}}`, false},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			e := newEndpoint(t, awslocal.Options{Region: "eu-central-1", Authorize: true, AccessKeys: map[string]string{"AKIDLOCAL": "secret"}})
			caller := e.as(t, "caller", allow(`"iam:ListRoles"`, `"*"`, tc.condition))
			if _, err := caller.iam.ListRoles(t.Context(), &iam.ListRolesInput{}); (err == nil) != tc.want {
				t.Errorf("%v", err)
			}
		})
	}
}

// A session's tag overrules the role's of the same key, whatever its case.
func TestConditions_SessionTagsOverrideRoleTags(t *testing.T) {
	e := guarded(t)
	e.createRole(t, "caller", func(in *iam.CreateRoleInput) {
		in.AssumeRolePolicyDocument = aws.String(anyTrust)
		in.Tags = []iamtypes.Tag{{Key: aws.String("Team"), Value: aws.String("pay")}}
	})
	must(e.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("caller"), PolicyName: aws.String("p"), PolicyDocument: aws.String(
		allow(`"iam:ListRoles"`, `"*"`, `{"StringEquals":{"aws:PrincipalTag/team":"shop"},"StringNotEquals":{"aws:PrincipalTag/Team":"pay"}}`))}))(t)
	for team, want := range map[string]bool{"shop": true, "other": false} {
		c := must(assume(roleARN("caller"), "test", tagged("team", team))(t.Context(), e))(t).Credentials
		session := clients(e.Server, e.url, *c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
		if _, err := session.iam.ListRoles(t.Context(), &iam.ListRolesInput{}); (err == nil) != want {
			t.Errorf("team %s: %v", team, err)
		}
	}
}

// aws:SecureTransport is true for a connection with TLS.
func TestConditions_SecureTransport(t *testing.T) {
	server := awslocal.New(awslocal.Options{Seed: 1})
	web := httptest.NewTLSServer(server)
	t.Cleanup(web.Close)
	cfg := aws.Config{
		Region: "us-east-1", BaseEndpoint: &web.URL, HTTPClient: web.Client(), Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}
	e := &endpoint{Server: server, url: web.URL, iam: iam.NewFromConfig(cfg), sts: sts.NewFromConfig(cfg)}
	for secure, want := range map[string]bool{"true": true, "false": false} {
		e.createRole(t, secure, func(in *iam.CreateRoleInput) {
			in.AssumeRolePolicyDocument = document(`[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:SecureTransport":"` + secure + `"}}}]`)
		})
		if err := ignore(assume(roleARN(secure), "test")(t.Context(), e)); (err == nil) != want {
			t.Errorf("aws:SecureTransport is %s: %v", secure, err)
		}
	}
}
