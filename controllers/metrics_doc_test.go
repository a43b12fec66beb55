package controllers

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// Every metric is on the page with its type and labels, and no other; and what the
// page asks Prometheus exists.
func TestMetricsPage_ListsEveryMetric(t *testing.T) {
	content, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	var declared []string
	labels := map[string][]string{} // by metric
	for _, c := range collectors {
		name, of := describe(t, c)
		declared = append(declared, fmt.Sprintf("%s %s %q", name, kind(t, c), of))
		labels[name] = of
	}
	slices.Sort(declared)

	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(podidentity_\\w+)` \\| (\\w+) \\| (.*?) ?\\|").FindAllStringSubmatch(page, -1) {
		documented = append(documented, fmt.Sprintf("%s %s %q", row[1], row[2], words(row[3])))
	}
	slices.Sort(documented)
	if diff := cmp.Diff(declared, documented); diff != "" {
		t.Errorf("docs/metrics.md: -declared, +documented:\n%s", diff)
	}

	_, alerts, _ := strings.Cut(page, "## Alerts")
	asked := regexp.MustCompile(`(podidentity_\w+?)(_bucket|_sum|_count)?\b(?:\{(\w+)=)?`).FindAllStringSubmatch(alerts, -1)
	if len(asked) == 0 {
		t.Error("docs/metrics.md has no alerts.")
	}
	for _, a := range asked {
		of, ok := labels[a[1]]
		if !ok || a[3] != "" && !slices.Contains(of, a[3]) {
			t.Errorf("docs/metrics.md asks for %s, which is not there.", a[0])
		}
	}
}

// describe returns the name and the labels of the one metric that c collects.
func describe(t *testing.T, c prometheus.Collector) (name string, labels []string) {
	t.Helper()
	described := make(chan *prometheus.Desc, 1)
	c.Describe(described)
	text := (<-described).String()
	found := regexp.MustCompile(`fqName: "(\w+)".*variableLabels: \{(.*?)\}`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("cannot read %s", text)
	}
	return found[1], words(found[2])
}

// words returns the words in text, none as nil.
func words(text string) []string { return regexp.MustCompile(`\w+`).FindAllString(text, -1) }

// kind returns the type of a metric as Prometheus names it.
func kind(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	switch c.(type) {
	case *prometheus.CounterVec:
		return "counter"
	case *prometheus.HistogramVec, prometheus.Histogram:
		return "histogram"
	case prometheus.Gauge, *prometheus.GaugeVec:
		return "gauge"
	default:
		t.Fatalf("%T has no name here", c)
		return ""
	}
}
