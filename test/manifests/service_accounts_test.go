package manifests_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
)

// The permissions for ServiceAccounts that a user needs to apply a PodIdentity.
const (
	mayNotCreate = "is not allowed to create ServiceAccounts in namespace " + deputyNamespace
	mayNotUpdate = "is not allowed to update them in namespace " + deputyNamespace
)

const deputyNamespace = "deputy"

// serviceAccountsNeedPermission shows that users cannot do through the operator what
// they may not do themselves to a ServiceAccount.
func (c *cluster) serviceAccountsNeedPermission(t *testing.T) {
	admin := c.admission(t)
	admin.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: deputyNamespace}})
	team := c.userWith(t, "team", "podidentity-editor-role", "edit")
	author := c.userWith(t, "author", "podidentity-editor-role")
	named := c.userWith(t, "named", "podidentity-editor-role", c.updaterOf(t, "web", "worker", "third"))
	for name, tc := range map[string]struct {
		reason, spec string
		user         client.Client
		want         string // part of the rejection; empty if the API server accepts the object
	}{
		"Create":            {"The role edit is enough.", `{}`, team, ""},
		"CreateByAuthor":    {"The user may not create the ServiceAccount.", `{}`, author, mayNotCreate},
		"CreateExplicit":    {"The mode is that of the default.", `{serviceAccount: {mode: Create, name: other}}`, author, mayNotCreate},
		"CreateByUpdater":   {"The permission to update is not that to create.", `{serviceAccount: {name: web}}`, named, mayNotCreate},
		"Annotate":          {"The role edit is enough.", `{serviceAccount: {mode: Annotate, name: web}, additionalServiceAccounts: [a, b, c, d]}`, team, ""},
		"AnnotateByAuthor":  {"The user may not update the ServiceAccount.", `{serviceAccount: {mode: Annotate, name: web}}`, author, mayNotUpdate},
		"AnnotateOwnName":   {"The name of the object is that of the ServiceAccount.", `{serviceAccount: {mode: Annotate}}`, author, "annotate the ServiceAccounts checkout,"},
		"AnnotateNamed":     {"The user may update this name.", `{serviceAccount: {mode: Annotate, name: web}}`, named, ""},
		"AnnotateOtherName": {"The user may only update another name.", `{serviceAccount: {mode: Annotate, name: default}}`, named, mayNotUpdate},
		"Additional":        {"Additional ServiceAccounts are annotated in both modes.", `{serviceAccount: {mode: Annotate, name: web}, additionalServiceAccounts: [default]}`, named, mayNotUpdate},
		"AdditionalNamed":   {"The user may update both names.", `{serviceAccount: {mode: Annotate, name: web}, additionalServiceAccounts: [worker]}`, named, ""},
		"AdditionalThree":   {"More than two names cannot be checked one by one.", `{serviceAccount: {mode: Annotate, name: web}, additionalServiceAccounts: [worker, third]}`, named, mayNotUpdate},
		"Administrator":     {"A GitOps tool has the role cluster-admin.", `{serviceAccount: {mode: Annotate, name: web}, additionalServiceAccounts: [a, b, c]}`, admin, ""},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			err := tc.user.Create(t.Context(), identity(t, deputyNamespace, tc.spec), client.DryRunAll)
			c.checkRejection(t, err, tc.want)
		})
	}
	t.Run("Update", func(t *testing.T) { c.updatesNeedPermission(t, admin, author) })
}

func (c *cluster) checkRejection(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("rejected: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got %v, want it to contain: %s", err, want)
	}
}

// updatesNeedPermission shows that an update needs the permission only for what it
// changes.
func (c *cluster) updatesNeedPermission(t *testing.T, admin, author client.Client) {
	operator := c.clientFor(t, installation.User())
	for name, tc := range map[string]struct {
		reason string
		user   client.Client
		edit   func(*v1alpha1.PodIdentity)
		want   string
	}{
		"Policies": {"The ServiceAccounts do not change.", author, func(pi *v1alpha1.PodIdentity) {
			pi.Spec.Policies.Managed = []v1alpha1.PolicyARN{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}
		}, ""},
		"Suspend": {"spec.suspend needs no permission for ServiceAccounts.", author, func(pi *v1alpha1.PodIdentity) { pi.Spec.Suspend = true }, ""},
		"Remove": {"Removing a ServiceAccount needs no permission, as deleting the object needs none.", author, func(pi *v1alpha1.PodIdentity) {
			pi.Spec.AdditionalServiceAccounts = pi.Spec.AdditionalServiceAccounts[:1]
		}, ""},
		"Add": {"A ServiceAccount is added.", author, func(pi *v1alpha1.PodIdentity) {
			pi.Spec.AdditionalServiceAccounts = append(pi.Spec.AdditionalServiceAccounts, "default")
		}, "annotate the ServiceAccounts default,"},
		"Annotate":   {"The mode changes from Create to Annotate.", author, func(pi *v1alpha1.PodIdentity) { pi.Spec.ServiceAccount.Mode = v1alpha1.ServiceAccountAnnotate }, mayNotUpdate},
		"Expiration": {"The expiration is an annotation of the ServiceAccount.", author, func(pi *v1alpha1.PodIdentity) { pi.Spec.ServiceAccount.TokenExpirationSeconds = 900 }, mayNotCreate},
		"Finalizer":  {"The operator patches ServiceAccounts and may not update them.", operator, func(pi *v1alpha1.PodIdentity) { controllerutil.AddFinalizer(pi, v1alpha1.Finalizer) }, ""},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			pi := identity(t, deputyNamespace, `{additionalServiceAccounts: [a, b]}`)
			pi.Name = strings.ToLower(name)
			if err := admin.Create(t.Context(), pi); err != nil {
				t.Fatal(err)
			}
			before := pi.DeepCopy()
			tc.edit(pi)
			c.checkRejection(t, tc.user.Patch(t.Context(), pi, client.MergeFrom(before)), tc.want)
			if tc.user == operator {
				pi.Status.ObservedGeneration = 1
				t.Log("The status is the operator's.")
				c.checkRejection(t, operator.Status().Patch(t.Context(), pi, client.MergeFrom(before)), "")
				return
			}
			t.Log("Deletion is never rejected.")
			c.checkRejection(t, tc.user.Delete(t.Context(), pi), "")
		})
	}
}

// serviceAccountsPolicyIsSwitchable shows what the component leaves.
func (c *cluster) serviceAccountsPolicyIsSwitchable(t *testing.T) {
	rendered := string(c.kubectl(t, nil, "kustomize", root+"/test/manifests/testdata/without-service-accounts"))
	if strings.Contains(rendered, "podidentity-service-accounts") {
		t.Error("the component leaves the policy, or its binding")
	}
	if n := strings.Count(rendered, "name: podidentity-guardrails"); n != 2 {
		t.Errorf("%d objects named podidentity-guardrails, want the policy and its binding", n)
	}
}

// userWith returns a client of a user who has the roles in the namespace, and nothing
// else.
func (c *cluster) userWith(t *testing.T, name string, roles ...string) client.Client {
	t.Helper()
	for _, role := range roles {
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
		}
		if _, err := c.client.RbacV1().RoleBindings(deputyNamespace).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	c.awaitMay(t, name, request{"create", ours, "podidentities", deputyNamespace})
	switch roles[len(roles)-1] {
	case "edit":
		c.awaitMay(t, name, request{"update", "", "serviceaccounts", deputyNamespace})
	case updaterRole:
		c.awaitMay(t, name, request{"get", "", "serviceaccounts", deputyNamespace})
	}
	return c.clientFor(t, controlplane.User{Name: name, Groups: []string{"system:authenticated"}})
}

// updaterRole may update single ServiceAccounts.
const updaterRole = "updater-of-single-accounts"

func (c *cluster) updaterOf(t *testing.T, names ...string) string {
	t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: updaterRole}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"update"}, ResourceNames: names},
		{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"get"}},
	}}
	if _, err := c.client.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return updaterRole
}

func (c *cluster) clientFor(t *testing.T, user controlplane.User) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	config, err := c.ConfigFor(user)
	if err != nil {
		t.Fatal(err)
	}
	result, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return result
}
