package plan

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

func TestDiff_LeastChanges(t *testing.T) {
	const readOnly, admin = "arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/AdministratorAccess"
	queue := allowing("sqs:SendMessage", "*")
	role := func(edits ...func(*Role)) Role {
		r := Role{
			Name: "r", Path: "/p/", MaxSessionDuration: 3600, Trust: trusting("a"), Tags: map[string]string{"owner": "1"},
			Managed: []string{readOnly}, Inline: map[string]InlinePolicy{"queue": {Document: queue}},
		}
		for _, edit := range edits {
			edit(&r)
		}
		return r
	}
	bare := role(func(r *Role) { r.Managed, r.Inline = nil, nil })
	cases := map[string]struct {
		reason   string
		observed *Role
		desired  Role
		want     []Change
	}{
		"InSync": {"A role that is in sync needs no call.", new(role()), role(), nil},
		"Absent": {
			"One call creates the role, then one call grants each policy.", nil, role(),
			[]Change{CreateRole{Role: bare}, PutRolePolicy{Name: "queue", Policy: InlinePolicy{Document: queue}}, AttachPolicy{ARN: readOnly}},
		},
		"Trust": {
			"A trust policy that was edited by hand is restored.", new(role(func(r *Role) { r.Trust = trusting("b") })), role(),
			[]Change{UpdateTrust{Trust: trusting("a")}},
		},
		"Settings": {
			"One call sets both, and states which one differed.", new(role(func(r *Role) { r.Description, r.MaxSessionDuration = "x", 7200 })), role(),
			[]Change{UpdateRole{MaxSessionDuration: 3600, ChangedFields: "description+sessionDuration"}},
		},
		"Boundary": {
			"A boundary that was removed is restored.", new(role()), role(func(r *Role) { r.Boundary = admin }),
			[]Change{PutBoundary{ARN: admin}},
		},
		"BoundaryGone": {
			"A boundary that is not declared is removed.", new(role(func(r *Role) { r.Boundary = admin })), role(),
			[]Change{DeleteBoundary{}},
		},
		"Tags": {
			"Only differences are sent.", new(role(func(r *Role) { r.Tags = map[string]string{"owner": "0", "stray": "x"} })), role(),
			[]Change{UntagRole{Keys: []string{"stray"}}, TagRole{Tags: map[string]string{"owner": "1"}}},
		},
		"Swap": {
			"Permissions are removed before others are granted.",
			new(role(func(r *Role) {
				r.Managed, r.Inline = []string{admin}, map[string]InlinePolicy{"old": {Document: queue}}
			})), role(),
			[]Change{DeleteRolePolicy{Name: "old"}, DetachPolicy{ARN: admin}, PutRolePolicy{Name: "queue", Policy: InlinePolicy{Document: queue}}, AttachPolicy{ARN: readOnly}},
		},
		"BoundaryReplaced": {
			"What both boundaries allow must not be granted by an old and a new policy at the same time.",
			new(role(func(r *Role) { r.Boundary = admin })), role(func(r *Role) { r.Boundary, r.Managed = readOnly, nil }),
			[]Change{DetachPolicy{ARN: readOnly}, PutBoundary{ARN: readOnly}},
		},
		"TrustWidened": {
			"Additional subjects are trusted after all other changes.", new(role()), role(func(r *Role) { r.Trust, r.Managed = trusting("a", "b"), []string{admin, readOnly} }),
			[]Change{UpdateTrust{Trust: trusting("a", "b")}, AttachPolicy{ARN: admin}},
		},
		"TrustNarrowed": {
			"Subjects that are no longer trusted are removed before anything is granted.", new(role(func(r *Role) { r.Trust = trusting("a", "b") })), role(func(r *Role) { r.Managed = []string{admin, readOnly} }),
			[]Change{UpdateTrust{Trust: trusting("a")}, AttachPolicy{ARN: admin}},
		},
		"TrustReplacedWithPolicy": {
			"Of several changes that both remove and grant, only one may be a single call.",
			new(role(func(r *Role) {
				r.Trust, r.Inline = trusting("a", "b"), map[string]InlinePolicy{"queue": {Document: allowing("s3:*", "*")}}
			})),
			role(func(r *Role) { r.Trust = trusting("b", "c") }),
			[]Change{UpdateTrust{Trust: trusting("b")}, PutRolePolicy{Name: "queue", Policy: InlinePolicy{Document: queue}}, UpdateTrust{Trust: trusting("b", "c")}},
		},
		"DenialsFirst": {
			"If two new policies deny what the other allows, the statements that deny come first.",
			nil, role(func(r *Role) {
				r.Managed, r.Inline = nil, map[string]InlinePolicy{"a": {Document: allowAndDeny("s3:*", "sqs:*")}, "b": {Document: allowAndDeny("sqs:*", "s3:*")}}
			}),
			[]Change{
				CreateRole{Role: bare},
				PutRolePolicy{Name: "a", Policy: InlinePolicy{Document: denying("sqs:*")}},
				PutRolePolicy{Name: "b", Policy: InlinePolicy{Document: denying("s3:*")}},
				PutRolePolicy{Name: "a", Policy: InlinePolicy{Document: allowAndDeny("s3:*", "sqs:*")}},
				PutRolePolicy{Name: "b", Policy: InlinePolicy{Document: allowAndDeny("sqs:*", "s3:*")}},
			},
		},
		"DenialLifted": {
			"When a Deny is removed, no policy may still allow what it denied.",
			new(role(func(r *Role) {
				r.Inline = map[string]InlinePolicy{"a": {Document: allowAndDeny("sqs:*", "s3:PutObject")}, "b": {Document: allowing("s3:PutObject", "*")}}
			})),
			role(func(r *Role) {
				r.Inline = map[string]InlinePolicy{"a": {Document: allowing("s3:GetObject", "*")}, "b": {Document: queue}}
			}),
			[]Change{DeleteRolePolicy{Name: "b"}, PutRolePolicy{Name: "a", Policy: InlinePolicy{Document: allowing("s3:GetObject", "*")}}, PutRolePolicy{Name: "b", Policy: InlinePolicy{Document: queue}}},
		},
		"VersionsApart": {
			"A policy variable in one version is plain text in the other: they have nothing in common.",
			new(role(func(r *Role) {
				r.Boundary, r.Inline = admin, map[string]InlinePolicy{"queue": {Document: toUsers(policy.Version2012)}}
			})),
			role(func(r *Role) {
				r.Boundary, r.Inline = readOnly, map[string]InlinePolicy{"queue": {Document: toUsers(policy.Version2008)}}
			}),
			[]Change{PutRolePolicy{Name: "queue", Policy: InlinePolicy{Document: denyAll}}, PutBoundary{ARN: readOnly}, PutRolePolicy{Name: "queue", Policy: InlinePolicy{Document: toUsers(policy.Version2008)}}},
		},
		"Unreadable": {
			"An unreadable policy may allow and deny anything: it is replaced in one call.",
			new(role(func(r *Role) { r.Inline = map[string]InlinePolicy{"queue": {Document: "{}x"}} })), role(),
			[]Change{PutRolePolicy{Name: "queue", Policy: InlinePolicy{Document: queue}}},
		},
		"Sources": {
			"The declared document is sent; its canonical form is compared.",
			new(role(func(r *Role) { r.Inline = nil })), role(func(r *Role) { r.Inline["queue"] = InlinePolicy{Document: queue, Source: "as declared"} }),
			[]Change{PutRolePolicy{Name: "queue", Policy: InlinePolicy{Document: queue, Source: "as declared"}}},
		},
		"TrustedMoreMayLess": {
			"A newly trusted principal never has the old permissions.",
			new(role()), role(func(r *Role) { r.Trust, r.Managed = trusting("a", "b"), nil }),
			[]Change{DetachPolicy{ARN: readOnly}, UpdateTrust{Trust: trusting("a", "b")}},
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got := Diff(tc.observed, tc.desired)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Diff(...): -want, +got:\n%s", diff)
			}
		})
	}
}

func allowAndDeny(allow, deny string) policy.Document {
	return policy.Policy{Version: policy.Version2012, Statements: []policy.Statement{
		{Effect: policy.Allow, Actions: []string{allow}, Resources: []string{"*"}},
		{Effect: policy.Deny, Actions: []string{deny}, Resources: []string{"*"}},
	}}.Document()
}

func denying(action string) policy.Document {
	return policy.Policy{Version: policy.Version2012, Statements: []policy.Statement{
		{Effect: policy.Deny, Actions: []string{action}, Resources: []string{"*"}},
	}}.Document()
}

func toUsers(version string) policy.Document {
	return policy.Policy{Version: version, Statements: []policy.Statement{
		{Effect: policy.Allow, Actions: []string{"s3:*"}, Resources: []string{"arn:aws:s3:::${aws:username}"}},
	}}.Document()
}

// A role that is in sync needs no changes.
func TestDiff_IdenticalRolesNeedNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		role := rolesOf.Draw(t, "role")
		if got := Diff(&role, role.Clone()); len(got) > 0 {
			t.Fatalf("Diff(x, x) = %v", got)
		}
	})
}

// The changes lead from one role to the other, and after an interruption the role grants
// nothing that neither of the two grants.
func TestDiff_InterruptionGrantsNothingNew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var from *Role
		if rapid.IntRange(0, 5).Draw(t, "from") > 0 {
			r := rolesOf.Draw(t, "a")
			from = &r
		}
		to := rolesOf.Draw(t, "b")
		changes := Diff(from, to)
		allowed := grantsOf(from)
		maps.Copy(allowed, grantsOf(&to))
		at := from
		for i, c := range changes {
			at = applyTo(at, c)
			for g := range grantsOf(at) {
				if !allowed[g] {
					t.Fatalf("after change %d of %s the role grants %v, which neither of the two does", i, Summary(changes), g)
				}
			}
		}
		if diff := cmp.Diff(to, *at, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the changes %s do not lead there: -want, +got:\n%s", Summary(changes), diff)
		}
		if again := Diff(from, to); !cmp.Equal(changes, again) {
			t.Fatal("the order of changes is left to chance")
		}
	})
}

// Creating a role costs one call for the role and one for each policy, unless two
// policies deny what the other allows.
func TestDiff_CreateCostsOneCallPerPolicy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		to := rolesOf.Draw(t, "role")
		least, circular := 1+len(to.Managed)+len(to.Inline), false
		for a, x := range to.Inline {
			for b, y := range to.Inline {
				circular = circular || a != b && policy.NewReach(x.Document.Policy()).MayDeny(policy.NewReach(y.Document.Policy()))
			}
		}
		if got := len(Diff(nil, to)); got != least && !circular {
			t.Fatalf("a create costs %d calls, not %d", got, least)
		}
	})
}

// An edit of one part costs one call.
func TestDiff_EditCostsOneCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rolesOf.Draw(t, "role")
		to := from.Clone()
		switch other := rolesOf.Draw(t, "other"); rapid.IntRange(0, 4).Draw(t, "part") {
		case 0:
			to.Trust = other.Trust
		case 1:
			to.Boundary = other.Boundary
		case 2:
			to.Description, to.MaxSessionDuration = other.Description, other.MaxSessionDuration
		case 3:
			to.Inline["p"] = InlinePolicy{Document: documents.Draw(t, "p")}
		case 4:
			delete(to.Inline, "p")
		}
		if got := Diff(&from, to); len(got) > 1 {
			t.Fatalf("one edit costs %d calls: %s", len(got), Summary(got))
		}
	})
}

func TestTeardown_DetachesBeforeItDeletes(t *testing.T) {
	observed := &Observed{
		Role:             Role{Name: "r", Trust: trusting("a"), Managed: []string{"arn:1", "arn:2"}, Inline: map[string]InlinePolicy{"q": {}, "p": {}}},
		InstanceProfiles: []string{"nodes"},
	}
	want := []Change{
		UpdateTrust{Trust: policy.DenyAllTrust()},
		DetachPolicy{ARN: "arn:1"},
		DetachPolicy{ARN: "arn:2"},
		DeleteRolePolicy{Name: "p"},
		DeleteRolePolicy{Name: "q"},
		RemoveFromInstanceProfile{Name: "nodes"},
		DeleteRole{},
	}
	if diff := cmp.Diff(want, Teardown(observed)); diff != "" {
		t.Errorf("Trust is cut first, and the role goes last.\nTeardown(...): -want, +got:\n%s", diff)
	}
	half := &Observed{Role: Role{Name: "r", Trust: policy.DenyAllTrust(), Managed: []string{"arn:2"}}}
	if diff := cmp.Diff([]Change{DetachPolicy{ARN: "arn:2"}, DeleteRole{}}, Teardown(half)); diff != "" {
		t.Errorf("What is done is not done again.\nTeardown(...): -want, +got:\n%s", diff)
	}
	bare := &Observed{Role: Role{Name: "r", Trust: trusting("a")}}
	if diff := cmp.Diff([]Change{DeleteRole{}}, Teardown(bare)); diff != "" {
		t.Errorf("A role without attachments exists or not.\nTeardown(...): -want, +got:\n%s", diff)
	}
	for hanging, observed := range map[string]*Observed{
		"managed policy":   {Role: Role{Trust: trusting("a"), Managed: []string{"arn:1"}}},
		"inline policy":    {Role: Role{Trust: trusting("a"), Inline: map[string]InlinePolicy{"p": {}}}},
		"instance profile": {Role: Role{Trust: trusting("a")}, InstanceProfiles: []string{"nodes"}},
	} {
		if first := Teardown(observed)[0]; first != (UpdateTrust{Trust: policy.DenyAllTrust()}) {
			t.Errorf("A %s is left while the trust is not cut: %s comes first", hanging, first.Action())
		}
	}
	if got := Teardown(nil); got != nil {
		t.Errorf("Teardown(nil) = %v", got)
	}
}

// A revoked role grants nothing, and is otherwise the same role.
func TestRevoked_GrantsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		role := rolesOf.Draw(t, "role")
		before := role.Clone()
		revoked := role.Revoked()
		if granted := grantsOf(&revoked); len(granted) > 0 {
			t.Fatalf("grants %v", granted)
		}
		if diff := cmp.Diff(before, role, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("changed the role that it was made of: -before, +after:\n%s", diff)
		}
		revoked.Trust, revoked.Managed, revoked.Inline = role.Trust, role.Managed, role.Inline
		if diff := cmp.Diff(role, revoked, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("is another role: -role, +revoked:\n%s", diff)
		}
	})
}

func TestRoleSnapshot_FindsRolesInSync(t *testing.T) {
	owner := Owner{Cluster: "c", Namespace: "n", Name: "o", UID: "1"}
	role := Role{Name: "Role", Path: "/p/", Trust: trusting("a"), Tags: owner.Tags(), Boundary: "arn:b"}
	fleet := RoleSnapshot{Roles: map[string]*Observed{}}
	fleet.Add(&Observed{Role: role.Clone()})
	if fleet.Find(owner, role) == nil {
		t.Error("A role as desired is not found in sync.")
	}
	other := role.Clone()
	other.Boundary = ""
	if fleet.Find(owner, other) != nil {
		t.Error("A role that differs is found in sync.")
	}
	if fleet.Find(Owner{Cluster: "c", Namespace: "n", Name: "o", UID: "2"}, role) != nil {
		t.Error("A role of another owner is found in sync.")
	}
	moved := role.Clone()
	moved.Path = "/q/"
	if fleet.Find(owner, moved) != nil {
		t.Error("A role in another path is found in sync: its ARN is not the one that is annotated.")
	}
	absent := role.Clone()
	absent.Name = "none"
	if fleet.Find(owner, absent) != nil {
		t.Error("A role that is not there is found in sync.")
	}
	if got := ReadCost(role, Role{Inline: map[string]InlinePolicy{"p": {}, "q": {}}}); got != 8 {
		t.Errorf("LookCost(...) = %d, want 3 + 5", got)
	}
}

// Every change names its action, and the component for metrics and events.
func TestChanges_NameActionAndComponent(t *testing.T) {
	changes := []Change{
		CreateRole{Role: Role{Name: "r"}},
		UpdateTrust{},
		UpdateRole{ChangedFields: "description"},
		PutBoundary{ARN: "b"},
		DeleteBoundary{},
		TagRole{Tags: map[string]string{"k": "", "a": ""}},
		UntagRole{Keys: []string{"x", "y"}},
		PutRolePolicy{Name: "p"},
		DeleteRolePolicy{Name: "p"},
		AttachPolicy{ARN: "m"},
		DetachPolicy{ARN: "m"},
		RemoveFromInstanceProfile{Name: "i"},
		DeleteRole{},
	}
	var got []string
	for _, c := range changes {
		c.change()
		got = append(got, c.Action()+"|"+c.Target()+"|"+c.Component())
	}
	want := []string{
		"CreateRole|r|role", "UpdateAssumeRolePolicy||trust", "UpdateRole||description", "PutRolePermissionsBoundary|b|boundary", "DeleteRolePermissionsBoundary||boundary",
		"TagRole|a,k|tags", "UntagRole|x,y|tags", "PutRolePolicy|p|inlinePolicy", "DeleteRolePolicy|p|inlinePolicy",
		"AttachRolePolicy|m|managedPolicy", "DetachRolePolicy|m|managedPolicy", "RemoveRoleFromInstanceProfile|i|instanceProfile", "DeleteRole||role",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if got := Summary(slices.Clone(changes[:2])); got != "CreateRole,UpdateAssumeRolePolicy" {
		t.Errorf("Summary(...) = %q", got)
	}
}
