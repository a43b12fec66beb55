package controllers_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// A deletion takes down the ServiceAccount and the role, with all that was put
// on the role out of band.
func TestDelete_RemovesServiceAccountAndRoleWithAttachments(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	name := s.awaitReady("checkout").Status.Role.Name
	s.must(s.putPolicy(name, "backdoor"))
	_, err := s.iam.AttachRolePolicy(s.ctx, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
	s.must(err)
	s.putInInstanceProfile(name)

	s.delete("checkout")
	s.awaitGone("checkout")

	if s.roleExists(name) {
		t.Error("The role is left.")
	}
	err = user.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: "checkout"}, &corev1.ServiceAccount{})
	if client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("The ServiceAccount is left (%v).", err)
	}
}

// A deletion reads the owner of the role from AWS, and lists nothing: the attachments
// are in the cache. After a restart the operator must list them.
func TestDelete_ReadsTheOwnerAndListsNothing(t *testing.T) {
	known := map[string]int{"GetRole": 1, "UpdateAssumeRolePolicy": 1, "DetachRolePolicy": 1, "DeleteRolePolicy": 2, "DeleteRole": 1}
	bare := map[string]int{"GetRole": 1, "DeleteRole": 1}
	lists := []string{"ListAttachedRolePolicies", "ListRolePolicies", "ListInstanceProfilesForRole"}
	cases := map[string]struct {
		reason   string
		manifest string
		before   func(*env)
		deleted  map[string]int
	}{
		"Known": {
			reason:   "A deletion costs one read, and 2 + managed + inline writes.",
			manifest: checkout,
			before:   func(*env) {},
			deleted:  known,
		},
		"Unknown": {
			reason:   "After a restart the operator lists the attachments once.",
			manifest: checkout,
			before:   func(s *env) { s.stop() },
			deleted:  with(known, lists...),
		},
		"Bare": {
			reason:   "A role without attachments needs no change of its trust policy first.",
			manifest: "metadata: {name: checkout}\nspec: {}",
			before:   func(*env) {},
			deleted:  bare,
		},
		"BareNoMore": {
			reason:   "AWS rejects the deletion because of an attachment of another tool, and only then the trust policy is changed first.",
			manifest: "metadata: {name: checkout}\nspec: {}",
			before:   func(s *env) { s.must(s.putPolicy(roleName(s, "checkout"), "backdoor")) },
			deleted:  with(bare, append(lists, "DeleteRole", "GetRole", "UpdateAssumeRolePolicy", "DeleteRolePolicy")...),
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			s := startEnv(t)
			s.apply(tc.manifest)
			s.awaitReady("checkout")
			tc.before(s)
			before := s.account.Calls()
			s.delete("checkout")
			if name == "Unknown" {
				s.start()
			}
			s.awaitGone("checkout")
			got := since(before, s.account.Calls())
			for _, start := range []string{"GetCallerIdentity", "GetOpenIDConnectProvider", "GetAccountAuthorizationDetails", "ListRoles", "ListPolicies"} {
				delete(got, start)
			}
			if diff := cmp.Diff(tc.deleted, got); diff != "" {
				t.Errorf("calls: -want, +got:\n%s", diff)
			}
		})
	}
}

// with returns calls and one more of each action.
func with(calls map[string]int, actions ...string) map[string]int {
	all := maps.Clone(calls)
	for _, action := range actions {
		all[action]++
	}
	return all
}

// IAM does not show a new role immediately. An identity that is deleted in that moment
// does not leave the role behind.
func TestDelete_BeforeIAMShowsTheRoleLeavesNothing(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("Restart=%v", restart), func(t *testing.T) {
			s := startEnv(t, func(c *controllers.Config) { c.IAMPropagationDelay = 4 * time.Second })
			s.apply("metadata: {name: first}\nspec: {}")
			s.eventually("the operator to be at work", func() bool { return s.get("first").Status.Role != nil })
			before := s.account.Calls()
			s.account.SetFaults(awslocal.Faults{ReadDelay: awslocal.Duration(2 * time.Second)})
			s.apply("metadata: {name: checkout}\nspec: {}")
			s.eventually("the role", func() bool { return since(before, s.account.Calls())["CreateRole"] > 0 })
			if restart {
				s.stop()
			}
			s.delete("checkout")
			if restart {
				s.start()
			}
			s.awaitGone("checkout")
			s.clearFaults()
			if s.roleExists(roleName(s, "checkout")) {
				t.Error("The role is left behind.")
			}
		})
	}
}

// Retain leaves the role in AWS, whatever AWS is like, and takes down what is in
// the cluster.
func TestDelete_RetainLeavesTheRole(t *testing.T) {
	s := startEnv(t)
	s.apply(`
		metadata: {name: checkout}
		spec: {deletionPolicy: Retain}
	`)
	name := s.awaitReady("checkout").Status.Role.Name
	s.failCalls("*", "ConnectionReset")

	s.delete("checkout")
	s.awaitGone("checkout")

	s.clearFaults()
	if !s.roleExists(name) {
		t.Error("The role is gone.")
	}
}

// A deletion that AWS does not allow says what is missing, and goes on when it is
// there.
func TestDelete_DeniedNamesThePermissionAndContinues(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	name := s.awaitReady("checkout").Status.Role.Name
	s.failCalls("DetachRolePolicy", "AccessDenied")

	s.delete("checkout")
	pi := s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeletionBlocked)
	message := condition(pi, v1alpha1.ConditionReady).Message
	for _, want := range []string{"iam:DetachRolePolicy", "spec.deletionPolicy: Retain"} {
		if !strings.Contains(message, want) {
			t.Errorf("message = %q, want it to name %s", message, want)
		}
	}

	s.clearFaults()
	s.request("checkout", "granted")
	s.awaitGone("checkout")
	if s.roleExists(name) {
		t.Error("The role is left.")
	}
}

// A user who cannot wait for AWS can delete the object by changing its policy to Retain.
func TestDelete_RetainEndsTheWaitForAWS(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	s.awaitReady("checkout")
	s.failCalls("*", "ConnectionReset")

	s.delete("checkout")
	s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonDeleting)
	pi := s.get("checkout")
	before := pi.DeepCopy()
	pi.Spec.DeletionPolicy = v1alpha1.DeletionRetain
	s.must(user.Patch(s.ctx, pi, client.MergeFrom(before)))
	s.awaitGone("checkout")
}

// A role that no longer exists does not block a deletion, and neither does one that has
// another owner by now: the operator leaves it alone.
func TestDelete_RoleNotFoundOrOfAnotherOwner(t *testing.T) {
	s := startEnv(t)
	for _, name := range []string{"gone", "foreign"} {
		s.apply("metadata: {name: " + name + "}\nspec: {}")
		role := s.awaitReady(name).Status.Role.Name
		_, err := s.iam.DeleteRole(s.ctx, &iam.DeleteRoleInput{RoleName: &role})
		s.must(err)
	}
	foreign := roleName(s, "foreign")
	s.createRole(foreign, "/", ownerNone)

	s.delete("gone")
	s.delete("foreign")
	s.awaitGone("gone")
	s.awaitGone("foreign")
	if !s.roleExists(foreign) {
		t.Error("A role of another owner was deleted.")
	}
	s.awaitEvent("foreign", "SkippedRoleDeletion", "Did not delete role "+foreign)
}

// An object whose spec is rejected, and which never had a role, can be deleted.
func TestDelete_RejectedSpec(t *testing.T) {
	s := startEnv(t)
	s.apply(`
		metadata: {name: checkout}
		spec: {policies: {inline: [{name: a, document: "{}"}]}}
	`)
	s.await("checkout", v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalidSpec)
	s.delete("checkout")
	s.awaitGone("checkout")
}

// A provider that is gone does not keep an identity from being deleted.
func TestDelete_WithoutOIDCProvider(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	name := s.awaitReady("checkout").Status.Role.Name
	arn := plan.Cluster{Partition: "aws", AccountID: "123456789012", Issuer: cluster.Issuer}.ProviderARN()
	_, err := s.iam.DeleteOpenIDConnectProvider(s.ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(arn)})
	s.must(err)
	s.stop()
	s.start()

	s.delete("checkout")
	s.awaitGone("checkout")
	if s.roleExists(name) {
		t.Error("The role is left.")
	}
}

// A namespace that is deleted takes its identities along.
func TestDelete_NamespaceDeletesItsIdentities(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	s.apply("metadata: {name: other}\nspec: {}")
	names := []string{s.awaitReady("checkout").Status.Role.Name, s.awaitReady("other").Status.Role.Name}

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
	s.must(user.Delete(s.ctx, namespace))
	s.eventually("the namespace to be gone", func() bool {
		return client.IgnoreNotFound(user.Get(s.ctx, client.ObjectKeyFromObject(namespace), namespace)) == nil &&
			user.Get(s.ctx, client.ObjectKeyFromObject(namespace), namespace) != nil
	})
	for _, name := range names {
		if s.roleExists(name) {
			t.Errorf("Role %s is left.", name)
		}
	}
}

func (s *env) putInInstanceProfile(role string) {
	s.t.Helper()
	name := aws.String("nodes")
	_, err := s.iam.CreateInstanceProfile(s.ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: name, Path: &s.config.RolePath})
	s.must(err)
	_, err = s.iam.AddRoleToInstanceProfile(s.ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: &role})
	s.must(err)
}

// The operator may change instance profiles under its own path only. For a role in
// another one, it states what to run, and deletes the role once that was done.
func TestDelete_RoleInForeignInstanceProfile(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	role := s.awaitReady("checkout").Status.Role.Name
	s.addToInstanceProfile("nodes", "checkout")
	s.delete("checkout")
	pi := s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeletionBlocked)
	s.expectMessage(pi, "the role is in instance profile nodes", "run: aws iam remove-role-from-instance-profile --instance-profile-name nodes --role-name "+role)
	_, err := s.iam.RemoveRoleFromInstanceProfile(s.ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: aws.String("nodes"), RoleName: &role})
	s.must(err)
	s.request("checkout", "removed")
	s.awaitGone("checkout")
}

// addToInstanceProfile adds the role of an identity to a new instance profile outside the
// operator's path.
func (s *env) addToInstanceProfile(profile, name string) {
	s.t.Helper()
	role := s.get(name).Status.Role.Name
	_, err := s.iam.CreateInstanceProfile(s.ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &profile, Path: aws.String("/")})
	s.must(err)
	_, err = s.iam.AddRoleToInstanceProfile(s.ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role})
	s.must(err)
}
