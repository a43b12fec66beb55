package gitops_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/test/controlplane"
)

var (
	kustomization = schema.GroupVersionKind{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"}
	gitRepository = schema.GroupVersionKind{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "GitRepository"}
)

// flux is a running kustomize-controller of Flux. The test stands for the
// source-controller: it serves artifacts, and says in the status of GitRepository
// flux-system where they are.
type flux struct {
	*env
	url   string // of the artifacts
	shelf *shelf
}

// shelf holds the artifacts, by path of their URL.
type shelf struct {
	mu        sync.Mutex
	artifacts map[string][]byte
}

// startFlux installs Flux's API and starts its kustomize-controller.
func (e *env) startFlux() *flux {
	e.Helper()
	f := &flux{env: e, shelf: &shelf{artifacts: map[string][]byte{}}}
	programs := e.programs("flux")
	definitions := e.moduleFiles("hack/flux", "github.com/fluxcd/kustomize-controller", "config/crd/bases/*.yaml")
	e.apply("{apiVersion: v1, kind: Namespace, metadata: {name: flux-system}}")
	for kind, plural := range map[string]string{
		"GitRepository": "gitrepositories", "OCIRepository": "ocirepositories", "Bucket": "buckets", "ExternalArtifact": "externalartifacts",
	} {
		definitions += "\n---\n" + sourceDefinition(kind, plural)
	}
	e.applyDefinitions(definitions)
	server := httptest.NewServer(f.shelf)
	e.Cleanup(server.Close)
	f.url = server.URL
	e.apply("{apiVersion: source.toolkit.fluxcd.io/v1, kind: GitRepository, metadata: {name: flux-system, namespace: flux-system}, spec: {interval: 1m}}")

	free, err := controlplane.FreeAddresses(2)
	e.Must(err)
	temporary := filepath.Join(e.dir, "flux")
	e.Must(os.MkdirAll(temporary, 0o755))
	e.Must(e.Cluster.Run(e.Context(), controlplane.Program{
		Name: "kustomize-controller", Path: filepath.Join(programs, "kustomize-controller"),
		Args: []string{"--metrics-addr=" + free[0], "--health-addr=" + free[1], "--requeue-dependency=1s", "--interval-jitter-percentage=0"},
		Env: controlplane.Environ(map[string]string{
			"KUBECONFIG": e.KubeconfigPath, "RUNTIME_NAMESPACE": "flux-system", "HOME": temporary, "TMPDIR": temporary,
		}),
		Ready: answersOK("http://" + free[1] + "/readyz"),
	}))
	return f
}

// sourceDefinition is an API of the source-controller, of which only the status counts
// here.
func sourceDefinition(kind, plural string) string {
	return strings.NewReplacer("KIND", kind, "PLURAL", plural, "SINGULAR", strings.ToLower(kind)).Replace(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: PLURAL.source.toolkit.fluxcd.io}
spec:
  group: source.toolkit.fluxcd.io
  names: {kind: KIND, listKind: KINDList, plural: PLURAL, singular: SINGULAR}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`)
}

func (s *shelf) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	s.mu.Lock()
	content, ok := s.artifacts[request.URL.Path]
	s.mu.Unlock()
	if !ok {
		http.NotFound(response, request)
		return
	}
	_, _ = response.Write(content)
}

// publish publishes the files of a commit, as the source-controller does.
func (f *flux) publish(r *repository, commit string) {
	f.Helper()
	content, err := pack(r.dir)
	f.Must(err)
	path := "/" + commit + ".tar.gz"
	f.shelf.mu.Lock()
	f.shelf.artifacts[path] = content
	f.shelf.mu.Unlock()
	source := f.find(gitRepository, "flux-system", "flux-system")
	before := source.DeepCopy()
	source.Object["status"] = map[string]any{
		"observedGeneration": source.GetGeneration(),
		"artifact": map[string]any{
			"path": strings.TrimPrefix(path, "/"), "url": f.url + path, "revision": "main@sha1:" + commit,
			"digest": fmt.Sprintf("sha256:%x", sha256.Sum256(content)), "size": int64(len(content)), "lastUpdateTime": now(),
		},
		"conditions": []any{map[string]any{
			"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored artifact", "lastTransitionTime": now(),
		}},
	}
	f.Must(f.Client.Status().Patch(f.Context(), source, client.MergeFrom(before)))
}

// pack returns the files of a directory as a compressed archive.
func pack(dir string) ([]byte, error) {
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	archive := tar.NewWriter(compressed)
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if err == nil && entry.Name() == ".git" {
				return filepath.SkipDir
			}
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if err := archive.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Mode: 0o644, Size: int64(len(content))}); err != nil {
			return err
		}
		_, err = archive.Write(content)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// ready returns the Ready condition of the newest generation of a Kustomization, empty if
// there is none yet.
func (f *flux) ready(name string) (status, reason, message string) {
	f.Helper()
	k := f.find(kustomization, "flux-system", name)
	if k == nil {
		return "", "", ""
	}
	conditions, _, _ := unstructured.NestedSlice(k.Object, "status", "conditions")
	for _, c := range conditions {
		condition, _ := c.(map[string]any)
		// The status has the generation of the last success.
		if condition["type"] == "Ready" && condition["observedGeneration"] == k.GetGeneration() {
			return fmt.Sprint(condition["status"]), fmt.Sprint(condition["reason"]), fmt.Sprint(condition["message"])
		}
	}
	return "", "", ""
}

// awaitReady waits until a Kustomization has applied a commit, and all of it is healthy.
func (f *flux) awaitReady(name, commit string) {
	f.Helper()
	f.Eventually("Kustomization "+name+" to be ready", func() bool {
		status, _, message := f.ready(name)
		return status == "True" && strings.Contains(message, commit)
	}, f.describe(name))
}

// awaitFailure waits until a Kustomization has failed at a commit, with a text in its message.
func (f *flux) awaitFailure(name, commit, reason, message string) {
	f.Helper()
	f.Eventually(fmt.Sprintf("Kustomization %s to fail: %s", name, message), func() bool {
		status, r, m := f.ready(name)
		if status != "False" || r != reason || !strings.Contains(m, message) {
			return false
		}
		attempted, _, _ := unstructured.NestedString(f.find(kustomization, "flux-system", name).Object, "status", "lastAttemptedRevision")
		return strings.HasSuffix(attempted, commit)
	}, f.describe(name))
}

func (f *flux) describe(name string) func() string {
	return func() string {
		return f.MustKubectl("", "get", "kustomizations.kustomize.toolkit.fluxcd.io", "--namespace=flux-system", "--output=yaml", "--ignore-not-found", name) +
			tail(f.logOf("kustomize-controller"))
	}
}
