package controllers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// conditionFor is what GitOps tools make of an identity.
type conditionFor struct {
	ready, reconciling, stalled metav1.ConditionStatus // empty if the condition is not there
	kstatus                     status.Status
	argo                        string        // Argo CD's health; empty during a deletion, which is Progressing without a script
	flux                        status.Status // by config/flux/healthcheck.yaml
	fluxFailFast                status.Status // by config/flux/healthcheck-failfast.yaml
}

// The states that the operator guarantees to GitOps tools, one per line.
var (
	notSeen  = conditionFor{"", "", "", status.InProgressStatus, "Progressing", status.InProgressStatus, status.InProgressStatus}
	working  = conditionFor{"Unknown", "True", "", status.InProgressStatus, "Progressing", status.InProgressStatus, status.InProgressStatus}
	success  = conditionFor{"True", "", "", status.CurrentStatus, "Healthy", status.CurrentStatus, status.CurrentStatus}
	blocked  = conditionFor{"False", "True", "", status.InProgressStatus, "Degraded", status.InProgressStatus, status.FailedStatus}
	terminal = conditionFor{"False", "", "True", status.FailedStatus, "Degraded", status.FailedStatus, status.FailedStatus}
	deleting = conditionFor{"Unknown", "True", "", status.TerminatingStatus, "", status.InProgressStatus, status.InProgressStatus}
	stuck    = conditionFor{"False", "True", "", status.TerminatingStatus, "", status.InProgressStatus, status.FailedStatus}
)

// changed is the state of an identity whose latest change the operator has not seen.
func changed(before conditionFor) conditionFor {
	before.kstatus, before.argo = status.InProgressStatus, "Progressing"
	before.flux, before.fluxFailFast = status.InProgressStatus, status.InProgressStatus
	return before
}

// suspended is the state of a suspended identity that was in another state before.
func suspended(before conditionFor) conditionFor { before.argo = "Suspended"; return before }

// outcome is a scenario about PodIdentity checkout that ends in a state.
type outcome struct {
	reason string
	config func(*controllers.Config)
	// unattended reports that no operator runs.
	unattended bool
	run        func(*env)
	want       conditionFor
}

// outcomes are the scenarios by the names of their fixtures.
var outcomes = map[string]outcome{
	"notSeen": {
		reason:     "Before the first reconciliation there is no status, which must not count as success.",
		unattended: true,
		run:        func(s *env) { s.apply(checkout) },
		want:       notSeen,
	},
	"changeNotSeen": {
		reason: "That the previous generation was ready is not about the new one.",
		run: func(s *env) {
			s.readyCheckout()
			s.stop()
			s.apply("metadata: {name: checkout}\nspec: {}")
		},
		want: changed(success),
	},
	"rolePropagating": {
		reason: "A new role cannot be assumed everywhere immediately.",
		config: func(c *controllers.Config) { c.IAMPropagationDelay = time.Hour },
		run:    awaits(checkout, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonRolePropagating),
		want:   working,
	},
	"serviceAccountNotFound": {
		reason: "A user will create the ServiceAccount.",
		run: awaits("metadata: {name: checkout}\nspec: {serviceAccount: {mode: Annotate}}",
			v1alpha1.ConditionServiceAccountReady, metav1.ConditionUnknown, v1alpha1.ReasonServiceAccountNotFound),
		want: working,
	},
	"throttled": {
		reason: "Throttling ends without a user, so it is not a failure, even before the first success.",
		run: func(s *env) {
			s.failCalls("CreateRole", "Throttling")
			s.apply(checkout)
			s.await("checkout", v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonProgressingWithRetry)
		},
		want: working,
	},
	"throttledAfterEdit": {
		reason: "The identity was ready, but is not in sync with the new spec.",
		run: func(s *env) {
			s.readyCheckout()
			s.failCalls("*", "Throttling")
			s.apply("metadata: {name: checkout}\nspec: {}")
			s.await("checkout", v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonProgressingWithRetry)
		},
		want: working,
	},
	"planned": {
		reason: "Mode Plan waits for approval.",
		run: awaits("metadata: {name: checkout}\nspec: {mode: Plan}",
			v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonChangesPending),
		want: working,
	},
	"ready": {
		reason: "The identity is in sync with the spec.",
		run:    (*env).readyCheckout,
		want:   success,
	},
	"throttledWhileReady": {
		reason: "Pods have their credentials anyway.",
		run: func(s *env) {
			s.readyCheckout()
			before := s.account.Calls()
			s.failCalls("*", "Throttling")
			s.request("checkout", "again")
			s.eventually("the operator to read the role", func() bool { return since(before, s.account.Calls())["GetRole"] > 3 })
		},
		want: success,
	},
	"accessDenied": {
		reason: "An administrator must grant a permission.",
		run: func(s *env) {
			s.failCalls("CreateRole", "AccessDenied")
			s.apply(checkout)
			s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAccessDenied)
		},
		want: blocked,
	},
	"accessDeniedWhileReady": {
		reason: "The identity was ready, and the operator can no longer check or restore it.",
		run: func(s *env) {
			s.readyCheckout()
			s.failCalls("GetRole", "AccessDenied")
			s.request("checkout", "again")
			s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAccessDenied)
		},
		want: blocked,
	},
	"quotaExceeded": {
		reason: "An administrator must raise a quota.",
		run: func(s *env) {
			var arns []string
			for name := range strings.SplitSeq("abcdefghijk", "") { // IAM attaches ten
				s.createPolicy(name)
				arns = append(arns, `"arn:aws:iam::123456789012:policy/`+name+`"`)
			}
			s.apply("metadata: {name: checkout}\nspec: {policies: {managed: [" + strings.Join(arns, ", ") + "]}}")
			s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonQuotaExceeded)
		},
		want: blocked,
	},
	"roleNotOwned": {
		reason: "A user must choose another name, or the platform team must remove the role.",
		run: func(s *env) {
			s.createRole("Shared-Role", "/", ownerNone)
			s.apply("metadata: {name: checkout}\nspec: {role: {name: Shared-Role}}")
			s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRoleNotOwned)
		},
		want: blocked,
	},
	"serviceAccountConflict": {
		reason: "A user must decide which owner the ServiceAccount has.",
		run: func(s *env) {
			s.createServiceAccount("checkout", nil)
			s.apply(checkout)
			s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonServiceAccountConflict)
		},
		want: blocked,
	},
	"invalidSpec": {
		reason: "Only another spec helps.",
		run: awaits(`metadata: {name: checkout}`+"\n"+`spec: {policies: {inline: [{name: bucket, document: "{}"}]}}`,
			v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalidSpec),
		want: terminal,
	},
	"guardrailViolated": {
		reason: "Only another spec or another guardrail helps.",
		run: awaits(`metadata: {name: checkout}`+"\n"+`spec: {policies: {managed: ["arn:aws:iam::aws:policy/AdministratorAccess"]}}`,
			v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonGuardrailViolated),
		want: terminal,
	},
	"policyMalformed": {
		reason: "AWS rejected the policy, and would reject it again.",
		run: func(s *env) {
			s.account.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{
				{Action: "PutRolePolicy", Error: "MalformedPolicyDocument", Message: "Syntax errors in policy."},
			}})
			s.apply(checkout)
			s.await("checkout", v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonPolicyMalformed)
		},
		want: terminal,
	},
	"deleting": {
		reason: "The deletion ends as soon as AWS allows it.",
		run: func(s *env) {
			s.readyCheckout()
			s.failCalls("*", "Throttling")
			s.delete("checkout")
			s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonDeleting)
		},
		want: deleting,
	},
	"deletionBlocked": {
		reason: "A user must act before the deletion can end, and the operator retries it.",
		run: func(s *env) {
			s.readyCheckout()
			s.failCalls("DetachRolePolicy", "AccessDenied")
			s.delete("checkout")
			s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeletionBlocked)
		},
		want: stuck,
	},
	"roleInInstanceProfile": {
		reason: "IAM does not delete a role in an instance profile, and the operator may not change this profile.",
		run: func(s *env) {
			s.readyCheckout()
			s.addToInstanceProfile("nodes", "checkout")
			s.delete("checkout")
			s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeletionBlocked)
		},
		want: stuck,
	},
	"podsOutdated": {
		reason: "The identity is in sync with the spec, and some pods started before it.",
		run: func(s *env) {
			s.createServiceAccount("checkout", nil)
			s.deploy("web", 2)
			s.apply("metadata: {name: checkout}\nspec: {serviceAccount: {mode: Annotate}}")
			s.awaitReady("checkout")
			s.awaitPods(0, 2)
		},
		want: success,
	},
	"suspended": {
		reason: "The role stays, and so does its status.",
		run: func(s *env) {
			s.readyCheckout()
			s.apply(checkout + "  suspend: true\n")
			s.awaitSuspended("checkout")
		},
		want: suspended(success),
	},
	"suspendedFromTheStart": {
		reason: "Nothing was created, and there is no status.",
		run: func(s *env) {
			s.apply("metadata: {name: checkout}\nspec: {suspend: true}")
			s.awaitSuspended("checkout")
		},
		want: suspended(notSeen),
	},
}

// awaits is a manifest and the condition that it leads to.
func awaits(manifest, kind string, becomes metav1.ConditionStatus, reason string) func(*env) {
	return func(s *env) {
		s.apply(manifest)
		s.await("checkout", kind, becomes, reason)
	}
}

func (s *env) readyCheckout() {
	s.t.Helper()
	s.apply(checkout)
	s.awaitReady("checkout")
}

// awaitSuspended waits until the operator reports the suspension.
func (s *env) awaitSuspended(name string) {
	s.t.Helper()
	s.await(name, v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended)
}

// start starts the outcome's scenario.
func (o outcome) start(t *testing.T) *env {
	t.Helper()
	if o.unattended {
		t.Parallel()
		return newEnv(t)
	}
	if o.config == nil {
		return startEnv(t)
	}
	return startEnv(t, o.config)
}
