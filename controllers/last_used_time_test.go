package controllers_test

import (
	"testing"
	"time"

	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// The drift check tells on which day a role was last used. That costs one write a day,
// however often the role is used, and no call to AWS beyond the check's own.
func TestLastUsedTime_ChangesOncePerDay(t *testing.T) {
	s := startEnv(t, func(c *controllers.Config) { c.DriftCheckInterval = 300 * time.Millisecond })
	for _, name := range []string{"used", "unused"} {
		s.apply("metadata: {name: " + name + "}\nspec: {}")
		s.awaitReady(name)
	}
	day := time.Now().UTC().Truncate(24 * time.Hour).Add(-72 * time.Hour)
	use := func(at time.Time) {
		s.must(s.account.Record(awslocal.Access{Role: roleName(s, "used"), Action: "s3:GetObject", At: at, Untracked: true}))
	}
	lastUsed := func(name string) time.Time {
		if role := s.get(name).Status.Role; role != nil && role.LastUsedTime != nil {
			return role.LastUsedTime.UTC()
		}
		return time.Time{}
	}
	await := func(want time.Time) {
		t.Helper()
		s.eventually("the day of the last use", func() bool { return lastUsed("used").Equal(want) })
	}
	moreChecks := func() {
		t.Helper()
		before := s.account.Calls()[bulkRoles]
		s.eventually("three more drift checks", func() bool { return s.account.Calls()[bulkRoles] >= before+3 })
	}
	use(day.Add(9 * time.Hour))
	await(day)
	reads := s.account.Calls()["GetRole"]
	s.writes.reset()

	use(day.Add(10 * time.Hour))
	moreChecks()
	if writes := s.writes.all(); len(writes) > 0 {
		t.Errorf("a second use on the same day led to writes: %q", writes)
	}
	use(day.Add(25 * time.Hour))
	await(day.Add(24 * time.Hour))
	moreChecks()
	if writes := s.writes.all(); len(writes) != 1 {
		t.Errorf("a use on the next day led to writes %q, want one", writes)
	}
	if more := s.account.Calls()["GetRole"] - reads; more != 0 {
		t.Errorf("%d roles were read for it", more)
	}
	if at := lastUsed("unused"); !at.IsZero() {
		t.Errorf("a role that was never used was last used %s", at)
	}
	s.apply("metadata: {name: used}\nspec: {role: {description: changed}}")
	s.eventually("the edit", func() bool { return s.account.Calls()["UpdateRole"] == 1 })
	s.awaitReady("used")
	if at := lastUsed("used"); !at.Equal(day.Add(24 * time.Hour)) {
		t.Errorf("after an edit the last use is %s", at)
	}
}
