package controllers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// mostCalls returns the number of calls that identities which wait for the same cause
// may make since they began to wait: twelve in the first two minutes, and two a minute
// after that.
func mostCalls(began time.Time) int {
	return 12 + 2*int(max(0, time.Since(began)-2*time.Minute)/time.Minute+1)
}

// applyBlocked applies identities with this spec, and waits until all are blocked.
func (s *env) applyBlocked(n int, spec, reason string) []string {
	s.t.Helper()
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("many-%d", i))
		s.apply("metadata: {name: " + names[i] + "}\nspec: " + spec)
	}
	for _, name := range names {
		s.await(name, v1alpha1.ConditionReady, metav1.ConditionFalse, reason)
	}
	return names
}

func withWorkers(n int) func(*controllers.Config) {
	return func(c *controllers.Config) { c.MaxConcurrentReconciles = n }
}

// However many identities lack a permission of the operator, one asks AWS for all of
// them, and all are created once it is granted.
func TestRecovery_OfAPermission(t *testing.T) {
	for _, n := range []int{1, 250} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := startEnv(t, withWorkers(10))
			s.failCalls("CreateRole", "AccessDenied")
			began, before := time.Now(), s.account.Calls()
			names := s.applyBlocked(n, "{}", v1alpha1.ReasonAccessDenied)
			calls := since(before, s.account.Calls())["CreateRole"]
			if most := mostCalls(began); calls > most {
				t.Errorf("CreateRole was called %d times for %d identities, want %d at most", calls, n, most)
			}
			s.eventually("another probe", func() bool { return since(before, s.account.Calls())["CreateRole"] > calls })
			for _, name := range names {
				if pi := s.get(name); condition(pi, v1alpha1.ConditionReady).Status != metav1.ConditionFalse {
					t.Fatalf("%s is not blocked although nothing was granted:\n%s", name, describe(pi))
				}
			}
			s.clearFaults()
			for _, name := range names {
				s.awaitReady(name)
			}
			if total := since(before, s.account.Calls())["CreateRole"]; total > n+mostCalls(began) {
				t.Errorf("CreateRole was called %d times for %d identities", total, n)
			}
		})
	}
}

// The message of an identity that rests names its own role, and stays the same when it
// is its turn to ask AWS.
func TestRecovery_MessagesAreStable(t *testing.T) {
	s := startEnv(t, withWorkers(10))
	s.failCalls("CreateRole", "AccessDenied")
	names := s.applyBlocked(4, "{}", v1alpha1.ReasonAccessDenied)
	messages := map[string]string{}
	for _, name := range names {
		messages[name] = condition(s.get(name), v1alpha1.ConditionReady).Message
		want := "role " + roleName(s, name) + ": the operator is missing the IAM permission iam:CreateRole"
		if got := messages[name]; len(got) < len(want) || got[:len(want)] != want {
			t.Errorf("message of %s = %q, want %q", name, got, want)
		}
	}
	before := s.account.Calls()
	s.eventually("three probes", func() bool { return since(before, s.account.Calls())["CreateRole"] >= 3 })
	for _, name := range names {
		if got := condition(s.get(name), v1alpha1.ConditionReady).Message; got != messages[name] {
			t.Errorf("message of %s changed from %q to %q", name, messages[name], got)
		}
	}
}

// A user who edits a blocked identity gets AWS's own answer immediately.
func TestRecovery_AnEditAsksAWS(t *testing.T) {
	s := startEnv(t, withWorkers(10))
	s.failCalls("CreateRole", "AccessDenied")
	names := s.applyBlocked(5, "{}", v1alpha1.ReasonAccessDenied)
	for i, name := range names {
		before := s.account.Calls()
		s.apply(fmt.Sprintf("metadata: {name: %s}\nspec: {role: {description: edit %d}}", name, i))
		s.await(name, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAccessDenied)
		if since(before, s.account.Calls())["CreateRole"] == 0 {
			t.Errorf("AWS was not called for the edit of %s", name)
		}
	}
}

// A managed policy that does not exist is looked for once for all identities that name
// it.
func TestRecovery_OfAPolicy(t *testing.T) {
	s := startEnv(t, withWorkers(10))
	began, before := time.Now(), s.account.Calls()
	names := s.applyBlocked(40, `{policies: {managed: ["arn:aws:iam::123456789012:policy/reports"]}}`, v1alpha1.ReasonPolicyNotFound)
	// While the identities are applied, a failed read is repeated every five seconds.
	if calls, most := since(before, s.account.Calls())["GetPolicy"], mostCalls(began)+int(time.Since(began)/(5*time.Second)); calls > most {
		t.Errorf("GetPolicy was called %d times for %d identities, want %d at most", calls, len(names), most)
	}
	s.createPolicy("reports")
	for _, name := range names {
		s.awaitReady(name)
	}
}

// A role that lacks a part of which AWS denies the change is not read in full at each
// attempt: one call finds out that the role is the object's, and one whether AWS still
// denies the change.
func TestRecovery_OfAPartOfARole(t *testing.T) {
	s := startEnv(t)
	s.failCalls("PutRolePolicy", "AccessDenied")
	s.apply(`
		metadata: {name: checkout}
		spec: {policies: {inline: [{name: a, statements: [{effect: Allow, actions: ["s3:GetObject"], resources: ["arn:aws:s3:::a/*"]}]}]}}
	`)
	s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAccessDenied)
	before := s.account.Calls()
	s.eventually("two more attempts", func() bool { return since(before, s.account.Calls())["PutRolePolicy"] >= 2 })
	calls := since(before, s.account.Calls())
	if reads := calls["ListRolePolicies"] + calls["ListAttachedRolePolicies"]; reads > 0 {
		t.Errorf("calls = %v, want no read of the policies", calls)
	}
	s.clearFaults()
	s.awaitReady("checkout")
}

// While another owner has the role, an attempt costs one read, and the role is created
// when the name is free.
func TestRecovery_OfANameThatIsTaken(t *testing.T) {
	s := startEnv(t)
	s.createRole("Shared-Role", "/", plan.Owner{})
	before := s.account.Calls()
	s.apply("metadata: {name: checkout}\nspec: {role: {name: Shared-Role}}")
	s.await("checkout", v1alpha1.ConditionRoleReady, metav1.ConditionFalse, v1alpha1.ReasonRoleNotOwned)
	first := since(before, s.account.Calls())
	s.eventually("two more attempts", func() bool { return since(before, s.account.Calls())["GetRole"] >= first["GetRole"]+2 })
	calls := since(before, s.account.Calls())
	if calls["CreateRole"] != 1 || calls["ListRolePolicies"] != first["ListRolePolicies"] {
		t.Errorf("calls = %v after %v, want one CreateRole, and only GetRole since", calls, first)
	}
	s.deleteRole("Shared-Role")
	s.awaitReady("checkout")
}

// A deleted object leaves the probe to the others.
func TestRecovery_OfADeletedProbe(t *testing.T) {
	s := startEnv(t, withWorkers(10))
	s.failCalls("CreateRole", "AccessDenied")
	names := s.applyBlocked(6, "{}", v1alpha1.ReasonAccessDenied)
	for _, name := range names[:5] {
		s.delete(name)
		s.awaitGone(name)
	}
	s.clearFaults()
	s.awaitReady(names[5])
}

// deleteRole deletes a role without policies.
func (s *env) deleteRole(name string) {
	s.t.Helper()
	_, err := s.iam.DeleteRole(s.ctx, &iam.DeleteRoleInput{RoleName: &name})
	s.must(err)
}
