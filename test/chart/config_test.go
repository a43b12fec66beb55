package charttest_test

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	charttest "github.com/podidentity/podidentity-operator/test/chart"
)

// The chart with its default values and config/default install the same objects. What
// differs on purpose is listed in normalized.
func TestChart_InstallsWhatConfigDefaultDoes(t *testing.T) {
	want := normalized(t, kustomize(t, root+"/config/default"))
	got := normalized(t, render(t, parse(t, "clusterName: prod-eu")))
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("-config/default, +chart:\n%s", diff)
	}
}

// So do the chart with monitoring, and config/prometheus and config/grafana.
func TestChart_InstallsMonitoringOfConfig(t *testing.T) {
	all := normalized(t, render(t, parse(t, `{clusterName: prod-eu, serviceMonitor: {enabled: true}, prometheusRule: {enabled: true, kubeStateMetrics: true}, grafanaDashboard: {enabled: true}}`)))
	for _, dir := range []string{"prometheus", "grafana"} {
		want := normalized(t, kustomize(t, root+"/config/"+dir))
		got := map[string]any{}
		for key := range want {
			got[key] = all[key]
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("-config/%s, +chart:\n%s", dir, diff)
		}
	}
}

// kustomize returns the objects of a kustomization.
func kustomize(t *testing.T, dir string) []*unstructured.Unstructured {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := charttest.Objects(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// normalized returns objects by kind and name without what differs on purpose.
func normalized(t *testing.T, objects []*unstructured.Unstructured) map[string]any {
	t.Helper()
	byName := map[string]any{}
	for _, object := range objects {
		if object.GetKind() == "Namespace" {
			continue // Helm creates it, by --create-namespace
		}
		withoutInstaller(object)
		if object.GetKind() == "Deployment" {
			// The chart passes every flag, config/ only some: they must mean the same.
			container := manager(t, []*unstructured.Unstructured{object})
			container["args"] = fmt.Sprintf("%+v", parseArgs(t, expanded(args(t, []*unstructured.Unstructured{object}))))
			container["env"] = withoutClusterName(container["env"])
			container["image"], _, _ = strings.Cut(fmt.Sprint(container["image"]), ":")
			delete(container, "imagePullPolicy")
			unstructured.RemoveNestedField(object.Object, "spec", "revisionHistoryLimit")
			if err := unstructured.SetNestedSlice(object.Object, []any{container}, "spec", "template", "spec", "containers"); err != nil {
				t.Fatal(err)
			}
		}
		byName[object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName()] = object.Object
	}
	return byName
}

// withoutInstaller drops the labels and annotations that name the tool that installs.
func withoutInstaller(object *unstructured.Unstructured) {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	for _, key := range []string{"app.kubernetes.io/managed-by", "app.kubernetes.io/instance", "app.kubernetes.io/version", "helm.sh/chart"} {
		delete(labels, key)
	}
	delete(annotations, "helm.sh/resource-policy")
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
}

// expanded replaces the reference to the variable by which config/ passes the name of
// the cluster.
func expanded(args []string) []string {
	out := slices.Clone(args)
	for i, arg := range out {
		out[i] = strings.ReplaceAll(arg, "$(CLUSTER_NAME)", "prod-eu")
	}
	return out
}

func withoutClusterName(env any) []any {
	variables, _ := env.([]any)
	kept := slices.DeleteFunc(slices.Clone(variables), func(v any) bool { return v.(map[string]any)["name"] == "CLUSTER_NAME" })
	slices.SortFunc(kept, func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return kept
}

// The chart of a release runs the image of the digest that its Chart.yaml names, unless
// the user chooses another image.
func TestChart_RunsTheImageOfItsRelease(t *testing.T) {
	const image, digest = "ghcr.io/podidentity/podidentity-operator:v0.1.0", "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	other := "@sha256:" + strings.Repeat("a", 64)
	for values, want := range map[string]string{
		"image: {}":                            image + digest,
		"image: {tag: v0.1.0}":                 image + digest,
		"image: {tag: v9}":                     "ghcr.io/podidentity/podidentity-operator:v9",
		"image: {registry: example.com}":       "example.com/podidentity/podidentity-operator:v0.1.0",
		"image: {repository: x/y}":             "ghcr.io/x/y:v0.1.0",
		"global: {imageRegistry: a.example}":   "a.example/podidentity/podidentity-operator:v0.1.0",
		"image: {digest: '" + other[1:] + "'}": image + other,
	} {
		chart := load(t)
		images := chart.Metadata.Annotations["artifacthub.io/images"]
		chart.Metadata.Annotations["artifacthub.io/images"] = strings.Replace(images, image, image+digest, 1)
		rendered, err := charttest.Render(t.Context(), chart, parse(t, "clusterName: prod-eu\n"+values))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(rendered.Manifest, fmt.Sprintf("image: %s\n", want)) && !strings.Contains(rendered.Manifest, fmt.Sprintf("image: %q\n", want)) {
			t.Errorf("%s: the manager does not run %s", values, want)
		}
	}
}

// Chart.yaml speaks of the kinds, the image and the appVersion that there are.
func TestChart_MetadataIsTrue(t *testing.T) {
	chart := load(t)
	for _, object := range render(t, parse(t, "clusterName: prod-eu")) {
		if object.GetKind() == "CustomResourceDefinition" {
			if crds := chart.Metadata.Annotations["artifacthub.io/crds"]; !strings.Contains(crds, "name: "+object.GetName()+"\n") {
				t.Errorf("artifacthub.io/crds does not list %s", object.GetName())
			}
		}
		if object.GetKind() == "Deployment" {
			image := manager(t, []*unstructured.Unstructured{object})["image"]
			if images := chart.Metadata.Annotations["artifacthub.io/images"]; !strings.Contains(images, fmt.Sprintf("image: %s\n", image)) {
				t.Errorf("artifacthub.io/images does not list %s", image)
			}
		}
	}
	license, err := os.ReadFile(root + "/LICENSE")
	if err != nil || !strings.Contains(string(license), "Apache License") || chart.Metadata.Annotations["artifacthub.io/license"] != "Apache-2.0" {
		t.Errorf("artifacthub.io/license is %s, %v", chart.Metadata.Annotations["artifacthub.io/license"], err)
	}
}
