// Package gitops_test runs the real Argo CD and the real kustomize-controller of Flux on
// a real control plane, with the operator's own binary, as docs/gitops.md tells users to.
package gitops_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	// The test builds the operator; without the import go test would not see its changes.
	_ "github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/controlplane/assets"
	"github.com/podidentity/podidentity-operator/test/installation"
)

const (
	root        = "../.."
	region      = "eu-west-1"
	accountID   = "123456789012"
	clusterName = "prod-eu"
	timeout     = 3 * time.Minute // of one condition; much is compiled at the same time on a small machine
)

// world is a cluster, an AWS account, and the operator's rights in both.
type world struct {
	*testing.T

	cluster  *controlplane.ControlPlane
	admin    client.WithWatch
	account  *awslocal.Server
	iam      *iam.Client // of an administrator
	endpoint string      // of AWS
	granted  installation.Granted
	binary   string // of the operator
	dir      string // for files
}

// in returns the same world for a part of the test.
func (w *world) in(t *testing.T) *world {
	part := *w
	part.T = t
	return &part
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	w := &world{T: t, dir: t.TempDir()}
	w.binary = filepath.Join(w.dir, "manager")
	w.must(installation.Build(t.Context(), root, w.binary))
	var err error
	w.cluster, err = controlplane.Start(t.Context(), controlplane.Options{LogDir: filepath.Join(w.dir, "logs")})
	w.must(err)
	t.Cleanup(func() { w.must(w.cluster.Stop()) })
	scheme := runtime.NewScheme()
	w.must(clientgoscheme.AddToScheme(scheme))
	w.must(v1alpha1.AddToScheme(scheme))
	w.admin, err = client.NewWithWatch(w.cluster.Config, client.Options{Scheme: scheme})
	w.must(err)
	w.openAccount()
	return w
}

// openAccount opens an AWS account and grants the operator its role in it.
func (w *world) openAccount() {
	w.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.cluster.CAData)
	w.account = awslocal.New(awslocal.Options{
		Account: accountID, Seed: 1, RootCAs: pool, Authorize: true, AccessKeys: map[string]string{"admin": "secret"},
	})
	server := httptest.NewServer(w.account)
	w.Cleanup(server.Close)
	w.endpoint = server.URL
	w.iam = iam.NewFromConfig(aws.Config{
		Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("admin", "secret", ""),
	})
	i := installation.Installation{Root: root, Cluster: clusterName, AccountID: accountID, Issuer: w.cluster.Issuer}
	_, err := i.TrustIssuer(w.Context(), w.iam)
	w.must(err)
	w.granted, err = i.Grant(w.Context(), w.iam)
	w.must(err)
}

// programs returns the directory of a tool's programs, and builds them first if they are
// not in the user's cache.
func (w *world) programs(tool string) string {
	w.Helper()
	dir, err := assets.Ensure(w.Context(), os.Stderr, tool)
	w.must(err)
	return dir
}

// apply applies manifests as kubectl does, and returns what it prints.
func (w *world) apply(manifests string) string {
	w.Helper()
	return w.kubectl(manifests, "apply", "--server-side", "--filename=-")
}

// applyDefinitions applies manifests with CustomResourceDefinitions, and waits until the
// API server serves them.
func (w *world) applyDefinitions(manifests string) {
	w.Helper()
	w.apply(manifests)
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinitionList"})
	established := func(crd unstructured.Unstructured) bool {
		conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
		return slices.ContainsFunc(conditions, func(c any) bool {
			condition, _ := c.(map[string]any)
			return condition["type"] == "Established" && condition["status"] == "True"
		})
	}
	w.eventually("the API server to serve all definitions", func() bool {
		w.must(w.admin.List(w.Context(), list))
		return !slices.ContainsFunc(list.Items, func(crd unstructured.Unstructured) bool { return !established(crd) })
	}, func() string { return manifests })
}

func (w *world) kubectl(stdin string, args ...string) string {
	w.Helper()
	cmd := w.cluster.Kubectl(w.Context(), args...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &stderr
	stdout, err := cmd.Output()
	if err != nil {
		w.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(stdout)
}

// find returns an object, or nil if it does not exist.
func (w *world) find(kind schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	w.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	err := w.admin.Get(w.Context(), client.ObjectKey{Namespace: namespace, Name: name}, u)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil
	}
	w.must(err)
	return u
}

// identity returns a PodIdentity of namespace shop, or nil if it does not exist.
func (w *world) identity(name string) *v1alpha1.PodIdentity {
	w.Helper()
	pi := &v1alpha1.PodIdentity{}
	err := w.admin.Get(w.Context(), client.ObjectKey{Namespace: "shop", Name: name}, pi)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil
	}
	w.must(err)
	return pi
}

// annotate sets an annotation of an object of Argo CD.
func (w *world) annotate(u *unstructured.Unstructured, key, value string) {
	w.Helper()
	before := u.DeepCopy()
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	u.SetAnnotations(annotations)
	w.must(w.admin.Patch(w.Context(), u, client.MergeFrom(before)))
}

// roles returns the names of the roles that the operator manages.
func (w *world) roles() []string {
	w.Helper()
	out, err := w.iam.ListRoles(w.Context(), &iam.ListRolesInput{PathPrefix: aws.String("/podidentity/" + clusterName + "/")})
	w.must(err)
	var names []string
	for _, role := range out.Roles {
		names = append(names, aws.ToString(role.RoleName))
	}
	return names
}

// eventually waits until a condition holds, and tells what was there if it never does.
func (w *world) eventually(what string, condition func() bool, instead func() string) {
	w.Helper()
	err := wait.PollUntilContextTimeout(w.Context(), 50*time.Millisecond, timeout, true, func(context.Context) (bool, error) { return condition(), nil })
	if err != nil {
		w.Fatalf("timed out waiting for %s\n%s", what, instead())
	}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}
