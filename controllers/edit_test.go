package controllers_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// An edit of the spec reaches the role at one read of its owner and one write for each
// part that changed, and does not create the role again.
func TestEdit_CostsOneReadAndOneWritePerPart(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	first := s.awaitReady("checkout")
	before := s.account.Calls()

	s.apply(`
		metadata: {name: checkout}
		spec:
		  role: {description: Sends orders, maxSessionDurationSeconds: 3600, tags: {team: orders}}
		  policies:
		    managed: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
		    inline:
		    - name: queue
		      statements: [{effect: Allow, actions: ["sqs:SendMessage", "sqs:GetQueueUrl"], resources: ["*"]}]
	`)
	pi := s.awaitReady("checkout")

	want := map[string]int{
		"GetRole":          1,
		"DetachRolePolicy": 1, "DeleteRolePolicy": 1, "TagRole": 1, "UpdateRole": 1, "PutRolePolicy": 1, "AttachRolePolicy": 1,
		"GetPolicy": 1, "GetPolicyVersion": 1, // of ReadOnlyAccess, at its first use
	}
	if diff := cmp.Diff(want, since(before, s.account.Calls())); diff != "" {
		t.Errorf("calls: -want, +got:\n%s", diff)
	}
	if pi.Status.Role.ID != first.Status.Role.ID {
		t.Error("The role was created again: policies that trust its ID no longer work.")
	}
	role := s.role(pi.Status.Role.Name)
	if role.Description != "Sends orders" || role.MaxSession != 3600 || role.Tags["team"] != "orders" {
		t.Errorf("The role is not as declared: %+v", role)
	}
	if diff := cmp.Diff([]string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, role.Managed); diff != "" {
		t.Errorf("managed: -want, +got:\n%s", diff)
	}
}

// More ServiceAccounts can be trusted, each by its name; they are annotated when
// they are there, and released when they are named no more.
func TestAdditionalServiceAccounts_AreAnnotatedAndReleased(t *testing.T) {
	s := startEnv(t)
	s.createServiceAccount("migrate", nil)
	s.apply(`
		metadata: {name: checkout}
		spec: {additionalServiceAccounts: [migrate]}
	`)
	pi := s.awaitReady("checkout")
	arn := pi.Status.Role.ARN
	s.checkServiceAccount("migrate", map[string]string{"eks.amazonaws.com/role-arn": arn})
	if err := s.assume("migrate", arn); err != nil {
		t.Errorf("migrate cannot assume the role: %v", err)
	}

	s.apply(`
		metadata: {name: checkout}
		spec: {}
	`)
	s.awaitReady("checkout")
	s.checkServiceAccount("migrate", nil)
	if s.assume("migrate", arn) == nil {
		t.Error("migrate can still assume the role.")
	}
}

// The role can trust the whole namespace, if that is what is declared.
func TestTrust_WholeNamespace(t *testing.T) {
	s := startEnv(t)
	s.apply(`
		metadata: {name: checkout}
		spec: {trust: {scope: Namespace}}
	`)
	pi := s.awaitReady("checkout")
	if err := s.assume("default", pi.Status.Role.ARN); err != nil {
		t.Errorf("A ServiceAccount of the namespace cannot assume the role: %v", err)
	}
}

// Mode Plan shows what would be done, and does nothing.
func TestPlan_ReportsChangesAndMakesNone(t *testing.T) {
	s := startEnv(t)
	s.apply(`
		metadata: {name: checkout}
		spec:
		  mode: Plan
		  policies: {managed: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
	`)
	pi := s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonChangesPending)
	want := []v1alpha1.PlannedChange{
		{Action: "CreateRole", Target: roleName(s, "checkout")},
		{Action: "AttachRolePolicy", Target: "arn:aws:iam::aws:policy/ReadOnlyAccess"},
		{Action: "ApplyServiceAccount", Target: "checkout"},
	}
	if diff := cmp.Diff(want, pi.Status.Plan); diff != "" {
		t.Errorf("status.plan: -want, +got:\n%s", diff)
	}
	if len(pi.Finalizers) != 0 || s.roleExists(roleName(s, "checkout")) {
		t.Error("Mode Plan changed something.")
	}

	s.apply(`
		metadata: {name: checkout}
		spec: {mode: Apply, policies: {managed: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}}
	`)
	if pi := s.awaitReady("checkout"); len(pi.Status.Plan) != 0 {
		t.Errorf("A plan is left after it was carried out: %v", pi.Status.Plan)
	}
}

// suspend stops all work but deletion, and keeps what was last found.
func TestSuspend_StopsAllButDeletion(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	ready := s.awaitReady("checkout")
	before := s.account.Calls()

	s.apply(`
		metadata: {name: checkout}
		spec: {suspend: true}
	`)
	s.apply(`
		metadata: {name: other}
		spec: {}
	`)
	s.awaitReady("other") // by then the suspended one has been reconciled too
	suspended := s.get("checkout")
	if suspended.Status.ObservedGeneration != suspended.Generation {
		t.Error("The status does not say that the suspension has been seen.")
	}
	if c := condition(suspended, v1alpha1.ConditionSuspended); c == nil || c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonSuspended {
		t.Errorf("condition Suspended = %v", c)
	}
	suspended.Status.ObservedGeneration = ready.Status.ObservedGeneration
	meta.RemoveStatusCondition(&suspended.Status.Conditions, v1alpha1.ConditionSuspended)
	if diff := cmp.Diff(ready.Status, suspended.Status); diff != "" {
		t.Errorf("status: -before, +after:\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"CreateRole": 1}, written(before, s.account.Calls())); diff != "" {
		t.Errorf("Only the other identity costs calls: -want, +got:\n%s", diff)
	}

	s.delete("checkout")
	s.awaitGone("checkout")
	if s.roleExists(ready.Status.Role.Name) {
		t.Error("A suspended identity was deleted, and its role is left.")
	}
}

// A spec that cannot be is not tried: the condition names the field and what is
// allowed, and nothing is made.
func TestInvalidSpec_NamesTheFieldAndCreatesNothing(t *testing.T) {
	s := startEnv(t)
	cases := map[string]struct {
		spec   string
		reason string
		want   string
	}{
		"json": {
			reason: "The message names the field of a document that is not JSON.",
			spec:   `{policies: {inline: [{name: bucket, document: "{\"Version\": \"2012-10-17\", "}]}}`,
			want:   "spec.policies.inline[bucket].document: ",
		},
		"principal": {
			reason: "An identity policy has no principal.",
			spec:   `{policies: {inline: [{name: bucket, document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}'}]}}`,
			want:   "spec.policies.inline[bucket].document: policy document: Statement[0]: must not have a Principal",
		},
		"partition": {
			reason: "A policy of another partition cannot be attached.",
			spec:   `{policies: {managed: ["arn:aws-cn:iam::aws:policy/ReadOnlyAccess"]}}`,
			want:   "spec.policies.managed[0]: arn:aws-cn:iam::aws:policy/ReadOnlyAccess is in partition aws-cn",
		},
	}
	before := s.account.Calls()
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			s := s.in(t)
			s.apply("metadata: {name: " + name + "}\nspec: " + tc.spec)
			pi := s.await(name, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalidSpec)
			if got := condition(pi, v1alpha1.ConditionReady).Message; !hasPrefix(got, tc.want) {
				t.Errorf("message = %q, want it to begin with %q", got, tc.want)
			}
			if len(pi.Finalizers) != 0 {
				t.Error("a rejected object has a finalizer")
			}
		})
	}
	if got := written(before, s.account.Calls()); len(got) > 0 {
		t.Errorf("Something was made of specs that were rejected: %v", got)
	}

	s.apply("metadata: {name: json}\nspec: {}")
	s.awaitReady("json")
}
