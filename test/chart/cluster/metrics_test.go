package cluster_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

var update = flag.Bool("update", false, "rewrite the scrapes in test/monitoring/testdata")

// recorded are the families of metrics that dashboard and alerts may ask for.
var recorded = []string{"podidentity_", "leader_election_", "controller_runtime_reconcile_total", "workqueue_depth", "process_"}

// recordMetrics compares two scrapes of the operator at work with those that
// test/monitoring evaluates dashboard and alerts on: the same metrics with the same
// labels. With -update it rewrites them.
func (e *env) recordMetrics() {
	e.Helper()
	// One identity is edited, one is rejected, one fails, and one drifts.
	e.create("drifting")
	e.awaitReady("drifting")
	e.createWith("rejected", v1alpha1.PoliciesSpec{Inline: []v1alpha1.InlinePolicy{{Name: "p", Statements: []v1alpha1.Statement{
		{Effect: "Allow", Actions: []v1alpha1.Action{"iam:*"}, Resources: []v1alpha1.Resource{"*"}},
	}}}})
	e.createWith("failing", v1alpha1.PoliciesSpec{Managed: []v1alpha1.PolicyARN{"arn:aws:iam::123456789012:policy/none"}})
	e.edit("drifting", "first")
	_, err := e.AWS.IAM.AttachRolePolicy(e.Context(), &iam.AttachRolePolicyInput{
		RoleName: aws.String(e.Get("drifting").Status.Role.Name), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonS3FullAccess"),
	})
	e.Must(err)
	e.requestReconcile("drifting", "now")
	var first string
	e.Eventually("the metrics of all that happened", func() bool {
		first, err = e.scrape(e.Context())
		return err == nil && strings.Contains(first, `podidentity_drift_corrected_total{component="managedPolicy"}`) &&
			strings.Contains(first, `podidentity_failures_total{reason="GuardrailViolated"}`) && strings.Contains(first, `outcome="NoSuchEntity"`)
	})
	e.edit("drifting", "second")
	second, err := e.scrape(e.Context())
	e.Must(err)
	for i, live := range []string{first, second} {
		file := filepath.Join(e.Root, "test", "monitoring", "testdata", fmt.Sprintf("scrape-%d.txt", i+1))
		if *update {
			e.Must(os.WriteFile(file, []byte(filtered(live)), 0o644))
		}
		content, err := os.ReadFile(file)
		e.Must(err)
		if diff := cmp.Diff(e.shape(string(content)), e.shape(filtered(live))); diff != "" {
			e.Errorf("%s is not what the operator exposes now; -update rewrites it: -file, +operator:\n%s", file, diff)
		}
	}
}

// valueOf returns the sum of all samples of the operator's controller, or without one,
// of a metric.
func valueOf(text, name string) float64 {
	var sum float64
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || strings.HasPrefix(rest, "{") && !strings.Contains(rest, `"podidentity"`) {
			continue
		}
		fields := strings.Fields(rest)
		if value, err := strconv.ParseFloat(fields[len(fields)-1], 64); err == nil {
			sum += value
		}
	}
	return sum
}

// filtered returns the families of a scrape that are recorded.
func filtered(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		name := strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE ")
		if slices.ContainsFunc(recorded, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// shape returns the types and labels of metrics by name.
func (e *env) shape(text string) map[string]string {
	e.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	e.Must(err)
	shapes := map[string]string{}
	for name, family := range families {
		shapes[name] = family.GetType().String() + labelsOf(family)
	}
	return shapes
}

func labelsOf(family *dto.MetricFamily) string {
	var labels []string
	for _, label := range family.GetMetric()[0].GetLabel() {
		labels = append(labels, label.GetName())
	}
	return fmt.Sprint(labels)
}
