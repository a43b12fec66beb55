package controllers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// guard has a platform team bound the namespace, by limits in YAML.
func (s *env) guard(name, limits string) *v1alpha1.PodIdentityGuardrail {
	s.t.Helper()
	return s.guardWhere(name, `{kubernetes.io/metadata.name: `+s.namespace+`}`, limits)
}

// guardWhere bounds the namespaces that have labels.
func (s *env) guardWhere(name, labels, limits string) *v1alpha1.PodIdentityGuardrail {
	s.t.Helper()
	g := &v1alpha1.PodIdentityGuardrail{}
	s.must(yaml.UnmarshalStrict([]byte("spec: {namespaceSelector: {matchLabels: "+labels+"}, "+limits+"}"), g))
	g.Name = s.namespace + "-" + name
	s.must(user.Create(s.ctx, g))
	s.t.Cleanup(func() { s.deleteGuardrail(g) })
	return g
}

// deleteGuardrail deletes a guardrail, if it exists. It serves cleanups too, after the
// test's context has ended.
func (s *env) deleteGuardrail(g *v1alpha1.PodIdentityGuardrail) {
	s.t.Helper()
	s.must(client.IgnoreNotFound(user.Delete(context.WithoutCancel(s.ctx), g)))
}

// awaitRejected waits until a guardrail rejects the identity for what its spec asks.
func (s *env) awaitRejected(name string, want ...string) *v1alpha1.PodIdentity {
	s.t.Helper()
	pi := s.await(name, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonGuardrailViolated)
	s.expectMessage(pi, want...)
	return pi
}

// expectMessage checks what Ready says.
func (s *env) expectMessage(pi *v1alpha1.PodIdentity, want ...string) {
	s.t.Helper()
	for _, text := range want {
		if message := condition(pi, v1alpha1.ConditionReady).Message; !strings.Contains(message, text) {
			s.t.Errorf("Ready says %q, want it to say %q", message, text)
		}
	}
}

// An identity of a namespace without a guardrail may not administer IAM, and the
// operator creates nothing for one that asks to.
func TestBaseline_RejectsIAMAdministration(t *testing.T) {
	s := startEnv(t)
	s.apply(`
		metadata: {name: checkout}
		spec: {policies: {inline: [{name: admin, statements: [{effect: Allow, actions: ["iam:*"], resources: ["*"]}]}]}}`)
	pi := s.awaitRejected("checkout",
		"rejected by the built-in baseline: spec.policies.inline[admin].statements[0]: iam:* administers IAM",
		"a PodIdentityGuardrail for this namespace can allow it")
	if len(pi.Finalizers) > 0 || pi.Status.Role != nil || pi.Status.Guardrail != nil {
		t.Errorf("Something was made of what is rejected: finalizers %v, role %v, guardrail %v.", pi.Finalizers, pi.Status.Role, pi.Status.Guardrail)
	}
	s.awaitEvent("checkout", v1alpha1.ReasonGuardrailViolated, "administers IAM")

	g := s.guard("admins", `actions: {allowed: ["*"]}, resources: {allowed: ["*"]}`)
	pi = s.awaitReady("checkout")
	if diff := cmp.Diff(&v1alpha1.GuardrailStatus{Name: g.Name, Generation: 1}, pi.Status.Guardrail); diff != "" {
		t.Errorf("status.guardrail: -want, +got:\n%s", diff)
	}
}

// A guardrail comes after the identity: the permissions of the role stay, and the
// operator no longer changes the role.
func TestGuardrail_ReportKeepsPermissions(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	name := s.awaitReady("checkout").Status.Role.Name
	before := s.role(name)
	g := s.guard("readers", `actions: {allowed: ["s3:Get*"]}`)
	pi := s.awaitRejected("checkout", "rejected by PodIdentityGuardrail "+g.Name+": ", "spec.policies.inline[queue].document: Statement[0]: sqs:SendMessage is not covered by the allowed actions: s3:Get*")
	if pi.Status.Guardrail.Name != g.Name {
		t.Errorf("status.guardrail = %v", pi.Status.Guardrail)
	}

	s.must(s.putPolicy(name, "backdoor"))
	s.request("checkout", "now")
	s.eventually("the request to be handled", func() bool { return s.get("checkout").Status.LastHandledReconcileAt == "now" })
	after := s.role(name)
	if _, left := after.Inline["backdoor"]; !left {
		t.Error("A role that is not allowed was repaired.")
	}
	delete(after.Inline, "backdoor")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("A role that is only reported was changed: -before, +after:\n%s", diff)
	}

	// The team asks for less, and is served again.
	s.apply(`
		metadata: {name: checkout}
		spec: {policies: {inline: [{name: bucket, statements: [{effect: Allow, actions: ["s3:GetObject"], resources: ["*"]}]}]}}`)
	s.awaitReady("checkout")
	if got := s.role(name).Inline; len(got) != 1 {
		t.Errorf("policies = %v, want the one that is declared", got)
	}
}

// A guardrail that revokes takes trust and policies away, and gives them back when
// the identity is allowed again. The role remains the same, and its tags say whose
// it is.
func TestGuardrail_RevokeRemovesAndRestoresPermissions(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	made := s.awaitReady("checkout").Status.Role
	before, trust := s.role(made.Name), s.trust(made.Name)
	g := s.guard("readers", `actions: {allowed: ["s3:Get*"]}, onViolation: Revoke`)
	s.awaitRejected("checkout", "sqs:SendMessage is not covered by the allowed actions")

	revoked := s.role(made.Name)
	if len(revoked.Managed)+len(revoked.Inline) > 0 || s.trust(made.Name) != string(policy.DenyAllTrust()) {
		t.Errorf("The role has rights left: %+v, trust %s.", revoked, s.trust(made.Name))
	}
	if diff := cmp.Diff(before.Tags, revoked.Tags); diff != "" {
		t.Errorf("tags: -before, +revoked:\n%s", diff)
	}
	if err := s.assume("checkout", made.ARN); err == nil {
		t.Error("A pod could assume a role that was revoked.")
	}
	s.awaitEvent("checkout", "RevokedRole", made.Name)

	s.deleteGuardrail(g)
	again := s.awaitReady("checkout")
	if diff := cmp.Diff(before, s.role(made.Name)); diff != "" || s.trust(made.Name) != trust {
		t.Errorf("The role is not what it was: -before, +again:\n%s", diff)
	}
	if diff := cmp.Diff(made, again.Status.Role); diff != "" {
		t.Errorf("role: -before, +again:\n%s", diff)
	}
	if again.Status.Guardrail != nil {
		t.Errorf("status.guardrail = %v of one that is gone", again.Status.Guardrail)
	}
	s.must(s.assume("checkout", made.ARN))
	for _, e := range s.events("checkout") {
		if e.Reason == "CorrectedDrift" {
			t.Errorf("A change because of a guardrail is reported as drift: %s", e.Note)
		}
	}
}

// A removal that AWS denies is retried.
func TestRevoke_RetriesAfterAccessDenied(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	name := s.awaitReady("checkout").Status.Role.Name
	s.failCalls("DetachRolePolicy", "Throttling")
	s.guard("none", `managedPolicies: {allowed: []}, onViolation: Revoke`)
	s.eventually("the trust to be cut", func() bool { return s.trust(name) == string(policy.DenyAllTrust()) })
	s.clearFaults()
	s.awaitRejected("checkout", "spec.policies.managed[0]", "(none)")
	if got := s.role(name); len(got.Managed)+len(got.Inline) > 0 {
		t.Errorf("The role has rights left: %+v.", got)
	}
}

// Mode Plan changes nothing, except that a guardrail can revoke.
func TestRevoke_AppliesInModePlan(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	name := s.awaitReady("checkout").Status.Role.Name
	before := s.role(name)
	s.apply(checkout + "  mode: Plan\n")
	s.awaitReady("checkout")
	g := s.guard("report", `inlinePolicies: Forbidden`)
	s.awaitRejected("checkout", "inline policies are forbidden")
	if diff := cmp.Diff(before, s.role(name)); diff != "" {
		t.Errorf("mode Plan changed the role: -before, +after:\n%s", diff)
	}
	s.deleteGuardrail(g)
	s.awaitReady("checkout")
	s.guard("revoke", `inlinePolicies: Forbidden, onViolation: Revoke`)
	s.awaitRevoked("checkout", name)
}

// awaitRevoked waits until the role of an identity has neither trust nor permissions.
func (s *env) awaitRevoked(name, role string) {
	s.t.Helper()
	s.eventually("role "+role+" of "+name+" to be revoked", func() bool {
		managed, err := s.iam.ListAttachedRolePolicies(s.ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
		s.must(err)
		inline, err := s.iam.ListRolePolicies(s.ctx, &iam.ListRolePoliciesInput{RoleName: &role})
		s.must(err)
		return len(managed.AttachedPolicies)+len(inline.PolicyNames) == 0 && s.trust(role) == string(policy.DenyAllTrust())
	})
}

// A guardrail never keeps an identity from being deleted.
func TestDelete_RejectedByAGuardrail(t *testing.T) {
	for _, onViolation := range []string{"Report", "Revoke"} {
		t.Run(onViolation, func(t *testing.T) {
			s := startEnv(t)
			s.apply(checkout)
			name := s.awaitReady("checkout").Status.Role.Name
			s.guard("none", `inlinePolicies: Forbidden, onViolation: `+onViolation)
			s.awaitRejected("checkout")
			s.delete("checkout")
			s.awaitGone("checkout")
			if s.roleExists(name) {
				t.Error("The role is left.")
			}
		})
	}
}

// A boundary of a guardrail replaces the one in the spec immediately.
func TestGuardrail_BoundaryReplacesThatOfTheSpec(t *testing.T) {
	s := startEnv(t)
	s.createPolicy("boundary")
	s.createPolicy("own")
	s.apply(`
		metadata: {name: checkout}
		spec: {role: {permissionsBoundary: "arn:aws:iam::123456789012:policy/own"}}`)
	name := s.awaitReady("checkout").Status.Role.Name
	g := s.guard("bounded", `permissionsBoundary: "`+boundaryARN+`"`)
	s.eventually("the boundary to be forced", func() bool { return s.role(name).Boundary == boundaryARN })
	for _, e := range s.events("checkout") {
		if e.Reason == "CorrectedDrift" {
			t.Errorf("A boundary of a guardrail is reported as drift: %s", e.Note)
		}
	}
	s.deleteGuardrail(g)
	s.eventually("the declared boundary to be back", func() bool { return strings.HasSuffix(s.role(name).Boundary, "/own") })
}

// Two that force different boundaries have to be brought in line by the platform
// team.
func TestGuardrail_ConflictingBoundariesAreReported(t *testing.T) {
	s := startEnv(t, func(c *controllers.Config) { c.PermissionsBoundary = boundaryARN })
	s.createPolicy("boundary")
	g := s.guard("other", `permissionsBoundary: "arn:aws:iam::123456789012:policy/other"`)
	s.apply("metadata: {name: checkout}\nspec: {}")
	pi := s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonGuardrailViolated)
	s.expectMessage(pi, "PodIdentityGuardrail "+g.Name+" requires arn:aws:iam::123456789012:policy/other", "the platform team must remove one of them")
	s.deleteGuardrail(g)
	s.awaitReady("checkout")
}

// Of more identities than a namespace may have, the newest wait, and move up.
func TestMaxIdentities_NewestWaitAndMoveUp(t *testing.T) {
	s := startEnv(t)
	s.guard("one", `maxIdentities: 1`)
	s.apply("metadata: {name: first}\nspec: {}")
	s.awaitReady("first")
	s.apply("metadata: {name: second}\nspec: {}")
	pi := s.await("second", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonGuardrailViolated)
	s.expectMessage(pi, "namespace limit of 1 PodIdentities reached")
	if condition(pi, v1alpha1.ConditionStalled) != nil {
		t.Error("One that waits for its turn is stalled.")
	}
	s.delete("first")
	s.awaitReady("second")
}

// A change of its labels changes the guardrails of a namespace.
func TestGuardrail_FollowsLabelsOfTheNamespace(t *testing.T) {
	s := startEnv(t)
	s.guardWhere("restricted", `{tier: `+s.namespace+`}`, `inlinePolicies: Forbidden`)
	s.apply(checkout)
	s.awaitReady("checkout")
	s.label("tier", s.namespace)
	s.awaitRejected("checkout", "inline policies are forbidden")
	s.label("tier", "other")
	s.awaitReady("checkout")
}

// label sets a label of the namespace.
func (s *env) label(key, value string) {
	s.t.Helper()
	ns := &corev1.Namespace{}
	s.must(user.Get(s.ctx, client.ObjectKey{Name: s.namespace}, ns))
	before := ns.DeepCopy()
	metav1.SetMetaDataLabel(&ns.ObjectMeta, key, value)
	s.must(user.Patch(s.ctx, ns, client.MergeFrom(before)))
}

// An operator that demands guardrails serves no namespace without one.
func TestRequireGuardrail_RejectsNamespacesWithoutOne(t *testing.T) {
	s := startEnv(t, func(c *controllers.Config) { c.RequireGuardrail = true })
	s.apply(checkout)
	pi := s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonGuardrailMissing)
	s.expectMessage(pi, "no PodIdentityGuardrail selects namespace "+s.namespace)
	if pi.Status.Role != nil || len(pi.Finalizers) > 0 {
		t.Error("Something was made without a guardrail.")
	}
	g := s.guard("any", `maxIdentities: 9`)
	pi = s.awaitReady("checkout")
	if pi.Status.Guardrail == nil || pi.Status.Guardrail.Name != g.Name {
		t.Errorf("status.guardrail = %v", pi.Status.Guardrail)
	}
}

// An operator that starts applies a guardrail that was created while none ran.
func TestGuardrail_CreatedWhileNoOperatorRanIsApplied(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	name := s.awaitReady("checkout").Status.Role.Name
	s.stop()
	s.guard("none", `inlinePolicies: Forbidden, onViolation: Revoke`)
	s.start()
	s.awaitRejected("checkout", "inline policies are forbidden")
	if got := s.role(name); len(got.Managed)+len(got.Inline) > 0 {
		t.Errorf("The role has rights left: %+v.", got)
	}
}

// An evaluation costs no call to AWS, and no write if the identity is still allowed.
func TestGuardrail_EvaluationCostsNoCall(t *testing.T) {
	s := startEnv(t)
	s.guard("wide", `actions: {allowed: ["s3:*", "s3-object-lambda:*", "sqs:*"]}`)
	s.apply(checkout)
	s.awaitReady("checkout")
	calls := s.account.Calls()
	s.writes.reset()
	g := s.guard("wider", `maxIdentities: 9`) // second by name: the result is that of the first
	s.deleteGuardrail(g)
	s.apply("metadata: {name: other}\nspec: {}") // reconciled after the events of the guardrail
	s.awaitReady("other")
	got := since(calls, s.account.Calls())
	for action := range got {
		if action != "CreateRole" { // of the other identity
			t.Errorf("A guardrail cost %d calls of %s.", got[action], action)
		}
	}
	for _, write := range s.writes.all() {
		if strings.Contains(write, "checkout") {
			t.Errorf("A guardrail that changes nothing cost a write: %s", write)
		}
	}
}

// Comparing all roles with AWS knows what guardrails force on them.
func TestDriftCheck_KnowsBoundariesOfGuardrails(t *testing.T) {
	s := startEnv(t, func(c *controllers.Config) { c.DriftCheckInterval = time.Second })
	s.createPolicy("boundary")
	s.guard("bounded", `permissionsBoundary: "`+boundaryARN+`"`)
	s.apply("metadata: {name: checkout}\nspec: {}")
	name := s.awaitReady("checkout").Status.Role.Name
	before := s.account.Calls()
	s.eventually("two comparisons", func() bool { return since(before, s.account.Calls())["ListRoles"] >= 2 })
	if diff := cmp.Diff(map[string]int{}, written(before, s.account.Calls())); diff != "" {
		t.Errorf("A role as it should be was changed: -want, +got:\n%s", diff)
	}
	_, err := s.iam.DeleteRolePermissionsBoundary(s.ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &name})
	s.must(err)
	s.eventually("the forced boundary to be restored", func() bool { return s.role(name).Boundary == boundaryARN })
}
