package controllers

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// unitClusterID is the UID of namespace kube-system in unit tests.
const unitClusterID = "cluster-1"

// orphanOf returns a role of this cluster whose PodIdentity does not exist.
func orphanOf(edits ...func(*plan.Observed)) *plan.Observed {
	owner := plan.Owner{Cluster: "prod", Namespace: "shop", Name: "gone", UID: "0", ClusterID: unitClusterID}
	role := &plan.Observed{
		Role: plan.Role{
			Name: "prod_shop_gone_00000000", Path: unitCluster.RolePath, Tags: owner.Tags(),
			Trust: policy.Trust(policy.TrustSpec{ProviderARN: unitCluster.ProviderARN(), Issuer: "oidc.example.com", Audience: plan.DefaultAudience, Namespace: "shop", ServiceAccounts: []string{"gone"}}),
		},
		ID: "AROAGONE", CreatedAt: now.Add(-time.Hour),
	}
	for _, edit := range edits {
		edit(role)
	}
	return role
}

func TestOrphans_NeedTwoDriftChecks(t *testing.T) {
	tag := func(key, value string) func(*plan.Observed) {
		return func(o *plan.Observed) { o.Tags[key] = value }
	}
	cases := map[string]struct {
		policy   OrphanPolicy
		role     *plan.Observed
		existing []client.Object
		want     [][]string // calls of each drift check
	}{
		"a leaked role is sealed at the second check, not at the first": {
			policy: OrphanSeal, role: orphanOf(),
			want: [][]string{nil, {"ObserveOwner", "UpdateAssumeRolePolicy"}, nil},
		},
		"Delete deletes a leaked role": {
			policy: OrphanDelete, role: orphanOf(),
			want: [][]string{nil, {"ObserveForTeardown", "ObserveOwner", "DeleteRole"}},
		},
		"Report changes nothing":             {policy: OrphanReport, role: orphanOf(), want: [][]string{nil, nil, nil}},
		"a retained role keeps its trust":    {policy: OrphanSeal, role: orphanOf(tag(plan.TagRetainedAt, "2026-11-26T12:00:00Z")), want: [][]string{nil, nil, nil}},
		"another cluster of the same name":   {policy: OrphanDelete, role: orphanOf(tag(plan.TagClusterID, "cluster-2")), want: [][]string{nil, nil, nil}},
		"a role without a cluster ID":        {policy: OrphanDelete, role: orphanOf(func(o *plan.Observed) { delete(o.Tags, plan.TagClusterID) }), want: [][]string{nil, nil, nil}},
		"a role of another path":             {policy: OrphanDelete, role: orphanOf(func(o *plan.Observed) { o.Path = "/" }), want: [][]string{nil, nil, nil}},
		"an object that the cache lacks yet": {policy: OrphanDelete, role: orphanOf(), existing: []client.Object{&v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "gone", UID: "0"}}}, want: [][]string{nil, nil, nil}},
		"an object of the same name is not its owner": {
			policy: OrphanSeal, role: orphanOf(), existing: []client.Object{&v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "gone", UID: "1"}}},
			want: [][]string{nil, {"ObserveOwner", "UpdateAssumeRolePolicy"}},
		},
	}
	for reason, tc := range cases {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t, tc.existing...)
			u.roles.roles[tc.role.Name] = tc.role
			cluster := unitCluster
			cluster.ID = unitClusterID
			o := newOrphans(tc.policy, u.clock, u.client, u.roles, guardrailReader{client: u.client})
			for i, want := range tc.want {
				u.roles.calls = nil
				snapshot := plan.RoleSnapshot{Roles: map[string]*plan.Observed{}}
				if role := u.roles.roles[tc.role.Name]; role != nil {
					snapshot.Add(role)
				}
				if err := o.check(t.Context(), cluster, snapshot, nil); err != nil {
					t.Fatal(err)
				}
				if len(u.roles.calls)+len(want) > 0 {
					u.expectCalls(want...)
				}
				if t.Failed() {
					t.Fatalf("at drift check %d", i+1)
				}
			}
		})
	}
}

func TestOrphans_CountTowardsMaxIdentities(t *testing.T) {
	u := newUnit(t)
	role := orphanOf()
	u.roles.roles[role.Name] = role
	cluster := unitCluster
	cluster.ID = unitClusterID
	snapshot := plan.RoleSnapshot{Roles: map[string]*plan.Observed{}}
	snapshot.Add(role)
	check := func() {
		t.Helper()
		if err := u.role.orphans.check(t.Context(), cluster, snapshot, nil); err != nil {
			t.Fatal(err)
		}
	}
	check()
	if got := u.role.orphans.inNamespace("shop", ""); got != 1 {
		t.Errorf("orphaned roles of the namespace = %d, want 1", got)
	}
	if freed := u.role.orphans.takeFreed(); len(freed) > 0 {
		t.Errorf("namespaces with fewer orphaned roles = %v, want none", freed)
	}
	check()
	if freed := u.role.orphans.takeFreed(); !freed["shop"] {
		t.Errorf("namespaces with fewer orphaned roles = %v, want that of the sealed role", freed)
	}
	if got := u.role.orphans.inNamespace("shop", ""); got != 0 {
		t.Errorf("a sealed role still counts: %d", got)
	}
}

func TestOrphans_RevokeReachesRetainedRoles(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	g := &v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{Name: "revoke"}}
	g.Spec.OnViolation = v1alpha1.ViolationRevoke
	g.Spec.ManagedPolicies.Denied = []v1alpha1.Pattern{"*"}
	u := newUnit(t, namespace, g)
	role := orphanOf(func(o *plan.Observed) {
		o.Tags[plan.TagRetainedAt] = "2026-11-26T12:00:00Z"
		o.Managed = []string{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}
	})
	u.roles.roles[role.Name] = role
	cluster := unitCluster
	cluster.ID = unitClusterID
	snapshot := plan.RoleSnapshot{Roles: map[string]*plan.Observed{}}
	snapshot.Add(role)
	if err := u.role.orphans.check(t.Context(), cluster, snapshot, nil); err != nil {
		t.Fatal(err)
	}
	u.expectCalls("ObserveOwner", "UpdateAssumeRolePolicy", "DetachRolePolicy")
	if !(plan.Orphan{Observed: role}).Sealed() {
		t.Error("the retained role can still be assumed")
	}
}

// A role counts towards the limit of its namespace as soon as its object is gone.
func TestOrphans_CountBeforeTheNextDriftCheck(t *testing.T) {
	const name = "prod_shop_gone_00000000"
	for reason, tc := range map[string]struct {
		events func(*orphans)
		except string
		exists bool  // whether the role exists
		want   []int // before, and after each drift check
		freed  bool  // whether identities that wait are queued in the end
	}{
		"a role whose finalizer was removed":        {events: func(o *orphans) { o.objectGone("0", "shop", name) }, exists: true, want: []int{1, 1, 0}, freed: true},
		"a role that is gone counts for two checks": {events: func(o *orphans) { o.objectGone("0", "shop", name) }, want: []int{1, 1, 0}, freed: true},
		"a retained role":                           {events: func(o *orphans) { o.roleRetained("0", "shop", name); o.objectGone("0", "shop", name) }, exists: true, want: []int{1, 1, 0}, freed: true},
		"a role that the operator removed":          {events: func(o *orphans) { o.roleRemoved("0"); o.objectGone("0", "shop", name) }, want: []int{0, 0}},
		"the object is gone before its role is":     {events: func(o *orphans) { o.objectGone("0", "shop", name); o.roleRemoved("0") }, want: []int{0, 0}, freed: true},
		"the role of another namespace":             {events: func(o *orphans) { o.objectGone("0", "bank", name) }, want: []int{0, 0}},
		"the role that the identity itself names":   {events: func(o *orphans) { o.objectGone("0", "shop", name) }, except: name, exists: true, want: []int{0, 0, 0}, freed: true},
	} {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t)
			o := u.role.orphans
			tc.events(o)
			cluster := unitCluster
			cluster.ID = unitClusterID
			for i, want := range tc.want {
				if i > 0 {
					snapshot := plan.RoleSnapshot{Roles: map[string]*plan.Observed{}}
					if role := orphanOf(); tc.exists {
						u.roles.roles[name] = role
						snapshot.Add(role)
					}
					if err := o.check(t.Context(), cluster, snapshot, nil); err != nil {
						t.Fatal(err)
					}
				}
				if got := o.inNamespace("shop", tc.except); got != want {
					t.Errorf("after %d drift checks %d roles count, want %d", i, got, want)
				}
			}
			if freed := o.takeFreed()["shop"]; freed != tc.freed {
				t.Errorf("identities that wait are queued: %t, want %t", freed, tc.freed)
			}
		})
	}
}
