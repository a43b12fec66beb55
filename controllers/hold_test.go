package controllers_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// An organization's policy adds a tag to roles and denies its removal. Tags
// grant nothing: the edit of a policy and the ServiceAccount do not wait for them.
func TestTagsDenied_EditAndServiceAccountGoOn(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	name := s.awaitReady("checkout").Status.Role.Name
	_, err := s.iam.TagRole(s.ctx, &iam.TagRoleInput{RoleName: &name, Tags: []iamtypes.Tag{{Key: aws.String("org:owner"), Value: aws.String("finance")}}})
	s.must(err)
	s.account.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{{
		Action: "UntagRole", Error: "AccessDenied",
		Message: "User: " + "arn:aws:sts::123456789012:assumed-role/operator/s is not authorized to perform: iam:UntagRole on resource: role " + name + " with an explicit deny in a service control policy",
	}}})
	s.request("checkout", "look")
	s.await("checkout", v1alpha1.ConditionRoleReady, metav1.ConditionFalse, v1alpha1.ReasonAccessDenied)

	s.apply(strings.ReplaceAll(checkout, "s3:GetObject", "s3:GetObjectTagging"))
	s.must(user.Delete(s.ctx, s.serviceAccount("checkout")))
	s.eventually("the edit to be applied", func() bool { return strings.Contains(s.inline(name, "bucket"), "s3:getobjecttagging") })
	s.eventually("the ServiceAccount to be created again", func() bool { return s.hasServiceAccount("checkout") })
	pi := s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAccessDenied)
	s.expectMessage(pi, "iam:UntagRole")
	s.clearFaults()
	s.request("checkout", "allowed")
	s.awaitReady("checkout")
	if tags := s.role(name).Tags; tags["org:owner"] != "" {
		t.Errorf("tags = %v, want those of the spec", tags)
	}
}

// A managed policy that does not exist stops neither the edit of an inline policy nor
// the repair of the role and of the ServiceAccount. What it replaces stays.
func TestMissingPolicy_IndependentPartsGoOn(t *testing.T) {
	s := startEnv(t)
	s.createPolicy("old")
	s.apply(withPolicies("old", "sqs:SendMessage"))
	made := s.awaitReady("checkout").Status.Role
	trust := s.trust(made.Name)

	s.apply(withPolicies("missing", "sqs:ReceiveMessage"))
	pi := s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPolicyNotFound)
	expectRole := func() {
		t.Helper()
		got := s.role(made.Name)
		if !slices.Equal(got.Managed, []string{policyARN("old")}) || !slices.Equal(slices.Collect(maps.Keys(got.Inline)), []string{"queue"}) ||
			!strings.Contains(got.Inline["queue"], "sqs:receivemessage") {
			t.Errorf("role = %+v, want the old managed policy and the new inline policy", got)
		}
	}
	expectRole()
	want := []v1alpha1.PlannedChange{{Action: "DetachRolePolicy", Target: policyARN("old")}, {Action: "AttachRolePolicy", Target: policyARN("missing")}}
	if diff := cmp.Diff(want, pi.Status.Plan); diff != "" {
		t.Errorf("status.plan: -want, +got:\n%s", diff)
	}

	s.must(s.attach(made.Name, administratorAccess))
	_, err := s.iam.UpdateAssumeRolePolicy(s.ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &made.Name, PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}}`)})
	s.must(err)
	s.must(user.Delete(s.ctx, s.serviceAccount("checkout")))
	s.request("checkout", "look")
	s.eventually("the ServiceAccount to be created again", func() bool { return s.hasServiceAccount("checkout") })
	s.eventually("the trust policy to be restored", func() bool { return s.trust(made.Name) == trust })
	s.awaitEvent("checkout", "CorrectedDrift", "Reverted out-of-band change to managedPolicy (DetachRolePolicy) "+administratorAccess)
	expectRole()

	s.createPolicy("missing")
	s.request("checkout", "made")
	s.awaitReady("checkout")
	if got := s.role(made.Name).Managed; !slices.Equal(got, []string{policyARN("missing")}) {
		t.Errorf("managed policies = %v", got)
	}
}

func policyARN(name string) string { return "arn:aws:iam::123456789012:policy/" + name }

func withPolicies(managed, action string) string {
	return `
		metadata: {name: checkout}
		spec:
		  policies:
		    managed: ["` + policyARN(managed) + `"]
		    inline: [{name: queue, statements: [{effect: Allow, actions: ["` + action + `"], resources: ["*"]}]}]`
}

// Nothing that blocks an identity protects what another user attaches to its role by hand,
// and no user has to ask for the check.
func TestBlockedIdentity_ForeignPermissionsAreRemoved(t *testing.T) {
	const invalid = "metadata: {name: checkout}\nspec: {role: {tags: {A: x, a: x}}, policies: {managed: [\"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess\"]}}"
	restart := func(s *env) { s.stop(); s.start() }
	cases := map[string]struct {
		block  func(*env)
		reason string
		then   func(*env)
	}{
		"the OIDC provider is missing": {func(s *env) {
			arn := "arn:aws:iam::123456789012:oidc-provider/" + strings.TrimPrefix(cluster.Issuer, "https://")
			_, err := s.iam.DeleteOpenIDConnectProvider(s.ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
			s.must(err)
		}, v1alpha1.ReasonOIDCProviderNotFound, nil},
		"a managed policy is missing": {func(s *env) {
			s.apply("metadata: {name: checkout}\nspec: {policies: {managed: [\"" + policyARN("missing") + "\"]}}")
		}, v1alpha1.ReasonPolicyNotFound, nil},
		"a managed policy is missing, and the operator restarts": {func(s *env) {
			s.apply("metadata: {name: checkout}\nspec: {policies: {managed: [\"" + policyARN("missing") + "\"]}}")
		}, v1alpha1.ReasonPolicyNotFound, restart},
		"the spec is invalid":                            {func(s *env) { s.apply(invalid) }, v1alpha1.ReasonInvalidSpec, nil},
		"the spec is invalid, and the operator restarts": {func(s *env) { s.apply(invalid) }, v1alpha1.ReasonInvalidSpec, restart},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := startEnv(t, func(c *controllers.Config) { c.DriftCheckInterval = 15 * time.Second })
			s.apply(checkout)
			made := s.awaitReady("checkout").Status.Role
			tc.block(s)
			s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, tc.reason)
			before := s.role(made.Name)
			s.must(s.attach(made.Name, administratorAccess))
			s.must(s.putPolicy(made.Name, "bucket"))
			s.must(user.Delete(s.ctx, s.serviceAccount("checkout")))
			if tc.then != nil {
				tc.then(s)
			}
			s.eventually("AdministratorAccess to be removed", func() bool { return !slices.Contains(s.attached(made.Name), administratorAccess) })
			s.awaitEvent("checkout", "CorrectedDrift", "Reverted out-of-band change to managedPolicy (DetachRolePolicy) "+administratorAccess)
			s.eventually("the ServiceAccount to be created again", func() bool { return s.hasServiceAccount("checkout") })
			if got := s.attached(made.Name); !slices.Equal(got, before.Managed) {
				t.Errorf("managed policies = %v, want %v", got, before.Managed)
			}
			if tc.then != nil {
				return // the operator cannot know what it applied before
			}
			s.eventually("foreign inline policies to be removed", func() bool { return len(s.inlineNames(made.Name)) == len(before.Inline) })
			s.eventually("the rest of the role to be restored", func() bool { return cmp.Equal(before, s.role(made.Name)) })
		})
	}
}
