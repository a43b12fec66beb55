package monitoring_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/kube-state-metrics/v2/pkg/customresourcestate"
	ksm "k8s.io/kube-state-metrics/v2/pkg/metric"
	generator "k8s.io/kube-state-metrics/v2/pkg/metric_generator"
	sigsyaml "sigs.k8s.io/yaml"
)

// The configuration of kube-state-metrics, run by its own code on PodIdentities as the
// operator leaves them, makes exactly these series.
func TestObjectMetrics_OfAReadyIdentity(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, file string
		want         []string
	}{
		"Ready": {"The identity is ready.", "config/argocd/resource_customizations/iam.podidentity.io/PodIdentity/testdata/healthy_ready.yaml", []string{
			`kube_podidentity_condition{exported_namespace="shop",name="checkout",reason="Succeeded",status="True",type="IssuerReady"} 1`,
			`kube_podidentity_condition{exported_namespace="shop",name="checkout",reason="Succeeded",status="True",type="PodsUpToDate"} 1`,
			`kube_podidentity_condition{exported_namespace="shop",name="checkout",reason="Succeeded",status="True",type="Ready"} 1`,
			`kube_podidentity_condition{exported_namespace="shop",name="checkout",reason="Succeeded",status="True",type="RoleReady"} 1`,
			`kube_podidentity_condition{exported_namespace="shop",name="checkout",reason="Succeeded",status="True",type="ServiceAccountReady"} 1`,
			`kube_podidentity_created_timestamp_seconds{exported_namespace="shop",name="checkout"} 1.767366245e+09`,
			`kube_podidentity_info{exported_namespace="shop",name="checkout",role_arn="arn:aws:iam::123456789012:role/podidentity/test/test_shop_checkout_6c2972b8",service_account="checkout"} 1`,
			`kube_podidentity_pods_outdated{exported_namespace="shop",name="checkout"} 0`,
			`kube_podidentity_pods_up_to_date{exported_namespace="shop",name="checkout"} 0`,
		}},
		"Guardrail": {"The guardrail is that of the sample.", "config/samples/iam_v1alpha1_podidentityguardrail.yaml", []string{
			`kube_podidentityguardrail_info{name="tenants",on_violation="Report"} 1`,
			`kube_podidentityguardrail_max_identities{name="tenants"} 20`,
		}},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got := generate(t, object(t, tc.file))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// Objects without a status, objects that are being deleted, and suspended objects have the
// metrics that fit their state.
func TestObjectMetrics_OfOtherStates(t *testing.T) {
	pi := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "iam.podidentity.io/v1alpha1", "kind": "PodIdentity",
		"metadata": map[string]any{"namespace": "a", "name": "b", "deletionTimestamp": "2026-01-02T15:04:05Z"},
		"spec":     map[string]any{"suspend": true, "mode": "Plan", "deletionPolicy": "Retain"},
	}}
	want := []string{
		`kube_podidentity_deletion_timestamp_seconds{exported_namespace="a",name="b"} 1.767366245e+09`,
		`kube_podidentity_info{deletion_policy="Retain",exported_namespace="a",mode="Plan",name="b",suspended="true"} 1`,
	}
	if diff := cmp.Diff(want, generate(t, pi)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// docs/metrics.md lists the series, with their labels.
func TestObjectMetrics_AreDocumented(t *testing.T) {
	var families []string
	for _, resource := range resources(t) {
		for _, m := range resource.Metrics {
			families = append(families, *resource.MetricNamePrefix+"_"+m.Name)
		}
	}
	known := metrics(t)
	var documented []string
	for name := range known {
		if strings.HasPrefix(name, "kube_") {
			documented = append(documented, name)
		}
	}
	slices.Sort(families)
	slices.Sort(documented)
	if diff := cmp.Diff(families, documented); diff != "" {
		t.Errorf("docs/metrics.md: -configured, +documented:\n%s", diff)
	}
}

// objectMetrics returns the metrics of all fixtures of the Argo CD health check, which
// the tests of controllers record.
func objectMetrics(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "config/argocd/resource_customizations/iam.podidentity.io/PodIdentity/testdata/*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	byFamily := map[string][]string{}
	for i, file := range files {
		relative, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		pi := object(t, relative)
		pi.SetNamespace(strings.TrimSuffix(filepath.Base(file), ".yaml"))
		if i == 0 { // no fixture has pods
			if err := unstructured.SetNestedField(pi.Object, int64(2), "status", "pods", "outdated"); err != nil {
				t.Fatal(err)
			}
		}
		for _, line := range generate(t, pi) {
			family, _, _ := strings.Cut(line, "{")
			byFamily[family] = append(byFamily[family], line)
		}
	}
	var text strings.Builder
	for family, lines := range byFamily {
		text.WriteString("# TYPE " + family + " gauge\n" + strings.Join(lines, "\n") + "\n")
	}
	return text.String()
}

// generate returns the series that kube-state-metrics makes of an object, sorted,
// without the labels of the kind that it adds to all.
func generate(t *testing.T, pi *unstructured.Unstructured) []string {
	t.Helper()
	var series []string
	for _, resource := range resources(t) {
		if resource.GroupVersionKind.Kind != pi.GetKind() {
			continue
		}
		factory, err := customresourcestate.NewCustomResourceMetrics(resource)
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range generator.ComposeMetricGenFuncs(factory.MetricFamilyGenerators())(pi) {
			for line := range strings.Lines(string(family.ByteSlice())) {
				series = append(series, normalized(line))
			}
		}
	}
	slices.Sort(series)
	return series
}

// normalized sorts the labels of a series.
func normalized(line string) string {
	name, rest, _ := strings.Cut(strings.TrimSpace(line), "{")
	inner, value, _ := strings.Cut(rest, "} ")
	labels := slices.DeleteFunc(strings.Split(inner, ","), func(l string) bool { return strings.HasPrefix(l, "customresource_") })
	slices.Sort(labels)
	return name + "{" + strings.Join(labels, ",") + "} " + value
}

// resources returns the configuration. A field that kube-state-metrics does not know is
// an error.
func resources(t *testing.T) []customresourcestate.Resource {
	t.Helper()
	var config customresourcestate.Metrics
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(read(t, filepath.Join(root, "config/kube-state-metrics/custom_resource_state.yaml")))))
	decoder.KnownFields(true)
	if err := decoder.Decode(&struct {
		Kind                         string `yaml:"kind"`
		*customresourcestate.Metrics `yaml:",inline"`
	}{Metrics: &config}); err != nil {
		t.Fatal(err)
	}
	for i := range config.Spec.Resources {
		for j := range config.Spec.Resources[i].Metrics {
			// As kube-state-metrics itself does.
			each := &config.Spec.Resources[i].Metrics[j].Each
			each.Type = ksm.Type(strings.ToLower(string(each.Type)))
		}
	}
	return config.Spec.Resources
}

// object returns the object in a file of the project.
func object(t *testing.T, file string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := sigsyaml.Unmarshal([]byte(read(t, filepath.Join(root, file))), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
