package controllers_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// The operator never touches a role of another owner, and the condition says that it has
// one.
func TestOwnership_RoleOfAnotherOwnerIsNeverChanged(t *testing.T) {
	cases := map[string]struct {
		reason string
		role   string // as it is named in AWS; the spec names Shared-Role
		tags   plan.Owner
		want   string
	}{
		"Bare": {
			reason: "A role without the operator's tags has another owner.",
			role:   "Shared-Role",
			want:   "role Shared-Role already exists and has another owner",
		},
		"OtherCase": {
			reason: "IAM compares names without regard to case and path.",
			role:   "shared-ROLE",
			want:   "already exists and has another owner",
		},
		"OtherCluster": {
			reason: "Another cluster's operator owns the role.",
			role:   "Shared-Role",
			tags:   plan.Owner{Cluster: "blue", Namespace: "shop", Name: "checkout", UID: "1"},
			want:   "has another owner",
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			s := startEnv(t)
			s.createRole(tc.role, "/", tc.tags)
			before, calls := s.role(tc.role), s.account.Calls()

			s.apply(`
				metadata: {name: checkout}
				spec: {role: {name: Shared-Role}, policies: {managed: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}}
			`)
			pi := s.await("checkout", v1alpha1.ConditionRoleReady, metav1.ConditionFalse, v1alpha1.ReasonRoleNotOwned)
			if got := condition(pi, v1alpha1.ConditionReady).Message; !strings.Contains(got, tc.want) {
				t.Errorf("message = %q, want it to say %q", got, tc.want)
			}
			s.delete("checkout")
			s.awaitGone("checkout")

			delete(calls, "CreateRole")
			writes := written(calls, s.account.Calls())
			delete(writes, "CreateRole") // which IAM rejected
			if diff := cmp.Diff(map[string]int{}, writes); diff != "" {
				t.Errorf("writes: -want, +got:\n%s", diff)
			}
			if diff := cmp.Diff(before, s.role(tc.role)); diff != "" {
				t.Errorf("role: -before, +after:\n%s", diff)
			}
		})
	}
}

// A role that an earlier object of the same name left behind is taken over only
// if the spec allows it, and then nothing is lost: its ID stays.
func TestAdoption_NeedsThePolicyAndKeepsTheRole(t *testing.T) {
	s := startEnv(t)
	name := roleName(s, "checkout")
	id := s.createRole(name, s.config.RolePath, plan.Owner{Cluster: "test", Namespace: s.namespace, Name: "checkout", UID: "an-earlier-one"})
	s.must(s.putPolicy(name, "old"))

	s.apply(`
		metadata: {name: checkout}
		spec: {}
	`)
	pi := s.await("checkout", v1alpha1.ConditionRoleReady, metav1.ConditionFalse, v1alpha1.ReasonRoleNotOwned)
	if got := condition(pi, v1alpha1.ConditionRoleReady).Message; !strings.Contains(got, "set spec.role.adoptionPolicy: IfTagged") {
		t.Errorf("The message does not say what to do: %q", got)
	}

	s.apply(`
		metadata: {name: checkout}
		spec: {mode: Plan, role: {adoptionPolicy: IfTagged}}
	`)
	pi = s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonChangesPending)
	want := []v1alpha1.PlannedChange{
		{Action: "DeleteRolePolicy", Target: "old"},
		{Action: "TagRole", Target: plan.TagUID},
		{Action: "UpdateAssumeRolePolicy"},
		{Action: "ApplyServiceAccount", Target: "checkout"},
	}
	if diff := cmp.Diff(want, pi.Status.Plan); diff != "" {
		t.Errorf("status.plan: -want, +got:\n%s", diff)
	}

	s.apply(`
		metadata: {name: checkout}
		spec: {role: {adoptionPolicy: IfTagged}}
	`)
	pi = s.awaitReady("checkout")
	if pi.Status.Role.ID != id {
		t.Error("The role was made anew.")
	}
	if got := s.role(name); got.Tags[plan.TagUID] != string(pi.UID) || len(got.Inline) != 0 {
		t.Errorf("The role is not as declared: %+v", got)
	}
}

// Two identities that name one ServiceAccount: the older wins, and the other
// takes over when the older is gone.
func TestServiceAccountConflict_OlderWins(t *testing.T) {
	s := startEnv(t)
	s.apply(`
		metadata: {name: first}
		spec: {serviceAccount: {name: checkout}}
	`)
	first := s.awaitReady("first")
	s.apply(`
		metadata: {name: second}
		spec: {serviceAccount: {name: checkout}}
	`)
	pi := s.await("second", v1alpha1.ConditionServiceAccountReady, metav1.ConditionFalse, v1alpha1.ReasonServiceAccountConflict)
	if got := condition(pi, v1alpha1.ConditionReady).Message; !strings.Contains(got, "the older PodIdentity first") {
		t.Errorf("The message does not say who came first: %q", got)
	}
	if s.roleExists(roleName(s, "second")) {
		t.Error("The operator created a role that no pod may use.")
	}
	s.awaitReady("first")
	if got := s.serviceAccount("checkout").Annotations["eks.amazonaws.com/role-arn"]; got != first.Status.Role.ARN {
		t.Errorf("The ServiceAccount carries %s, not the older one's role.", got)
	}

	s.delete("first")
	second := s.awaitReady("second")
	if got := s.serviceAccount("checkout").Annotations["eks.amazonaws.com/role-arn"]; got != second.Status.Role.ARN {
		t.Errorf("The ServiceAccount carries %s, not the role of the one that is left.", got)
	}
}

// The same holds for a ServiceAccount that neither of the two makes: it is never
// handed to and fro.
func TestServiceAccountConflict_OlderKeepsAnAnnotatedOne(t *testing.T) {
	s := startEnv(t)
	s.createServiceAccount("checkout", nil)
	s.apply(`
		metadata: {name: first}
		spec: {serviceAccount: {name: checkout, mode: Annotate}}
	`)
	first := s.awaitReady("first")
	s.apply(`
		metadata: {name: second}
		spec: {additionalServiceAccounts: [checkout]}
	`)
	s.await("second", v1alpha1.ConditionServiceAccountReady, metav1.ConditionFalse, v1alpha1.ReasonServiceAccountConflict)
	s.checkServiceAccount("checkout", map[string]string{"eks.amazonaws.com/role-arn": first.Status.Role.ARN})
}

// createRole makes a role as an administrator would, with an owner's tags if the
// owner has a name, and returns its ID.
func (s *env) createRole(name, path string, owner plan.Owner) string {
	s.t.Helper()
	var tags []iamtypes.Tag
	if owner.Name != "" {
		if owner.Cluster == s.config.ClusterName {
			owner.ClusterID = s.clusterID()
		}
		for key, value := range owner.Tags() {
			tags = append(tags, iamtypes.Tag{Key: aws.String(key), Value: aws.String(value)})
		}
	}
	out, err := s.iam.CreateRole(s.ctx, &iam.CreateRoleInput{
		RoleName: &name, Path: &path, Tags: tags,
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`),
	})
	s.must(err)
	return aws.ToString(out.Role.RoleId)
}

// clusterID returns the UID of namespace kube-system, which identifies the cluster.
func (s *env) clusterID() string {
	s.t.Helper()
	var system corev1.Namespace
	s.must(user.Get(s.ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &system))
	return string(system.UID)
}
