package awslocal_test

import (
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// trustOf is the trust policy of a role as GetRole shows it.
func (e *endpoint) trustOf(t *testing.T, name string) string {
	t.Helper()
	role := must(e.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: &name}))(t).Role
	return must(url.PathUnescape(*role.AssumeRolePolicyDocument))(t)
}

// AWS shows a trust policy as it was sent, but for accounts, which it shows as
// their roots.
func TestPrincipals_AccountsAreShownAsRoots(t *testing.T) {
	for name, tc := range map[string]struct{ reason, sent, want string }{
		"Account": {
			"",
			`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"210987654321"},"Action":"sts:AssumeRole"}}`,
			`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"sts:AssumeRole"}}`,
		},
		"List": {
			"White space is kept.",
			`{"Statement": [ {"Effect":"Allow", "Principal": { "AWS" : [ "210987654321", "arn:aws:iam::210987654321:role/x" ] }, "Action":"sts:AssumeRole"} ] }`,
			`{"Statement": [ {"Effect":"Allow", "Principal": { "AWS" : [ "arn:aws:iam::210987654321:root", "arn:aws:iam::210987654321:role/x" ] }, "Action":"sts:AssumeRole"} ] }`,
		},
		"Condition": {
			"A text that is not a principal is kept.",
			`{"Id":"210987654321","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":["sts:AssumeRole"],` +
				`"Condition":{"StringEquals":{"aws:SourceAccount":"210987654321"}}}]}`,
			`{"Id":"210987654321","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":["sts:AssumeRole"],` +
				`"Condition":{"StringEquals":{"aws:SourceAccount":"210987654321"}}}]}`,
		},
		"Others": {
			"Principals of another type come after those of type AWS.",
			`{"Statement":{"Effect":"Allow","Principal":{"AWS":["*","210987654321"],"Service":["ec2.amazonaws.com"]},"Action":"sts:AssumeRole"}}`,
			`{"Statement":{"Effect":"Allow","Principal":{"AWS":["*","arn:aws:iam::210987654321:root"],"Service":["ec2.amazonaws.com"]},"Action":"sts:AssumeRole"}}`,
		},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			e := newEndpoint(t, awslocal.Options{})
			made := e.createRole(t, "r", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = &tc.sent })
			if echo := must(url.PathUnescape(*made.Role.AssumeRolePolicyDocument))(t); echo != tc.sent {
				t.Errorf("CreateRole answers %s, not what it was sent", echo)
			}
			if got := e.trustOf(t, "r"); got != tc.want {
				t.Errorf("CreateRole: GetRole shows %s\nwant %s", got, tc.want)
			}
			e.createRole(t, "other")
			must(e.iam.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("other"), PolicyDocument: &tc.sent}))(t)
			if got := e.trustOf(t, "other"); got != tc.want {
				t.Errorf("UpdateAssumeRolePolicy: GetRole shows %s\nwant %s", got, tc.want)
			}
		})
	}
}

// The trust in a role ends with its deletion: another role of that name is not trusted.
func TestPrincipals_DeletedRoleIsNoLongerTrusted(t *testing.T) {
	e := guarded(t)
	trusting := func(principal string) *string {
		return document(`[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"}]`)
	}
	caller := e.as(t, "caller", "")
	id := *must(e.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("caller")}))(t).Role.RoleId
	e.createRole(t, "target", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = trusting(roleARN("caller")) })
	if err := ignore(assume(roleARN("target"), "test")(t.Context(), caller)); err != nil {
		t.Fatalf("the caller is trusted: %v", err)
	}

	must(e.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("caller")}))(t)
	caller = e.as(t, "caller", "")
	if got := e.trustOf(t, "target"); got != *trusting(id) {
		t.Errorf("the trust policy is %s\nwant %s", got, *trusting(id))
	}
	if err := ignore(assume(roleARN("target"), "test")(t.Context(), caller)); err == nil || failureOf(t, err).Code != "AccessDenied" {
		t.Errorf("another role of the name may assume the role: %v", err)
	}
	update := func(principal string) error {
		return ignore(e.iam.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("target"), PolicyDocument: trusting(principal)}))
	}
	err := update(id)
	if want := (failure{400, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"` + id + `"`}); failureOf(t, err) != want {
		t.Errorf("%v, want %v", err, want)
	}
	id = *must(e.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("caller")}))(t).Role.RoleId
	if err := update(id); err != nil || e.trustOf(t, "target") != *trusting(roleARN("caller")) {
		t.Errorf("the ID of a role that is there does for its ARN: %v, and the trust policy is %s", err, e.trustOf(t, "target"))
	}
}
