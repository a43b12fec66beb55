// Package charttest renders the operator's Helm chart with the real Helm library.
package charttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	releasev1 "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

// The name and namespace of the release in the tests.
const (
	ReleaseName = "podidentity-operator"
	Namespace   = "podidentity-system"
)

// OldestKubernetes returns the oldest version of Kubernetes that the chart supports.
func OldestKubernetes() *common.KubeVersion {
	return &common.KubeVersion{Version: "v1.32.0", Major: "1", Minor: "32"}
}

// Dir returns the directory of the chart in the project.
func Dir(root string) string { return filepath.Join(root, "charts", "podidentity-operator") }

// Load loads a chart from a directory.
func Load(dir string) (*chartv2.Chart, error) {
	loaded, err := loader.LoadDir(dir)
	if err != nil {
		return nil, err
	}
	chart, ok := loaded.(*chartv2.Chart)
	if !ok {
		return nil, fmt.Errorf("%s: is a chart of type %T, want apiVersion v2", dir, loaded)
	}
	return chart, nil
}

// Values returns values of a chart from YAML.
func Values(text string) (map[string]any, error) {
	values := map[string]any{}
	err := sigsyaml.Unmarshal([]byte(text), &values)
	return values, err
}

// Rendered is what `helm template` prints, and the notes.
type Rendered struct {
	Manifest string
	Notes    string
}

// Render renders a chart without an API server, as `helm template` does.
func Render(ctx context.Context, chart *chartv2.Chart, values map[string]any) (Rendered, error) {
	install := action.NewInstall(action.NewConfiguration(action.ConfigurationSetLogger(slog.NewTextHandler(io.Discard, nil))))
	install.DryRunStrategy = action.DryRunClient
	install.ReleaseName, install.Namespace = ReleaseName, Namespace
	install.Replace = true // so that the storage of releases is not read
	install.KubeVersion = OldestKubernetes()
	released, err := install.RunWithContext(ctx, chart, values)
	if err != nil {
		return Rendered{}, err
	}
	release, ok := released.(*releasev1.Release)
	if !ok {
		return Rendered{}, fmt.Errorf("unexpected release of type %T", released)
	}
	if len(release.Hooks) != 0 {
		return Rendered{}, errors.New("a chart that is rendered without an API server must have no hooks")
	}
	return Rendered{Manifest: release.Manifest, Notes: release.Info.Notes}, nil
}

// Objects returns the objects of a manifest.
func Objects(manifest string) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(object.Object) != 0 {
			objects = append(objects, object)
		}
	}
}

// Find returns the object of a kind and name, nil if there is none.
func Find(objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	for _, object := range objects {
		if object.GetKind() == kind && object.GetName() == name {
			return object
		}
	}
	return nil
}
