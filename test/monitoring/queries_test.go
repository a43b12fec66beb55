// Package monitoring_test checks alerts, dashboard and the configuration of
// kube-state-metrics by the code of Prometheus and of kube-state-metrics.
package monitoring_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"
)

// Every query of the dashboard and of the alerts asks for metrics and labels that there
// are, and for rates of counters only.
func TestQueries_NameExistingMetrics(t *testing.T) {
	known := metrics(t)
	for title, expr := range allQueries(t) {
		t.Run(title, func(t *testing.T) {
			parsed, err := parser.ParseExpr(expr)
			if err != nil {
				t.Fatalf("%s: %v", expr, err)
			}
			for _, problem := range problems(known, parsed) {
				t.Errorf("%s: %s", expr, problem)
			}
		})
	}
}

// The check sees what is wrong.
func TestQueryCheck_FindsEachProblem(t *testing.T) {
	known := map[string]metric{
		"requests_total": {"counter", []string{"outcome"}}, "age": {"gauge", nil}, "took": {"histogram", []string{"operation"}},
	}
	for name, tc := range map[string]struct{ reason, expr, want string }{
		"Fine":      {"The counter has the label.", `sum by (outcome) (rate(requests_total{outcome="x"}[5m]))`, ""},
		"Histogram": {"The series of a histogram are known.", `histogram_quantile(0.9, sum by (le, operation) (rate(took_bucket[5m])))`, ""},
		"Target":    {"Prometheus adds the labels of the target.", `age{job="x"} and on (instance) age`, ""},
		"Metric":    {"The metric does not exist.", `requests`, "there is no metric requests"},
		"Whole":     {"A histogram has no series with its own name.", `rate(took[5m])`, "took is a histogram: ask for its parts"},
		"Matcher":   {"The metric does not have the label of the matcher.", `requests_total{part="x"}`, "requests_total has no label part"},
		"Grouping":  {"Grouping by an unknown label gives one line without a name.", `sum by (part) (requests_total)`, "no metric in it has the label part"},
		"Le":        {"Only buckets have the label le.", `sum by (le) (took_sum)`, "no metric in it has the label le"},
		"Rate":      {"The rate of a gauge is meaningless.", `rate(age[5m])`, "rate of age, which is a gauge"},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			parsed, err := parser.ParseExpr(tc.expr)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(problems(known, parsed), "; "); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.expr, got, tc.want)
			}
		})
	}
}

// fromPrometheus are labels that Prometheus adds to all samples of a target.
var fromPrometheus = []string{"job", "instance", "namespace", "pod"}

// problems returns what a query asks for and does not exist.
func problems(known map[string]metric, expr parser.Expr) []string {
	var found []string
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			found = append(found, ofSelector(known, n)...)
		case *parser.AggregateExpr:
			has := labelsIn(known, n.Expr)
			for _, label := range n.Grouping {
				if !slices.Contains(has, label) {
					found = append(found, "no metric in it has the label "+label)
				}
			}
		case *parser.Call:
			if n.Func.Name == "rate" || n.Func.Name == "increase" {
				found = append(found, ofRate(known, n)...)
			}
		}
		return nil
	})
	return found
}

func ofSelector(known map[string]metric, s *parser.VectorSelector) []string {
	m, ok := find(known, s.Name)
	if !ok {
		return []string{"there is no metric " + s.Name}
	}
	if m.kind == "histogram" {
		return []string{s.Name + " is a histogram: ask for its parts"}
	}
	var found []string
	for _, matcher := range s.LabelMatchers {
		if matcher.Name != model.MetricNameLabel && !slices.Contains(append(m.labels, fromPrometheus...), matcher.Name) {
			found = append(found, s.Name+" has no label "+matcher.Name)
		}
	}
	return found
}

func ofRate(known map[string]metric, call *parser.Call) []string {
	matrix, ok := call.Args[0].(*parser.MatrixSelector)
	if !ok {
		return nil
	}
	selector, ok := matrix.VectorSelector.(*parser.VectorSelector)
	if !ok {
		return nil
	}
	if m, ok := find(known, selector.Name); ok && m.kind != "counter" && m.kind != "histogram" {
		return []string{call.Func.Name + " of " + selector.Name + ", which is a " + m.kind}
	}
	return nil
}

// labelsIn returns the labels of all metrics in a query.
func labelsIn(known map[string]metric, expr parser.Expr) []string {
	has := slices.Clone(fromPrometheus)
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			m, _ := find(known, s.Name)
			has = append(has, m.labels...)
		}
		return nil
	})
	return has
}

// allQueries returns the queries of dashboard and alerts by where they are.
func allQueries(t *testing.T) map[string]string {
	t.Helper()
	all := dashboardQueries(t)
	for _, group := range alerts(t) {
		for _, rule := range group.Rules {
			all["alert "+rule.Alert] = rule.Expr
		}
	}
	return all
}

// dashboardQueries returns the queries of the dashboard as Grafana sends them.
func dashboardQueries(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, panel := range dashboardPanels(t) {
		for _, target := range panel.Targets {
			all[panel.Title+" "+target.LegendFormat] = target.query()
		}
	}
	if len(all) == 0 {
		t.Fatal("the dashboard has no queries")
	}
	return all
}

type group struct {
	Name  string `yaml:"name"`
	Rules []struct {
		Alert string `yaml:"alert"`
		Expr  string `yaml:"expr"`
	} `yaml:"rules"`
}

// alerts returns the alerts of config/prometheus.
func alerts(t *testing.T) []group {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "config", "prometheus", "prometheus_rule.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var rule struct {
		Spec struct {
			Groups []group `yaml:"groups"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal(content, &rule); err != nil {
		t.Fatal(err)
	}
	return rule.Spec.Groups
}

// docs/metrics.md explains each alert, and has no other: the same names, in the same
// order, with the same queries.
func TestAlerts_AreDocumented(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(content)), " ")
	documented := 0
	for _, group := range alerts(t) {
		for _, rule := range group.Rules {
			documented++
			want := "```promql " + strings.Join(strings.Fields(rule.Expr), " ") + " ```"
			_, after, found := strings.Cut(page, "`"+rule.Alert+"`")
			before, _, found2 := strings.Cut(after, want)
			if !found || !found2 || strings.Contains(before, "```promql") {
				t.Errorf("docs/metrics.md does not explain %s, with: %s", rule.Alert, want)
			}
		}
	}
	if blocks := strings.Count(page, "```promql "); blocks != documented {
		t.Errorf("docs/metrics.md has %d queries, and there are %d alerts", blocks, documented)
	}
}
