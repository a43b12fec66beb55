package monitoring_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const root = "../.."

// A metric is what queries may ask for.
type metric struct {
	kind   string // counter, gauge or histogram
	labels []string
}

// metrics returns all metrics by name: those that docs/metrics.md documents, which a
// test of controllers holds against the operator, and the standard ones in a scrape of
// the operator.
func metrics(t *testing.T) map[string]metric {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]metric{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\| (.*?) ?\\|").FindAllStringSubmatch(string(page), -1) {
		known[row[1]] = metric{row[2], regexp.MustCompile(`\w+`).FindAllString(row[3], -1)}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(scrape(t, 2)))
	if err != nil {
		t.Fatal(err)
	}
	for name, family := range families {
		if strings.HasPrefix(name, "podidentity_") {
			if _, ok := known[name]; !ok {
				t.Errorf("docs/metrics.md does not document %s", name)
			}
			continue
		}
		m := metric{kind: strings.ToLower(family.GetType().String())}
		for _, label := range family.GetMetric()[0].GetLabel() {
			m.labels = append(m.labels, label.GetName())
		}
		known[name] = m
	}
	return known
}

// scrape returns one of the two scrapes of an operator at work that test/chart records.
func scrape(t *testing.T, n int) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("scrape-%d.txt", n)))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// find returns the metric of a name in a query, which may be a part of a histogram.
func find(known map[string]metric, name string) (metric, bool) {
	if m, ok := known[name]; ok {
		return m, true
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if whole, ok := strings.CutSuffix(name, part); ok && known[whole].kind == "histogram" {
			m := metric{"counter", slices.Clone(known[whole].labels)}
			if part == "_bucket" {
				m.labels = append(m.labels, "le")
			}
			return m, true
		}
	}
	return metric{}, false
}
