package manifests_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/test/docs"
)

// foreign are kinds in the documentation that the API server here does not know.
// Of these the tests check only that they are YAML.
var foreign = []string{
	"Application.argoproj.io",
	"ClusterConfiguration.kubeadm.k8s.io",
	"Cluster.kops.k8s.io",
	"Kustomization.kustomize.toolkit.fluxcd.io",
}

// The API server accepts every manifest of the documentation and the samples, whole or as
// a fragment of a PodIdentity.
func (c *cluster) documentedManifestsAreAccepted(t *testing.T) {
	user, err := client.New(c.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	user = client.WithFieldValidation(user, metav1.FieldValidationStrict)
	pages, err := docs.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for _, page := range pages {
		for _, block := range page.Blocks {
			if block.Language != "yaml" {
				continue
			}
			for _, document := range split(t, block.Text) {
				switch done, err := tryApply(t, user, document); {
				case err != nil:
					t.Errorf("%s:%d: %v\n%s", page.Path, block.Line, err, document)
				case done:
					accepted++
				}
			}
		}
	}
	if accepted == 0 {
		t.Error("no manifest was found in the documentation")
	}
	c.samplesAreAccepted(t, user)
}

func (c *cluster) samplesAreAccepted(t *testing.T, user client.Client) {
	t.Helper()
	noManifests := []string{"kustomization.yaml", "values.yaml"} // test/chart renders the values
	err := filepath.WalkDir(filepath.Join(root, "config/samples"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" || slices.Contains(noManifests, entry.Name()) {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, document := range split(t, string(content)) {
			if done, err := tryApply(t, user, document); err != nil || !done {
				t.Errorf("%s: %v\n%s", path, err, document)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// split returns the documents of a YAML stream.
func split(t *testing.T, text string) (documents []string) {
	t.Helper()
	reader := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents
		}
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, string(document))
	}
}

// tryApply applies a document in a dry run. It reports whether it is one for this
// API server.
func tryApply(t *testing.T, user client.Client, document string) (bool, error) {
	t.Helper()
	content := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(document), &content); err != nil {
		return false, err
	}
	object := &unstructured.Unstructured{Object: content}
	switch {
	case len(content) == 1 && (content["spec"] != nil || content["status"] != nil): // a fragment of a PodIdentity
		object.SetAPIVersion("iam.podidentity.io/v1alpha1")
		object.SetKind("PodIdentity")
		object.SetName("fragment")
	case object.GetKind() == "":
		return false, nil // the configuration of a program
	}
	kind := object.GroupVersionKind().GroupKind()
	mapping, err := user.RESTMapper().RESTMapping(kind, object.GroupVersionKind().Version)
	if meta.IsNoMatchError(err) && slices.Contains(foreign, kind.String()) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		if object.GetNamespace() == "" {
			object.SetNamespace(metav1.NamespaceDefault)
		}
		create(t, user, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: object.GetNamespace()}})
	}
	if account, ok, _ := unstructured.NestedString(content, "spec", "serviceAccountName"); ok { // of a Pod: the operator creates it
		create(t, user, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: object.GetNamespace(), Name: account}})
	}
	return true, user.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.DryRunAll, client.FieldOwner("reader"))
}

// create creates an object that an example needs.
func create(t *testing.T, user client.Client, object client.Object) {
	t.Helper()
	if err := user.Create(t.Context(), object); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
}
