package manifests_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// A request is what a user may want to do.
type request struct{ verb, group, resource, namespace string }

func (r request) String() string {
	return fmt.Sprintf("%s %s.%s in %q", r.verb, r.resource, r.group, r.namespace)
}

const (
	ours  = "iam.podidentity.io"
	theNS = "shop" // the namespace of the sample
)

func (c *cluster) operatorMayDoItsWork(t *testing.T) {
	for _, r := range []request{
		{"list", ours, "podidentities", ""},
		{"watch", ours, "podidentities", ""},
		{"patch", ours, "podidentities", theNS},
		{"patch", ours, "podidentities/status", theNS},
		{"watch", ours, "podidentityguardrails", ""},
		{"watch", "", "namespaces", ""},
		{"create", "", "serviceaccounts", theNS},
		{"patch", "", "serviceaccounts", theNS},
		{"create", "events.k8s.io", "events", theNS},
		{"create", "coordination.k8s.io", "leases", namespace},
		{"update", "coordination.k8s.io", "leases", namespace},
		{"create", "authentication.k8s.io", "tokenreviews", ""},
		{"create", "authorization.k8s.io", "subjectaccessreviews", ""},
	} {
		if !c.may(t, operatorUser(), r) {
			t.Errorf("the operator may not %s", r)
		}
	}
}

// operatorMayDoNoMore names what would make the operator worth attacking.
func (c *cluster) operatorMayDoNoMore(t *testing.T) {
	for _, r := range []request{
		{"get", "", "secrets", namespace},
		{"list", "", "secrets", ""},
		{"create", "", "serviceaccounts/token", theNS},
		{"create", "", "pods", theNS},
		{"delete", "", "pods", theNS},
		{"create", ours, "podidentities", theNS},
		{"delete", ours, "podidentities", theNS},
		{"patch", ours, "podidentityguardrails", ""},
		{"patch", "", "namespaces", theNS},
		{"create", "coordination.k8s.io", "leases", theNS},
		{"create", "rbac.authorization.k8s.io", "clusterrolebindings", ""},
		{"bind", "rbac.authorization.k8s.io", "clusterroles", ""},
		{"impersonate", "", "users", ""},
	} {
		if c.may(t, operatorUser(), r) {
			t.Errorf("the operator may %s", r)
		}
	}
}

// usersHaveWhatTheirRolesAllow shows above all that an editor of a namespace
// gets no rights in AWS by that alone.
func (c *cluster) usersHaveWhatTheirRolesAllow(t *testing.T) {
	const read, create = "list", "create"
	cases := map[string]struct {
		reason, role  string
		may, mayNever []string
	}{
		"View":   {"PodIdentities contain no secrets.", "view", []string{read}, []string{create}},
		"Edit":   {"A user who creates a PodIdentity obtains its permissions in AWS.", "edit", []string{read}, []string{create, "patch", "delete"}},
		"Admin":  {"A user who creates a PodIdentity obtains its permissions in AWS.", "admin", []string{read}, []string{create, "patch", "delete"}},
		"Viewer": {"The role of the operator's manifests.", "podidentity-viewer-role", []string{read}, []string{create}},
		"Editor": {"The role of the operator's manifests.", "podidentity-editor-role", []string{read, create, "patch", "delete"}, []string{"deletecollection"}},
		"Owner":  {"The role of the operator's manifests.", "podidentity-admin-role", []string{read, create, "deletecollection"}, nil},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			c.bind(t, name, tc.role)
			for _, verb := range tc.may {
				c.awaitMay(t, name, request{verb, ours, "podidentities", theNS})
			}
			for _, verb := range tc.mayNever {
				if r := (request{verb, ours, "podidentities", theNS}); c.may(t, name, r) {
					t.Errorf("%s may %s", tc.role, r)
				}
			}
		})
	}
}

// bind gives a user a role in the namespace of the sample.
func (c *cluster) bind(t *testing.T, user, role string) {
	t.Helper()
	_, err := c.client.RbacV1().RoleBindings(theNS).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// may asks the API server whether a user may do something.
func (c *cluster) may(t *testing.T, user string, r request) bool {
	t.Helper()
	resource, subresource, _ := strings.Cut(r.resource, "/")
	review, err := c.client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: r.verb, Group: r.group, Resource: resource, Subresource: subresource, Namespace: r.namespace,
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// awaitMay waits until a user may do something: the API server learns of a new
// binding, and a role of what is aggregated to it, a moment later.
func (c *cluster) awaitMay(t *testing.T, user string, r request) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
		return c.may(t, user, r), nil
	})
	if err != nil {
		t.Errorf("%s may not %s", user, r)
	}
}

// operatorUser is the name by which RBAC knows the operator's ServiceAccount.
func operatorUser() string { return "system:serviceaccount:" + namespace + ":" + operator }
