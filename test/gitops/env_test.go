// Package gitops_test runs the real Argo CD and the real kustomize-controller of Flux on
// a real control plane, with the operator's own binary, as docs/gitops.md tells users to.
package gitops_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane/assets"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

const (
	clusterName = "prod-eu"
	timeout     = 3 * time.Minute // of one condition; much is compiled at the same time on a small machine
)

// env is a cluster, an AWS account, and the operator's permissions in both. Its namespace
// is that of team shop.
type env struct {
	*testenv.Env

	binary string // of the operator
	dir    string // for files
}

// in returns the same environment for a part of the test.
func (e *env) in(t *testing.T) *env {
	part := *e
	part.Env = e.In(t)
	return &part
}

func newEnv(t *testing.T) *env {
	t.Helper()
	dir := t.TempDir()
	cluster := testenv.Start(t, testenv.ClusterOptions{Bare: true, LogDir: filepath.Join(dir, "logs")})
	e := &env{
		Env:    cluster.NewEnv(t, testenv.Options{Namespace: "shop", Timeout: timeout, AWS: awslocal.Options{Region: "eu-west-1"}}),
		binary: testenv.Build(t), dir: dir,
	}
	e.Grant(e.Installation(clusterName))
	return e
}

// programs returns the directory of a tool's programs, and builds them first if they are
// not in the user's cache.
func (e *env) programs(tool string) string {
	e.Helper()
	dir, err := assets.Ensure(e.Context(), os.Stderr, tool)
	e.Must(err)
	return dir
}

// apply applies manifests as kubectl does, and returns what it prints.
func (e *env) apply(manifests string) string {
	e.Helper()
	return e.MustKubectl(manifests, "apply", "--server-side", "--filename=-")
}

// applyDefinitions applies manifests with CustomResourceDefinitions, and waits until the
// API server serves them.
func (e *env) applyDefinitions(manifests string) {
	e.Helper()
	e.apply(manifests)
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinitionList"})
	established := func(crd unstructured.Unstructured) bool {
		conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
		return slices.ContainsFunc(conditions, func(c any) bool {
			condition, _ := c.(map[string]any)
			return condition["type"] == "Established" && condition["status"] == "True"
		})
	}
	e.Eventually("the API server to serve all definitions", func() bool {
		e.Must(e.Client.List(e.Context(), list))
		return !slices.ContainsFunc(list.Items, func(crd unstructured.Unstructured) bool { return !established(crd) })
	}, func() string { return manifests })
}

// find returns an object, or nil if it does not exist.
func (e *env) find(kind schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	e.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	err := e.Client.Get(e.Context(), client.ObjectKey{Namespace: namespace, Name: name}, u)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil
	}
	e.Must(err)
	return u
}

// annotate sets an annotation of an object of Argo CD.
func (e *env) annotate(u *unstructured.Unstructured, key, value string) {
	e.Helper()
	before := u.DeepCopy()
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	u.SetAnnotations(annotations)
	e.Must(e.Client.Patch(e.Context(), u, client.MergeFrom(before)))
}

// roles returns the names of the roles that the operator manages.
func (e *env) roles() []string {
	e.Helper()
	out, err := e.AWS.IAM.ListRoles(e.Context(), &iam.ListRolesInput{PathPrefix: aws.String("/podidentity/" + clusterName + "/")})
	e.Must(err)
	var names []string
	for _, role := range out.Roles {
		names = append(names, aws.ToString(role.RoleName))
	}
	return names
}
