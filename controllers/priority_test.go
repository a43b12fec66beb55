package controllers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// A user waits for edits and deletions, so these come first: they wait neither for a
// worker nor for a call behind a burst of new identities.
func TestPriority_EditsOvertakeNewIdentities(t *testing.T) {
	for _, workers := range []int{5, 30} { // fewer than there are new identities, and more than the rate limiter serves
		t.Run(fmt.Sprint(workers), func(t *testing.T) { editsGoFirst(t, workers) })
	}
}

func editsGoFirst(t *testing.T, workers int) {
	t.Helper()
	t.Parallel()
	s := newEnv(t, func(c *controllers.Config) { c.MaxConcurrentReconciles = workers })
	s.createProvider()
	s.budget = ratelimit.New(20, 5)
	s.start()
	for _, name := range []string{"edited", "deleted"} {
		s.apply("metadata: {name: " + name + "}\nspec: {}")
		s.awaitReady(name)
	}
	for i := range 30 {
		s.apply(fmt.Sprintf("metadata: {name: many-%d}\nspec: {policies: {managed: %s}}", i, managed(4)))
	}
	burst := func() int { c := s.account.Calls(); return c["CreateRole"] + c["AttachRolePolicy"] }
	s.eventually("the new identities to take all workers that they can get", func() bool { return burst() > 5 })

	began := burst()
	s.apply("metadata: {name: edited}\nspec: {role: {description: changed}}")
	s.delete("deleted")
	s.eventually("the edit and the deletion", func() bool {
		calls := s.account.Calls()
		return calls["UpdateRole"] == 1 && calls["DeleteRole"] == 1
	})
	// Each new identity takes five writes, which is what the rate limiter allows in a
	// second, and five workers have one each.
	if made := burst() - began; made > 8 {
		t.Errorf("%d writes of new identities came first", made)
	}
}

// The same holds while all identities, the edited one included, wait for a read of their
// roles: because AWS denies the bulk read, or because a user requests a check of all.
func TestPriority_EditsOvertakeChecks(t *testing.T) {
	cases := map[string]func(s *env, names []string){
		"Unlisted": func(s *env, _ []string) {
			s.stop()
			s.failCalls(bulkDetails, "AccessDenied")
			s.start()
		},
		"Requested": func(s *env, names []string) {
			for _, name := range names {
				s.request(name, "all")
			}
		},
	}
	for name, check := range cases {
		t.Run(name, func(t *testing.T) { editsGoBeforeChecks(t, check) })
	}
}

func editsGoBeforeChecks(t *testing.T, check func(*env, []string)) {
	t.Helper()
	s := startEnv(t, func(c *controllers.Config) { c.MaxConcurrentReconciles = 10 })
	const backlog = 40
	names := s.applyMany(backlog)
	s.stop()
	s.budget = ratelimit.New(5, 5) // so slow that the time which the edits take lets few others pass
	s.start()
	before := s.account.Calls()
	reads := func() int { return since(before, s.account.Calls())["GetRole"] }
	check(s, names)
	s.eventually("the checks to use up the budget", func() bool { return reads() > 3 })

	const most = 10 // of the others may come first: those whose reads are running
	for i := 0; i < backlog; i += 8 {
		began := reads()
		if began > backlog-most {
			return // hardly any identity still waits
		}
		s.apply("metadata: {name: " + names[i] + "}\nspec: {role: {description: changed}}")
		s.awaitReady(names[i])
		if made := reads() - began; made > most {
			t.Errorf("%d other identities were reconciled before the edit of %s was served", made-1, names[i])
		}
	}
}

// managed lists n policies of AWS.
func managed(n int) string {
	arns := make([]string, n)
	for i, name := range []string{"ReadOnlyAccess", "AmazonS3ReadOnlyAccess", "AmazonSQSReadOnlyAccess", "SecurityAudit"}[:n] {
		arns[i] = fmt.Sprintf("%q", "arn:aws:iam::aws:policy/"+name)
	}
	return "[" + strings.Join(arns, ", ") + "]"
}
