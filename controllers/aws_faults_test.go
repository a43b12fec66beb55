package controllers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// An operator that AWS denies something says which permission is missing, goes
// on when it is granted, and makes few attempts meanwhile.
func TestAWS_DeniedCallNamesThePermission(t *testing.T) {
	s := startEnv(t)
	began, before := time.Now(), s.account.Calls()
	s.failCalls("CreateRole", "AccessDenied")
	s.apply(checkout)
	pi := s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAccessDenied)
	if message := condition(pi, v1alpha1.ConditionReady).Message; !strings.Contains(message, "iam:CreateRole") {
		t.Errorf("The message does not name the missing action: %q", message)
	}
	s.awaitEvent("checkout", "AccessDenied", "")
	if n := since(before, s.account.Calls())["CreateRole"]; n > mostCalls(began) {
		t.Errorf("CreateRole was called %d times, want %d at most", n, mostCalls(began))
	}
	s.clearFaults()
	s.request("checkout", "granted")
	s.awaitReady("checkout")
}

// Throttling ends without a user: the identity becomes ready, and one that was ready
// stays ready.
func TestAWS_ThrottlingKeepsAReadyIdentityReady(t *testing.T) {
	s := startEnv(t)
	s.account.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{{Error: "Throttling", Count: 5}}})
	s.apply(checkout)
	ready := s.awaitReady("checkout")

	before := s.account.Calls()
	s.failCalls("*", "Throttling")
	s.request("checkout", "again")
	s.eventually("the operator to try again", func() bool { return since(before, s.account.Calls())["GetPolicy"] > 3 })
	if s.get("checkout").Status.LastHandledReconcileAt == "again" {
		t.Error("the request is marked as handled although AWS has not answered")
	}
	if diff := cmp.Diff(ready.Status.Conditions, s.get("checkout").Status.Conditions); diff != "" {
		t.Errorf("A ready identity flapped: -before, +after:\n%s", diff)
	}
	s.clearFaults()
	s.eventually("the request to be handled", func() bool { return s.get("checkout").Status.LastHandledReconcileAt == "again" })
}

// A throttled identity that has not been ready says that it is being worked on.
func TestAWS_ThrottledNewIdentityIsReconciling(t *testing.T) {
	s := startEnv(t)
	s.failCalls("CreateRole", "Throttling")
	s.apply(checkout)
	s.await("checkout", v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonProgressingWithRetry)
	s.clearFaults()
	s.awaitReady("checkout")
}

// The operator retries a transient error within the same reconcile. It does not retry an
// exceeded quota, although the error code of a quota looks like throttling.
func TestAWS_RetriesTransientErrorsButNoQuota(t *testing.T) {
	cases := map[string]struct {
		reason string
		code   string
		ready  metav1.ConditionStatus
		want   string // the reason of Ready
		calls  int    // of CreateRole, per attempt of the operator
	}{
		"Throttling":             {reason: "The third attempt succeeds.", code: "Throttling", ready: metav1.ConditionTrue, want: v1alpha1.ReasonSucceeded, calls: 3},
		"ConcurrentModification": {reason: "The other caller is done by then.", code: "ConcurrentModification", ready: metav1.ConditionTrue, want: v1alpha1.ReasonSucceeded, calls: 3},
		"LimitExceeded":          {reason: "A quota does not grow between two attempts.", code: "LimitExceeded", ready: metav1.ConditionFalse, want: v1alpha1.ReasonQuotaExceeded, calls: 1},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			s := startEnv(t)
			before, began := s.account.Calls(), time.Now()
			s.account.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{{Action: "CreateRole", Error: tc.code, Count: 2}}})
			s.apply("metadata: {name: checkout}\nspec: {}")
			s.await("checkout", v1alpha1.ConditionReady, tc.ready, tc.want)
			most := tc.calls
			if tc.ready == metav1.ConditionFalse {
				most += int(time.Since(began) / (2 * time.Second)) // a blocked identity is retried after two seconds
			}
			if n := since(before, s.account.Calls())["CreateRole"]; n < tc.calls || n > most {
				t.Errorf("CreateRole was called %d times, want %d, and %d at most", n, tc.calls, most)
			}
			status := 0
			for _, write := range s.writes.all() {
				if strings.HasSuffix(write, "/checkout/status") {
					status++
				}
			}
			if waited := time.Since(began) > 500*time.Millisecond; status != 1 && !(waited && status == 2) { // the first says that it waits
				t.Errorf("The status was written %d times, want once, at the end", status)
			}
		})
	}
}

// An identity that exceeds a quota of the account is rejected before the first write, with
// the quota's name and number.
func TestAWS_QuotaIsCheckedBeforeTheFirstWrite(t *testing.T) {
	s := startEnv(t)
	arns := make([]string, 11)
	for i := range arns {
		s.createPolicy("p" + string(rune('a'+i)))
		arns[i] = `"arn:aws:iam::123456789012:policy/p` + string(rune('a'+i)) + `"`
	}
	s.apply("metadata: {name: checkout}\nspec: {policies: {managed: [" + strings.Join(arns, ",") + "]}}")
	pi := s.await("checkout", v1alpha1.ConditionRoleReady, metav1.ConditionFalse, v1alpha1.ReasonQuotaExceeded)
	const want = "spec.policies.managed has 11 policies but the quota is 10 (AttachedPoliciesPerRoleQuota)"
	if message := condition(pi, v1alpha1.ConditionReady).Message; !strings.HasPrefix(message, want) {
		t.Errorf("The message does not name the quota: %q", message)
	}
	if s.roleExists(roleName(s, "checkout")) {
		t.Error("Half a role was made.")
	}
}

// An account whose quota was raised has room for more, and one that does not tell
// its quotas is tried.
func TestAWS_RaisedQuotaOfTheAccountCounts(t *testing.T) {
	eleven := func(s *env) string {
		var arns []string
		for name := range strings.SplitSeq("abcdefghijk", "") {
			s.createPolicy(name)
			arns = append(arns, `"arn:aws:iam::123456789012:policy/`+name+`"`)
		}
		return "metadata: {name: checkout}\nspec: {policies: {managed: [" + strings.Join(arns, ", ") + "]}}"
	}
	t.Run("Raised", func(t *testing.T) {
		t.Parallel()
		s := newEnvIn(t, awslocal.Options{Quotas: map[string]int{"AttachedPoliciesPerRoleQuota": 11}})
		s.createProvider()
		s.start()
		s.apply(eleven(s))
		s.awaitReady("checkout")
	})
	t.Run("Unknown", func(t *testing.T) {
		s := startEnv(t)
		manifest := eleven(s)
		s.failCalls("GetAccountSummary", "AccessDenied")
		s.apply(manifest)
		pi := s.await("checkout", v1alpha1.ConditionRoleReady, metav1.ConditionFalse, v1alpha1.ReasonQuotaExceeded)
		if message := condition(pi, v1alpha1.ConditionReady).Message; !strings.Contains(message, "(AttachedPoliciesPerRoleQuota: 10)") {
			t.Errorf("The message does not name the quota and its number: %q", message)
		}
	})
}

// A policy or boundary that does not exist is named.
func TestAWS_MissingPolicyIsNamed(t *testing.T) {
	s := startEnv(t)
	s.apply(`
		metadata: {name: policy}
		spec: {policies: {managed: ["arn:aws:iam::123456789012:policy/none"]}}
	`)
	s.apply(`
		metadata: {name: boundary}
		spec: {role: {permissionsBoundary: "arn:aws:iam::123456789012:policy/none"}}
	`)
	s.await("policy", v1alpha1.ConditionRoleReady, metav1.ConditionFalse, v1alpha1.ReasonPolicyNotFound)
	s.await("boundary", v1alpha1.ConditionRoleReady, metav1.ConditionFalse, v1alpha1.ReasonBoundaryNotFound)

	s.createPolicy("none")
	s.request("policy", "made")
	s.request("boundary", "made")
	s.awaitReady("policy")
	s.awaitReady("boundary")
}

// A managed policy that AWS does not have is waited for; one whose ARN AWS calls invalid is not,
// for only the spec can change that. Both say which policy it is.
func TestManagedPolicy_MissingIsBlockedInvalidIsTerminal(t *testing.T) {
	s := startEnv(t)
	s.apply(`
		metadata: {name: unknown}
		spec: {policies: {managed: ["arn:aws:iam::aws:policy/NoSuchPolicyOfAWS"]}}
	`)
	pi := s.await("unknown", v1alpha1.ConditionRoleReady, metav1.ConditionFalse, v1alpha1.ReasonPolicyNotFound)
	if message := condition(pi, v1alpha1.ConditionReady).Message; !strings.Contains(message, "policy/NoSuchPolicyOfAWS not found") {
		t.Errorf("the message does not name the policy: %q", message)
	}

	s.account.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{{Action: "AttachRolePolicy", Error: "ValidationError", Message: "Invalid ARN partition"}}})
	policy := s.createPolicyWith("ours", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)
	s.apply(`
		metadata: {name: invalid}
		spec: {policies: {managed: ["` + policy + `"]}}
	`)
	pi = s.await("invalid", v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalidSpec)
	if message := condition(pi, v1alpha1.ConditionReady).Message; !strings.Contains(message, "Invalid ARN partition") {
		t.Errorf("the message does not say what AWS said: %q", message)
	}
}

// A new role is not ready, and has no ServiceAccount, before pods can rely on it.
func TestPropagation_ServiceAccountWaitsForTheNewRole(t *testing.T) {
	s := startEnv(t, func(c *controllers.Config) { c.IAMPropagationDelay = 1500 * time.Millisecond })
	s.apply(checkout)
	pi := s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonRolePropagating)
	if pi.Status.ServiceAccount != nil {
		t.Error("The ServiceAccount is there before its role can be used.")
	}
	s.awaitReady("checkout")
}

// An STS that learns of a new role later than IAM, and within the grace, never
// rejects a pod of an identity that says that it is ready.
func TestPropagation_ReadyMeansSTSAcceptsTheRole(t *testing.T) {
	s := startEnv(t, func(c *controllers.Config) { c.IAMPropagationDelay = 3 * time.Second })
	s.account.SetFaults(awslocal.Faults{STSDelay: awslocal.Duration(2 * time.Second)})
	s.createServiceAccount("checkout", nil) // so that there is a token to try with before
	s.apply(`
		metadata: {name: checkout}
		spec: {serviceAccount: {mode: Annotate}}
	`)
	arn := s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonRolePropagating).Status.Role.ARN
	if err := s.assume("checkout", arn); err == nil {
		t.Error("The role can be assumed immediately: the test shows nothing.")
	}
	s.awaitReady("checkout")
	if err := s.assume("checkout", arn); err != nil {
		t.Errorf("The identity is ready, and its role cannot be assumed: %v", err)
	}
}

// A node whose clock is wrong does not keep its operator from AWS: the SDK learns
// the time from AWS's answers.
func TestAWS_WrongClockIsCorrected(t *testing.T) {
	for name, skew := range map[string]time.Duration{"Ahead": time.Hour, "Behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newEnvIn(t, awslocal.Options{Clock: func() time.Time { return time.Now().Add(skew) }})
			s.createProvider()
			s.start()
			s.apply(checkout)
			s.awaitReady("checkout")
		})
	}
}
