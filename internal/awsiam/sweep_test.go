package awsiam

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/internal/awslocal"
	"github.com/podidentity/podidentity-operator/internal/budget"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// A sweep sees of every role in the path what a look at the role itself sees, at
// two calls for all of them.
func TestSweep(t *testing.T) {
	local, _, c := account(t, awslocal.Options{})
	roles := New(c.IAM)
	must(t, roles, full(t).Name, fullChanges(t)...)
	other := bare(t)
	other.Name, other.Path = "elsewhere", "/other/"
	must(t, roles, other.Name, plan.CreateRole{Role: other})
	plain := plan.Role{Name: "Plain", Path: "/podidentity/prod/", Trust: trust(t)}
	must(t, roles, plain.Name, plan.CreateRole{Role: plain})
	before := local.Calls()

	fleet, err := roles.Sweep(t.Context(), "/podidentity/prod/")
	if err != nil {
		t.Fatal(err)
	}
	after := local.Calls()
	for _, action := range []string{"GetAccountAuthorizationDetails", "ListRoles"} {
		if after[action]-before[action] != 1 {
			t.Errorf("%s was called %d times", action, after[action]-before[action])
		}
	}
	if fleet.Calls != 2 || len(fleet.Roles) != 2 {
		t.Fatalf("the sweep found %d roles in %d calls, want 2 in 2", len(fleet.Roles), fleet.Calls)
	}
	for key, name := range map[string]string{"plain": "Plain", full(t).Name: full(t).Name} {
		seen, err := roles.Observe(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(seen, fleet.Roles[key]); diff != "" {
			t.Errorf("role %s: -looked at by itself, +in the sweep:\n%s", name, diff)
		}
	}
}

// Short pages cost more calls, and lose nothing.
func TestSweepShortPages(t *testing.T) {
	_, _, c := account(t, awslocal.Options{Faults: awslocal.Faults{PageSize: 1}})
	roles := New(c.IAM)
	for _, name := range []string{"a", "b", "c"} {
		role := plan.Role{Name: name, Path: "/p/", Trust: trust(t), Inline: map[string]policy.Document{}}
		must(t, roles, name, plan.CreateRole{Role: role})
	}
	fleet, err := roles.Sweep(t.Context(), "/p/")
	if err != nil || len(fleet.Roles) != 3 || fleet.Calls != 6 {
		t.Errorf("the sweep found %d roles in %d calls, want 3 in 6: %v", len(fleet.Roles), fleet.Calls, err)
	}
}

// A sweep that fails half way tells nothing.
func TestSweepFails(t *testing.T) {
	for _, action := range []string{"GetAccountAuthorizationDetails", "ListRoles"} {
		_, _, c := account(t, awslocal.Options{Faults: awslocal.Faults{Rules: []awslocal.Rule{{Action: action, Error: "AccessDenied"}}}})
		fleet, err := New(c.IAM).Sweep(t.Context(), "/")
		if err == nil || fleet.Roles != nil {
			t.Errorf("%s was denied, and the sweep found %v: %v", action, fleet, err)
		}
	}
}

// Every attempt waits for the budget, retries too, and AWS's "too many" slows it
// down.
func TestBudget(t *testing.T) {
	local := awslocal.New(awslocal.Options{Faults: awslocal.Faults{Rules: []awslocal.Rule{{Action: "GetRole", Error: "Throttling", Count: 1}}}})
	server := httptest.NewServer(local)
	t.Cleanup(server.Close)
	configureAWS(t, server.URL)
	t.Setenv("AWS_MAX_ATTEMPTS", "2")
	b := budget.New(100, 100)
	var waits []budget.Priority
	c := clients(t, ClientOptions{Budget: b, OnWait: func(p budget.Priority, _ time.Duration) { waits = append(waits, p) }})

	ctx := budget.WithPriority(t.Context(), budget.Check)
	if _, err := New(c.IAM).Observe(ctx, "none"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]budget.Priority{budget.Check, budget.Check}, waits); diff != "" {
		t.Errorf("attempts that waited: -want, +got:\n%s", diff)
	}
	if rate := b.Rate(budget.Read); rate >= 100 {
		t.Errorf("the rate of reads is %v after AWS throttled one", rate)
	}
	if rate := b.Rate(budget.Write); rate != 100 {
		t.Errorf("the rate of writes is %v, and AWS throttled none", rate)
	}
}
