package monitoring_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
)

var update = flag.Bool("update", false, "rewrite docs/images/dashboard.svg")

// docs/images/dashboard.svg shows the panels of the dashboard with what their queries
// return. With -update the test rewrites it.
func TestPicture_ShowsTheDashboard(t *testing.T) {
	db, end := store(t)
	engine := newEngine()
	var shown []shownPanel
	for _, p := range dashboardPanels(t) {
		s := shownPanel{panel: p}
		for _, target := range p.Targets {
			s.series = append(s.series, seriesOf(evaluate(t, engine, db, target.query(), end), target.LegendFormat)...)
		}
		shown = append(shown, s)
	}
	got := draw(shown)
	file := filepath.Join(root, "docs", "images", "dashboard.svg")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := gocmp.Diff(read(t, file), got); diff != "" {
		t.Errorf("%s does not show the dashboard; `go -C test/monitoring test . -run Picture -update` rewrites it: -file, +dashboard:\n%s", file, diff)
	}
}

// series are a line of a panel, by its legend.
type series struct {
	name  string
	value float64
}

// seriesOf returns the samples as a panel names them, in the order of their names.
func seriesOf(samples promql.Vector, legend string) []series {
	var all []series
	for _, sample := range samples {
		name := placeholder.ReplaceAllStringFunc(legend, func(p string) string { return sample.Metric.Get(strings.Trim(p, "{}")) })
		all = append(all, series{name, sample.F})
	}
	slices.SortFunc(all, func(a, b series) int { return cmp.Compare(a.name, b.name) })
	return all
}

// placeholder is a label in a legend.
var placeholder = regexp.MustCompile(`{{\w+}}`)

// panel is what the picture shows of a panel of Grafana.
type panel struct {
	Type        string `json:"type"`
	Title       string `json:"title"`
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct {
		Defaults struct{ Unit string }
	}
	Targets []target `json:"targets"`
}

// target is a query of a panel.
type target struct {
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat"`
}

// query returns the query as Grafana sends it.
func (t target) query() string { return strings.ReplaceAll(t.Expr, "$__rate_interval", "5m") }

// dashboardPanels returns the panels of the dashboard, and its rows.
func dashboardPanels(t *testing.T) []panel {
	t.Helper()
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal([]byte(read(t, filepath.Join(root, "config", "grafana", "podidentity.json"))), &dashboard); err != nil {
		t.Fatal(err)
	}
	if len(dashboard.Panels) == 0 {
		t.Fatal("the dashboard has no panels")
	}
	return dashboard.Panels
}

func newEngine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{MaxSamples: 100_000, Timeout: time.Minute})
}

// evaluate returns the result of a query.
func evaluate(t *testing.T, engine *promql.Engine, db storage.Queryable, expr string, at time.Time) promql.Vector {
	t.Helper()
	query, err := engine.NewInstantQuery(t.Context(), db, nil, expr, at)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	defer query.Close()
	result := query.Exec(t.Context())
	if result.Err != nil {
		t.Fatalf("%s: %v", expr, result.Err)
	}
	vector, err := result.Vector()
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return slices.Clone(vector) // Close releases it
}

// The text that a panel shows for a value.
func TestFormat_ShowsValuesLikeGrafana(t *testing.T) {
	for name, tc := range map[string]struct {
		unit  string
		value float64
		want  string
	}{
		"Count": {"none", 3, "3"}, "Fraction": {"none", 0.00123456, "0.00123"}, "Large": {"none", 123456, "123456"},
		"Seconds": {"s", 60, "60 s"}, "Milliseconds": {"s", 0.0025, "2.5 ms"}, "Zero": {"s", 0, "0 s"},
		"Rate": {"ops", 0.1, "0.1/s"}, "Requests": {"reqps", 0.016666, "0.0167/s"},
		"Share": {"percentunit", 0.25, "25%"}, "Bytes": {"bytes", 64 << 20, "64 MiB"}, "NoValue": {"s", math.NaN(), "no value"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := format(tc.unit, tc.value); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
