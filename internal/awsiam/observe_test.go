package awsiam

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

func TestObserve_ReadsAllPages(t *testing.T) {
	local, client, c := account(t, awslocal.Options{Faults: awslocal.Faults{PageSize: 1}})
	roles := NewRoles(c.IAM)
	role := full(t)
	must(t, roles, role.Name, fullChanges(t)...)
	for _, name := range []string{"p2", "p1"} {
		addProfile(t, client, name, role.Name)
	}

	got, err := roles.Observe(t.Context(), role.Name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(role, got.Role); diff != "" {
		t.Errorf("Observe(...): -want, +got:\n%s", diff)
	}
	doomed, err := roles.ObserveForTeardown(t.Context(), role.Name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"p1", "p2"}, doomed.InstanceProfiles); diff != "" {
		t.Errorf("instance profiles: -want, +got:\n%s", diff)
	}
	if n := local.Calls()["ListAttachedRolePolicies"]; n < 4 {
		t.Errorf("ListAttachedRolePolicies was called %d times: there were no pages to turn", n)
	}
}

func addProfile(t *testing.T, client *iam.Client, profile, role string) {
	t.Helper()
	if _, err := client.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String(profile)}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String(profile), RoleName: aws.String(role)}); err != nil {
		t.Fatal(err)
	}
}

// observations returns the ways to read a role, by name.
func observations(roles *Roles) map[string]func(context.Context, string) (*plan.Observed, error) {
	return map[string]func(context.Context, string) (*plan.Observed, error){
		"Observe":            roles.Observe,
		"ObserveForTeardown": roles.ObserveForTeardown,
		"ObserveOwner":       roles.ObserveOwner,
	}
}

// A resource that disappears between two reads counts as absent.
func TestObserve_DeletedConcurrently(t *testing.T) {
	bucketGone := func(r *plan.Role) { r.Inline = map[string]plan.InlinePolicy{} }
	cases := map[string]struct {
		reason  string
		observe string
		vanish  string
		edit    func(*plan.Role) // of the full role, to what is observed; nil if no role is
	}{
		"BeforeManaged":      {reason: "The role disappeared.", observe: "Observe", vanish: "ListAttachedRolePolicies"},
		"BeforeInline":       {reason: "The role disappeared.", observe: "Observe", vanish: "ListRolePolicies"},
		"BeforeDocuments":    {reason: "The policy disappeared, perhaps with the role; the next Observe will show it.", observe: "Observe", vanish: "GetRolePolicy", edit: bucketGone},
		"BeforeTornManaged":  {reason: "The role disappeared.", observe: "ObserveForTeardown", vanish: "ListAttachedRolePolicies"},
		"BeforeTornInline":   {reason: "The role disappeared.", observe: "ObserveForTeardown", vanish: "ListRolePolicies"},
		"BeforeTornProfiles": {reason: "The role may have disappeared; its deletion will show it.", observe: "ObserveForTeardown", vanish: "ListInstanceProfilesForRole", edit: func(r *plan.Role) { r.Inline = map[string]plan.InlinePolicy{"bucket": {}, "queue": {}} }},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			local, _, c := account(t, awslocal.Options{})
			roles := NewRoles(c.IAM)
			role := full(t)
			must(t, roles, role.Name, fullChanges(t)...)
			local.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{{Action: tc.vanish, Error: "NoSuchEntity"}}})

			got, err := observations(roles)[tc.observe](t.Context(), role.Name)
			if err != nil {
				t.Fatal(err)
			}

			if tc.edit == nil {
				if got != nil {
					t.Errorf("%s(...) = %v, want nothing", tc.observe, got)
				}
				return
			}
			tc.edit(&role)
			if diff := cmp.Diff(role, got.Role); diff != "" {
				t.Errorf("%s(...): -want, +got:\n%s", tc.observe, diff)
			}
		})
	}
}

// Every read that fails names the permission that it needs.
func TestObserve_FailureNamesThePermission(t *testing.T) {
	for observe, reads := range map[string][]string{
		"Observe":            {"GetRole", "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy"},
		"ObserveForTeardown": {"GetRole", "ListAttachedRolePolicies", "ListRolePolicies", "ListInstanceProfilesForRole"},
	} {
		for _, read := range reads {
			t.Run(observe+"/"+read, func(t *testing.T) {
				local, _, c := account(t, awslocal.Options{})
				roles := NewRoles(c.IAM)
				role := full(t)
				must(t, roles, role.Name, fullChanges(t)...)
				local.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{{Action: read, Error: "AccessDenied", Message: "no"}}})

				got, err := observations(roles)[observe](t.Context(), role.Name)

				want := "role " + role.Name + ": the operator is missing the IAM permission iam:" + read + "; see config/aws/operator-policy.json"
				if err == nil || err.Error() != want || fault.KindOf(err) != fault.Blocked {
					t.Errorf("%s(...) = %v, %v (%v); want %s", observe, got, err, fault.KindOf(err), want)
				}
			})
		}
	}
}

// Reads of IAM lag behind writes: a role that was just created may not be visible yet.
func TestObserve_NewRoleMayBeInvisible(t *testing.T) {
	_, _, c := account(t, awslocal.Options{Faults: awslocal.Faults{ReadDelay: awslocal.Duration(1 << 50)}})
	roles := NewRoles(c.IAM)
	must(t, roles, "r", plan.CreateRole{Role: bareRole(t)})
	if got, err := roles.Observe(t.Context(), "r"); got != nil || err != nil {
		t.Errorf("Observe(...) = %v, %v; want nothing", got, err)
	}
}
