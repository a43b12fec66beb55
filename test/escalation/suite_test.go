// Package escalation_test attacks the operator as a hostile tenant does. A tenant is a
// user of the cluster with the shipped editor role and the usual role "edit" in one
// namespace. The operator runs with the permissions that config/ gives it in
// Kubernetes and in AWS, and both enforce them. Each test checks that the attack is
// rejected, what the tenant reads, and that nothing changed in AWS or in other
// namespaces. docs/security.md names the test for each threat.
package escalation_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

const (
	root        = "../.."
	clusterName = "test"
	rolePath    = "/podidentity/test/"
	accountID   = testenv.AccountID
	timeout     = 30 * time.Second
)

// The cluster of all scenarios, nil with -short, and a client of its administrator.
var (
	cluster *testenv.Cluster
	admin   client.Client
)

var scenarios atomic.Int64

func TestMain(m *testing.M) {
	os.Exit(testenv.Main(m, testenv.ClusterOptions{Installed: true}, func(ctx context.Context, c *testenv.Cluster) error {
		cluster, admin = c, c.Client
		return awaitAdmissionPolicies(ctx)
	}))
}

// awaitAdmissionPolicies waits until the API server evaluates the shipped admission
// policies.
func awaitAdmissionPolicies(ctx context.Context) error {
	config, err := cluster.ConfigFor(controlplane.User{Name: "probe", Groups: []string{"system:authenticated"}})
	if err != nil {
		return err
	}
	probe, err := client.New(config, client.Options{Scheme: admin.Scheme()})
	if err != nil {
		return err
	}
	if err := bind(ctx, "probe", metav1.NamespaceDefault, "podidentity-editor-role"); err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, timeout, true, func(ctx context.Context) (bool, error) {
		err := probe.Create(ctx, &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "probe"}}, client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), "podidentity-service-accounts"), nil
	})
	if err != nil {
		return fmt.Errorf("the API server does not evaluate the policy podidentity-service-accounts: %w", err)
	}
	return nil
}

// bind gives a user ClusterRoles in a namespace.
func bind(ctx context.Context, user, namespace string, roles ...string) error {
	for _, role := range roles {
		err := admin.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: user + "-" + role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// userWith returns a client of a new user who has ClusterRoles in a namespace, and
// nothing else.
func userWith(t *testing.T, name, namespace string, roles ...string) client.Client {
	t.Helper()
	must(t, bind(t.Context(), name, namespace, roles...))
	user := clientOf(t, controlplane.User{Name: name, Groups: []string{"system:authenticated"}})
	eventually(t, "permissions of "+name, func() bool {
		if err := user.List(t.Context(), &v1alpha1.PodIdentityList{}, client.InNamespace(namespace)); err != nil {
			return false
		}
		return roles[len(roles)-1] != "edit" || user.List(t.Context(), &corev1.ServiceAccountList{}, client.InNamespace(namespace)) == nil
	})
	return user
}

func clientOf(t *testing.T, user controlplane.User) client.Client {
	t.Helper()
	config, err := cluster.ConfigFor(user)
	must(t, err)
	result, err := client.New(config, client.Options{Scheme: admin.Scheme()})
	must(t, err)
	return result
}

// token returns a token of a ServiceAccount, as the kubelet requests it for a pod.
func token(ctx context.Context, namespace, name, audience string) (string, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}}}
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	err := admin.SubResource("token").Create(ctx, sa, request)
	return request.Status.Token, err
}

// createNamespace creates a namespace, and returns when its default ServiceAccount
// exists.
func createNamespace(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	must(t, cluster.CreateNamespace(t.Context(), name, labels))
	eventually(t, "the default ServiceAccount of "+name, func() bool {
		return admin.Get(t.Context(), client.ObjectKey{Namespace: name, Name: "default"}, &corev1.ServiceAccount{}) == nil
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until check is true.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, timeout, true, func(context.Context) (bool, error) { return check(), nil })
	if err != nil {
		t.Fatalf("timed out waiting for %s", what)
	}
}

// keyOf is the key of a cluster-scoped object.
func keyOf(name string) client.ObjectKey { return client.ObjectKey{Name: name} }
