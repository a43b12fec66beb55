package awsiam

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// Each kind of change has its effect, and may be repeated.
func TestApply_ChangesAreIdempotent(t *testing.T) {
	cases := map[string]struct {
		reason string
		change plan.Change
		edit   func(*plan.Role) // of the full role, to what is wanted
	}{
		"UpdateTrust": {
			reason: "The trust policy is replaced as a whole.",
			change: plan.UpdateTrust{Trust: policy.DenyAllTrust()},
			edit:   func(r *plan.Role) { r.Trust = policy.DenyAllTrust() },
		},
		"UpdateRole": {
			reason: "Description and session duration are always set together.",
			change: plan.UpdateRole{Description: "For no one", MaxSessionDuration: 3600},
			edit:   func(r *plan.Role) { r.Description, r.MaxSessionDuration = "For no one", 3600 },
		},
		"UpdateRoleWithoutDescription": {
			reason: "An empty description removes the existing one.",
			change: plan.UpdateRole{MaxSessionDuration: 7200},
			edit:   func(r *plan.Role) { r.Description = "" },
		},
		"PutBoundary": {
			reason: "A boundary replaces another one.",
			change: plan.PutBoundary{ARN: readOnly},
			edit:   func(r *plan.Role) { r.Boundary = readOnly },
		},
		"DeleteBoundary": {
			reason: "Removing a boundary that does not exist changes nothing.",
			change: plan.DeleteBoundary{},
			edit:   func(r *plan.Role) { r.Boundary = "" },
		},
		"TagRole": {
			reason: "Other tags stay.",
			change: plan.TagRole{Tags: map[string]string{"team": "till", "stage": "prod"}},
			edit:   func(r *plan.Role) { r.Tags["team"], r.Tags["stage"] = "till", "prod" },
		},
		"UntagRole": {
			reason: "Other tags stay.",
			change: plan.UntagRole{Keys: []string{"team"}},
			edit:   func(r *plan.Role) { delete(r.Tags, "team") },
		},
		"PutInline": {
			reason: "A policy of the same name is replaced.",
			change: plan.PutRolePolicy{Name: "queue", Policy: plan.InlinePolicy{Document: allow(t, "sqs:ReceiveMessage")}},
			edit:   func(r *plan.Role) { r.Inline["queue"] = plan.InlinePolicy{Document: allow(t, "sqs:ReceiveMessage")} },
		},
		"DeleteInline": {
			reason: "Deleting a policy that does not exist changes nothing.",
			change: plan.DeleteRolePolicy{Name: "queue"},
			edit:   func(r *plan.Role) { delete(r.Inline, "queue") },
		},
		"Attach": {
			reason: "Attaching an attached policy changes nothing.",
			change: plan.AttachPolicy{ARN: readOnly},
			edit:   func(*plan.Role) {},
		},
		"Detach": {
			reason: "Detaching a policy that is not attached changes nothing.",
			change: plan.DetachPolicy{ARN: readOnly},
			edit:   func(r *plan.Role) { r.Managed = []string{viewOnly} },
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			_, _, c := account(t, awslocal.Options{})
			roles := NewRoles(c.IAM)
			want := full(t)
			must(t, roles, want.Name, fullChanges(t)...)
			tc.edit(&want)

			applied := must(t, roles, want.Name, tc.change, tc.change)

			if diff := cmp.Diff([]plan.Change{tc.change, tc.change}, applied.Completed); diff != "" {
				t.Errorf("done: -want, +got:\n%s", diff)
			}
			got, err := roles.Observe(t.Context(), want.Name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.Role); diff != "" {
				t.Errorf("role: -want, +got:\n%s", diff)
			}
		})
	}
}

// A role is deleted with all its attachments, including those of other tools, and each
// step may be repeated.
func TestTeardown_DetachesEverything(t *testing.T) {
	_, client, c := account(t, awslocal.Options{})
	roles := NewRoles(c.IAM)
	role := full(t)
	must(t, roles, role.Name, fullChanges(t)...)
	addProfile(t, client, "p", role.Name)

	observed, err := roles.ObserveForTeardown(t.Context(), role.Name)
	if err != nil {
		t.Fatal(err)
	}
	want := full(t)
	want.Inline = map[string]plan.InlinePolicy{"bucket": {}, "queue": {}}
	if diff := cmp.Diff(want, observed.Role); diff != "" {
		t.Errorf("ObserveForTeardown(...): -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"p"}, observed.InstanceProfiles); diff != "" {
		t.Errorf("instance profiles: -want, +got:\n%s", diff)
	}

	changes := plan.Teardown(observed)
	must(t, roles, role.Name, changes...)
	must(t, roles, role.Name, changes[1:]...) // all but the trust policy, which no longer has a role
	must(t, roles, role.Name, plan.DeleteBoundary{})
	for _, observe := range []string{"Observe", "ObserveForTeardown"} {
		if got, err := observations(roles)[observe](t.Context(), role.Name); got != nil || err != nil {
			t.Errorf("%s(...) = %v, %v; want nothing", observe, got, err)
		}
	}
}

func TestCreate_ExistingRole(t *testing.T) {
	_, _, c := account(t, awslocal.Options{})
	roles := NewRoles(c.IAM)
	create := plan.CreateRole{Role: bareRole(t)}
	must(t, roles, "Checkout", create)

	applied, err := roles.Apply(t.Context(), "checkout", []plan.Change{create, plan.AttachPolicy{ARN: readOnly}})

	if !errors.Is(err, plan.ErrRoleExists) || fault.KindOf(err) != fault.Transient {
		t.Errorf("Apply(...): %v (%v), want a transient ErrRoleExists", err, fault.KindOf(err))
	}
	if diff := cmp.Diff(plan.Applied{}, applied); diff != "" {
		t.Errorf("applied: -want, +got:\n%s", diff)
	}
}

// An attachment that the plan does not know prevents the deletion of the role; the caller
// must observe the role again.
func TestDelete_UnknownAttachmentIsAConflict(t *testing.T) {
	_, _, c := account(t, awslocal.Options{})
	roles := NewRoles(c.IAM)
	role := bareRole(t)
	must(t, roles, role.Name, plan.CreateRole{Role: role}, plan.AttachPolicy{ARN: readOnly})

	_, err := roles.Apply(t.Context(), role.Name, []plan.Change{plan.DeleteRole{}})

	if !errors.Is(err, plan.ErrDeleteConflict) || fault.KindOf(err) != fault.Transient {
		t.Errorf("Apply(...): %v (%v), want a transient ErrDeleteConflict", err, fault.KindOf(err))
	}
	owner, err := roles.ObserveOwner(t.Context(), role.Name)
	if err != nil || owner == nil || owner.Path != role.Path || owner.Managed != nil {
		t.Errorf("ObserveOwner(...) = %v, %v; want the role without its attachments", owner, err)
	}
}

func TestApply_StopsAtTheFirstFailure(t *testing.T) {
	local, _, c := account(t, awslocal.Options{})
	roles := NewRoles(c.IAM)
	changes := []plan.Change{
		plan.CreateRole{Role: bareRole(t)},
		plan.AttachPolicy{ARN: "arn:aws:iam::123456789012:policy/missing"},
		plan.AttachPolicy{ARN: readOnly},
	}

	applied, err := roles.Apply(t.Context(), "r", changes)

	if fault.ReasonOf(err, "") != v1alpha1.ReasonPolicyNotFound {
		t.Errorf("Apply(...): %v, want %s", err, v1alpha1.ReasonPolicyNotFound)
	}
	if diff := cmp.Diff(changes[:1], applied.Completed); diff != "" {
		t.Errorf("done: -want, +got:\n%s", diff)
	}
	if applied.ARN == "" {
		t.Error("the ARN of the role that was made is lost")
	}
	if diff := cmp.Diff(map[string]int{"CreateRole": 1, "AttachRolePolicy": 1}, local.Calls()); diff != "" {
		t.Errorf("calls: -want, +got:\n%s", diff)
	}
}

// Rejections of AWS, with the messages of the test endpoint.
func TestClassify_ErrorsOfTheEndpoint(t *testing.T) {
	cases := map[string]struct {
		reason     string
		change     plan.Change
		quotas     map[string]int
		wantReason string
		want       string
	}{
		"Boundary": {
			reason:     "The boundary does not exist.",
			change:     plan.PutBoundary{ARN: boundaryARN},
			wantReason: v1alpha1.ReasonBoundaryNotFound,
			want:       "role r: permissions boundary " + boundaryARN + " does not exist or is not attachable; create it or use a different one",
		},
		"Quota": {
			reason:     "The account has a lower quota than the default.",
			change:     plan.AttachPolicy{ARN: readOnly},
			quotas:     map[string]int{"AttachedPoliciesPerRoleQuota": 0},
			wantReason: v1alpha1.ReasonQuotaExceeded,
			want:       "role r: IAM quota exceeded: managed policies attached to a role (AttachedPoliciesPerRoleQuota: 0); reduce usage or request an increase in AWS Service Quotas",
		},
		"TrustSize": {
			reason:     "The trust policy is too long.",
			change:     plan.UpdateTrust{Trust: trust(t)},
			quotas:     map[string]int{"AssumeRolePolicySizeQuota": 300},
			wantReason: v1alpha1.ReasonQuotaExceeded,
			want:       "role r: IAM quota exceeded: characters in the trust policy of a role (AssumeRolePolicySizeQuota: 300); reduce usage or request an increase in AWS Service Quotas",
		},
		"InlineSize": {
			reason:     "The inline policy is too long.",
			change:     plan.PutRolePolicy{Name: "p", Policy: plan.InlinePolicy{Document: allow(t, "s3:GetObject")}},
			quotas:     map[string]int{"RolePolicySizeQuota": 10},
			wantReason: v1alpha1.ReasonQuotaExceeded,
			want:       "role r: IAM quota exceeded: characters in all inline policies of a role (RolePolicySizeQuota: 10); reduce usage or request an increase in AWS Service Quotas",
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			_, _, c := account(t, awslocal.Options{Quotas: tc.quotas})
			roles := NewRoles(c.IAM)
			must(t, roles, "r", plan.CreateRole{Role: plan.Role{Trust: policy.DenyAllTrust()}})

			_, err := roles.Apply(t.Context(), "r", []plan.Change{tc.change})

			if got := fault.ReasonOf(err, ""); got != tc.wantReason {
				t.Errorf("reason = %q, want %q", got, tc.wantReason)
			}
			if diff := cmp.Diff(tc.want, fmt.Sprint(err)); diff != "" {
				t.Errorf("message: -want, +got:\n%s", diff)
			}
		})
	}
}

func TestApply_RejectsUnknownChanges(t *testing.T) {
	_, _, c := account(t, awslocal.Options{})
	_, err := NewRoles(c.IAM).Apply(t.Context(), "r", []plan.Change{unknownChange{plan.DeleteRole{}}})
	want := "role r: cannot call AWS IAM DeleteRole: unknown change awsiam.unknownChange"
	if err == nil || err.Error() != want {
		t.Errorf("Apply(...): %v, want %s", err, want)
	}
}

// A managed policy that IAM rejects: the spec must change if IAM says that the ARN is
// invalid, and a user may create the policy if it does not exist.
func TestApply_MissingPolicyIsBlockedInvalidIsTerminal(t *testing.T) {
	cases := map[string]struct {
		arn    string
		kind   fault.Kind
		reason string
		want   string
	}{
		"other partition": {"arn:aws-cn:iam::aws:policy/ReadOnlyAccess", fault.Terminal, v1alpha1.ReasonInvalidSpec, "ValidationError: Invalid ARN partition"},
		"trailing space":  {readOnly + " ", fault.Terminal, v1alpha1.ReasonInvalidSpec, "ValidationError: ARN " + readOnly},
		"unknown name":    {readOnly + "x", fault.Blocked, v1alpha1.ReasonPolicyNotFound, "managed policy " + readOnly + "x not found"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, c := account(t, awslocal.Options{})
			_, err := NewRoles(c.IAM).Apply(t.Context(), "r", []plan.Change{plan.CreateRole{Role: bareRole(t)}, plan.AttachPolicy{ARN: tc.arn}})
			if fault.KindOf(err) != tc.kind || fault.ReasonOf(err, "") != tc.reason || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Apply(...): %v (%v, %s), want %v, %s: %s", err, fault.KindOf(err), fault.ReasonOf(err, ""), tc.kind, tc.reason, tc.want)
			}
		})
	}
}
