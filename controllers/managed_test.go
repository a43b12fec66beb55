package controllers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
)

// The first use of a managed policy costs two reads, for all identities together.
func TestManagedPolicy_IsReadOnceForAllIdentities(t *testing.T) {
	s := startEnv(t)
	s.apply(`
		metadata: {name: first}
		spec: {policies: {managed: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]}}`)
	s.awaitReady("first")
	before := s.account.Calls()
	s.apply(`
		metadata: {name: second}
		spec: {policies: {managed: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]}}`)
	s.awaitReady("second")
	if diff := cmp.Diff(map[string]int{"CreateRole": 1, "AttachRolePolicy": 1}, since(before, s.account.Calls())); diff != "" {
		t.Errorf("calls of the second identity: -want, +got:\n%s", diff)
	}
}

// A managed policy that grants more than before is evaluated again, and onViolation of the
// guardrail applies to it.
func TestManagedPolicy_IsEvaluatedAgainWhenItChanges(t *testing.T) {
	s := startEnv(t, func(c *controllers.Config) { c.DriftCheckInterval = time.Second })
	arn := s.createPolicyWith("shop", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}`)
	s.guard("revoke", `onViolation: Revoke`)
	s.apply("metadata: {name: checkout}\nspec: {policies: {managed: [\"" + arn + "\"]}}")
	made := s.awaitReady("checkout").Status.Role
	version, err := s.iam.CreatePolicyVersion(s.ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: aws.String(allowAll), SetAsDefault: true})
	s.must(err)
	s.awaitRejected("checkout", "spec.policies.managed[0]: "+arn+": Statement[0]: * allows every action of AWS")
	s.awaitRevoked("checkout", made.Name)

	_, err = s.iam.SetDefaultPolicyVersion(s.ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: &arn, VersionId: aws.String("v1")})
	s.must(err)
	s.awaitReady("checkout")
	if got := s.role(made.Name).Managed; len(got) != 1 {
		t.Errorf("policies = %v, want the policy that is allowed again (it had version %s)", got, *version.PolicyVersion.VersionId)
	}
}

// Contents that the operator may not read are rejected, and the message names the
// missing permission. What a role has already stays: the operator lacks something,
// not the identity.
func TestManagedPolicy_UnreadableOneNamesThePermission(t *testing.T) {
	s := startEnv(t)
	s.guard("revoke", `onViolation: Revoke`)
	s.apply(checkout)
	name := s.awaitReady("checkout").Status.Role.Name
	before := s.role(name)
	s.stop()
	s.grant("a", without(t, without(t, s.operatorPolicies()[0], "iam:GetPolicy"), "iam:GetPolicyVersion"))
	s.start()
	pi := s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAccessDenied)
	s.expectMessage(pi, "spec.policies.managed[0]", "iam:GetPolicy")
	if diff := cmp.Diff(before, s.role(name)); diff != "" {
		t.Errorf("the role: -before, +after:\n%s", diff)
	}
	s.grant("a", s.operatorPolicies()[0])
	s.request("checkout", "granted")
	s.awaitReady("checkout")
}

// A guardrail that trusts a policy leaves its contents to its owner, and costs no
// read.
func TestManagedPolicy_TrustedOneIsNotRead(t *testing.T) {
	s := startEnv(t)
	s.guard("trust", `managedPolicies: {trusted: ["arn:aws:iam::aws:policy/AdministratorAccess"]}`)
	s.grant("b", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:AttachRolePolicy","Resource":"*"}}`)
	before := s.account.Calls()
	s.apply(`
		metadata: {name: checkout}
		spec: {policies: {managed: ["arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"]}}`)
	s.awaitReady("checkout")
	if got := since(before, s.account.Calls())["GetPolicy"]; got != 1 {
		t.Errorf("%d reads of a policy that is not trusted, want 1", got)
	}
	s.guard("all", `managedPolicies: {trusted: ["*"]}`)
	before = s.account.Calls()
	s.apply(`
		metadata: {name: other}
		spec: {policies: {managed: ["arn:aws:iam::aws:policy/SecurityAudit"]}}`)
	s.awaitReady("other")
	if got := since(before, s.account.Calls())["GetPolicy"]; got != 1 {
		t.Errorf("%d reads of a policy that only one of two guardrails trusts, want 1", got)
	}
}

// A boundary of the spec that the platform team overrides is named in the condition.
func TestGuardrail_OverriddenBoundaryIsNamed(t *testing.T) {
	s := startEnv(t)
	s.createPolicy("boundary")
	g := s.guard("bounded", `permissionsBoundary: "`+boundaryARN+`"`)
	s.apply("metadata: {name: checkout}\nspec: {role: {permissionsBoundary: \"arn:aws:iam::123456789012:policy/absent\"}}")
	pi := s.awaitReady("checkout")
	want := "IAM role is in sync with the spec, except for its permissions boundary: PodIdentityGuardrail " + g.Name + " requires " + boundaryARN
	if got := condition(pi, v1alpha1.ConditionRoleReady).Message; got != want {
		t.Errorf("RoleReady says %q, want %q", got, want)
	}
}

// longName makes an inline policy larger than IAM stores.
var longName = strings.Repeat("a", 10240)

// Nothing keeps a guardrail from revoking: neither a suspension, nor mode Plan, nor
// an invalid spec, nor a later edit of the spec.
func TestRevoke_CannotBeEvaded(t *testing.T) {
	for name, spec := range map[string]string{
		"suspended":                     checkout + "  suspend: true\n",
		"suspended, asks for nothing":   "metadata: {name: checkout}\nspec: {suspend: true}",
		"Plan, asks for nothing":        "metadata: {name: checkout}\nspec: {mode: Plan}",
		"tags that differ in case only": "metadata: {name: checkout}\nspec: {role: {tags: {A: x, a: x}}}",
		"a document with key action":    "metadata: {name: checkout}\n" + `spec: {policies: {inline: [{name: p, document: '{"Version":"2012-10-17","Statement":{"effect":"Allow","action":"s3:*","resource":"*"}}'}]}}`,
		"more than a role can hold":     "metadata: {name: checkout}\n" + `spec: {policies: {inline: [{name: p, document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::` + longName + `"}}'}]}}`,
		"a managed policy is missing":   "metadata: {name: checkout}\n" + `spec: {policies: {managed: ["arn:aws:iam::123456789012:policy/missing"]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := startEnv(t)
			s.apply(checkout)
			made := s.awaitReady("checkout").Status.Role
			s.guard("revoke", `onViolation: Revoke`)
			s.apply(spec)
			s.guard("none", `inlinePolicies: Forbidden, managedPolicies: {denied: ["arn:aws:iam::aws:*"]}, onViolation: Revoke`)
			s.awaitRevoked("checkout", made.Name)
			if err := s.assume("checkout", made.ARN); err == nil {
				t.Error("A pod can assume a role that was revoked.")
			}
			s.delete("checkout")
			s.awaitGone("checkout")
		})
	}
}
