package controllers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// What a user waits for goes first: an edit and a deletion do not stand in line
// behind a crowd of new identities, for neither a worker nor a call.
func TestEditsGoFirst(t *testing.T) {
	for _, workers := range []int{5, 30} { // less than the crowd has, and more than the budget serves
		t.Run(fmt.Sprint(workers), func(t *testing.T) { editsGoFirst(t, workers) })
	}
}

func editsGoFirst(t *testing.T, workers int) {
	t.Helper()
	t.Parallel()
	s := prepare(t, func(c *controllers.Config) { c.MaxConcurrentReconciles = workers })
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
	crowd := func() int { c := s.account.Calls(); return c["CreateRole"] + c["AttachRolePolicy"] }
	s.eventually("the crowd to take all workers that it can get", func() bool { return crowd() > 5 })

	began := crowd()
	s.apply("metadata: {name: edited}\nspec: {role: {description: changed}}")
	s.delete("deleted")
	s.eventually("the edit and the deletion", func() bool {
		calls := s.account.Calls()
		return calls["UpdateRole"] == 1 && calls["DeleteRole"] == 1
	})
	// A visit of the crowd takes five writes, a second of the budget, and five
	// workers are at one each.
	if made := crowd() - began; made > 8 {
		t.Errorf("%d writes of the crowd came first", made)
	}
}

// So it is while all identities wait for a look at their roles, the edited one among
// them: because the operator may not look at all roles at once, or because a user
// asks for all.
func TestEditsGoBeforeChecks(t *testing.T) {
	cases := map[string]func(s *story, names []string){
		"Unlisted": func(s *story, _ []string) {
			s.stop()
			s.fail(bulkDetails, "AccessDenied")
			s.start()
		},
		"Requested": func(s *story, names []string) {
			for _, name := range names {
				s.request(name, "all")
			}
		},
	}
	for name, check := range cases {
		t.Run(name, func(t *testing.T) { editsGoBeforeChecks(t, check) })
	}
}

func editsGoBeforeChecks(t *testing.T, check func(*story, []string)) {
	t.Helper()
	s := begin(t, func(c *controllers.Config) { c.MaxConcurrentReconciles = 10 })
	const crowd = 40
	names := s.applyMany(crowd)
	s.stop()
	s.budget = ratelimit.New(5, 5) // so slow that the time which the edits take lets few others pass
	s.start()
	before := s.account.Calls()
	looks := func() int { return since(before, s.account.Calls())["GetRole"] }
	check(s, names)
	s.eventually("the checks to use up the budget", func() bool { return looks() > 3 })

	const most = 10 // of the crowd may come first: those that are being looked at
	for i := 0; i < crowd; i += 8 {
		began := looks()
		if began > crowd-most {
			return // hardly anybody waits any more
		}
		s.apply("metadata: {name: " + names[i] + "}\nspec: {role: {description: changed}}")
		s.awaitReady(names[i])
		if made := looks() - began; made > most {
			t.Errorf("%d other identities were looked at before the edit of %s was served", made-1, names[i])
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
