package controlplane_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podidentity/podidentity-operator/test/controlplane"
)

// The guarantees of the control plane, checked on one instance.
func TestControlPlane_KeepsItsPromises(t *testing.T) {
	logs := t.TempDir()
	began := time.Now()
	cp, err := controlplane.Start(t.Context(), controlplane.Options{
		CRDPaths: []string{"testdata/crd.yaml"},
		LogDir:   logs,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, cp) })
	t.Logf("started in %s", time.Since(began).Round(time.Millisecond))
	client, err := kubernetes.NewForConfig(cp.Config)
	if err != nil {
		t.Fatal(err)
	}

	t.Run("ReportsItsTrueVersion", func(t *testing.T) { reportsItsTrueVersion(t, client) })
	t.Run("IssuesTokensAsOnEKS", func(t *testing.T) { issuesTokensAsOnEKS(t, cp, client) })
	t.Run("AnybodyDiscoversTheIssuer", func(t *testing.T) { anybodyDiscoversTheIssuer(t, cp) })
	t.Run("ServesCustomResources", func(t *testing.T) { servesCustomResources(t, cp) })
	t.Run("CollectsGarbage", func(t *testing.T) { collectsGarbage(t, client) })
	t.Run("EmptiesNamespaces", func(t *testing.T) { emptiesNamespaces(t, client) })
	t.Run("KnowsUsers", func(t *testing.T) { knowsUsers(t, cp) })
	t.Run("KeepsLogs", func(t *testing.T) { keepsLogs(t, logs) })
}

func reportsItsTrueVersion(t *testing.T, client kubernetes.Interface) {
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	built := builtVersions(t)
	if !slices.Contains(built, version.GitVersion) {
		t.Errorf("gitVersion = %s, want one of %v", version.GitVersion, built)
	}
	if got := version.Major + "." + version.Minor; !strings.HasPrefix(version.GitVersion, "v"+got+".") {
		t.Errorf("major.minor = %s, want those of %s", got, version.GitVersion)
	}
}

func issuesTokensAsOnEKS(t *testing.T, cp *controlplane.ControlPlane, client kubernetes.Interface) {
	const audience = "sts.amazonaws.com"
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}}}
	answer, err := client.CoreV1().ServiceAccounts("default").CreateToken(t.Context(), "default", request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}

	type token struct {
		Algorithm string   `json:"alg"`
		Issuer    string   `json:"iss"`
		Subject   string   `json:"sub"`
		Audience  []string `json:"aud"`
	}
	var got token
	for _, part := range strings.Split(answer.Status.Token, ".")[:2] {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
	}
	want := token{"RS256", cp.Issuer, "system:serviceaccount:default:default", []string{audience}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("token: -want, +got:\n%s", diff)
	}
}

func anybodyDiscoversTheIssuer(t *testing.T, cp *controlplane.ControlPlane) {
	pem, err := os.ReadFile(cp.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()

	var document struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	fetch(t, transport, cp.Issuer+"/.well-known/openid-configuration", &document)
	if document.Issuer != cp.Issuer {
		t.Errorf("issuer = %s, want %s", document.Issuer, cp.Issuer)
	}
	var set struct {
		Keys []struct {
			Algorithm string `json:"alg"`
			Type      string `json:"kty"`
		} `json:"keys"`
	}
	fetch(t, transport, document.Keys, &set)
	if len(set.Keys) != 1 || set.Keys[0].Algorithm != "RS256" || set.Keys[0].Type != "RSA" {
		t.Errorf("keys = %+v, want one RSA key for RS256", set.Keys)
	}
}

func fetch(t *testing.T, transport http.RoundTripper, url string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s: %s, %v", url, resp.Status, body, err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("GET %s: %v in %s", url, err, body)
	}
}

func servesCustomResources(t *testing.T, cp *controlplane.ControlPlane) {
	client, err := dynamic.NewForConfig(cp.Config)
	if err != nil {
		t.Fatal(err)
	}
	resource := schema.GroupVersionResource{Group: "test.podidentity.io", Version: "v1", Resource: "things"}
	if _, err := client.Resource(resource).Namespace("default").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
}

func collectsGarbage(t *testing.T, client kubernetes.Interface) {
	maps := client.CoreV1().ConfigMaps("default")
	owner, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	owned := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name:            "owned",
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID}},
	}}
	if _, err := maps.Create(t.Context(), owned, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := maps.Delete(t.Context(), owner.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, func(ctx context.Context) error {
		_, err := maps.Get(ctx, owned.Name, metav1.GetOptions{})
		return err
	})
}

func emptiesNamespaces(t *testing.T, client kubernetes.Interface) {
	namespaces := client.CoreV1().Namespaces()
	ns, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "short-lived"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "inside"}}
	if _, err := client.CoreV1().ConfigMaps(ns.Name).Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := namespaces.Delete(t.Context(), ns.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, func(ctx context.Context) error {
		_, err := namespaces.Get(ctx, ns.Name, metav1.GetOptions{})
		return err
	})
}

// knowsUsers shows that RBAC applies to a user who is not an administrator.
func knowsUsers(t *testing.T, cp *controlplane.ControlPlane) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := cp.WriteKubeconfig(path, controlplane.User{Name: "jane", Groups: []string{"dev"}}); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	who, err := client.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"jane", "dev", "system:authenticated"}
	if diff := cmp.Diff(want, append([]string{who.Status.UserInfo.Username}, who.Status.UserInfo.Groups...)); diff != "" {
		t.Errorf("user and groups: -want, +got:\n%s", diff)
	}
	if _, err := client.CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("listing secrets: got %v, want it forbidden", err)
	}
}

func keepsLogs(t *testing.T, dir string) {
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
		if info, err := os.Stat(filepath.Join(dir, name+".log")); err != nil || info.Size() == 0 {
			t.Errorf("log of %s: %v, %v; want some", name, info, err)
		}
	}
}

// stop stops cp, and checks that no process and no file is left of it.
func stop(t *testing.T, cp *controlplane.ControlPlane) {
	if children, err := childPIDs(); err != nil || len(children) != 3 {
		t.Errorf("child processes while the control plane runs: %v, %v; want 3", children, err)
	}
	if err := cp.Stop(); err != nil {
		t.Error(err)
	}
	if left, err := childPIDs(); err != nil || len(left) != 0 {
		t.Errorf("processes %v are left after Stop, %v", left, err)
	}
	if _, err := os.Stat(filepath.Dir(cp.KubeconfigPath)); !os.IsNotExist(err) {
		t.Errorf("temporary directory after Stop: %v, want it gone", err)
	}
	if err := cp.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
}

// awaitGone waits until get says NotFound.
func awaitGone(t *testing.T, get func(context.Context) error) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		err := get(ctx)
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		t.Errorf("waiting for it to be gone: %v", err)
	}
}

// builtVersions returns the versions that hack/controlplane builds: the newest, and the
// older ones that KUBERNETES of the Makefile chooses.
func builtVersions(t *testing.T) []string {
	t.Helper()
	var versions []string
	for _, pattern := range []string{"../../hack/controlplane/go.mod", "../../hack/controlplane/*/go.mod"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			gomod, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(gomod), "k8s.io/kubernetes v")
			version, _, _ := strings.Cut(rest, "\n")
			versions = append(versions, "v"+version)
		}
	}
	return versions
}
