package monitoring_test

import (
	"context"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
)

// Every panel shows something of a real run: Prometheus' own engine finds results for
// its query in two scrapes of an operator at work, and in what kube-state-metrics makes
// of PodIdentities. No alert fails to evaluate.
func TestQueries_HaveResultsInARealRun(t *testing.T) {
	db, end := store(t)
	engine := newEngine()
	shown := dashboardQueries(t)
	for title, expr := range allQueries(t) {
		t.Run(title, func(t *testing.T) {
			vector := evaluate(t, engine, db, expr, end)
			if _, ok := shown[title]; ok && len(vector) == 0 {
				t.Errorf("%s: has no result", expr)
			}
			for _, sample := range vector {
				if _, ok := shown[title]; ok && math.IsInf(sample.F, 0) {
					t.Errorf("%s: is %v for %s", expr, sample.F, sample.Metric)
				}
			}
		})
	}
}

// store returns a database with the scrapes and the metrics of objects, and the time of
// the newest. The first scrape counts as made at the time of the last drift check, which
// is in it, and the second a minute later.
func store(t *testing.T) (*teststorage.TestStorage, time.Time) {
	t.Helper()
	db := teststorage.New(t)
	at := lastDriftCheck.FindStringSubmatch(scrape(t, 1))
	if at == nil {
		t.Fatal("scrape-1.txt has no drift check")
	}
	seconds, err := strconv.ParseFloat(at[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Unix(int64(seconds), 0)
	end := start.Add(time.Minute)
	load(t, db, start, scrape(t, 1))
	load(t, db, end, scrape(t, 2))
	load(t, db, end, objectMetrics(t))
	return db, end
}

var lastDriftCheck = regexp.MustCompile(`(?m)^podidentity_drift_check_last_success_timestamp_seconds (\S+)$`)

// load stores a scrape with the labels that Prometheus adds.
func load(t *testing.T, db storage.Appendable, at time.Time, text string) {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	appender := db.Appender(context.Background())
	for _, family := range families {
		samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{Timestamp: model.TimeFromUnixNano(at.UnixNano())}, family)
		if err != nil {
			t.Fatal(err)
		}
		for _, sample := range samples {
			b := labels.NewBuilder(labels.EmptyLabels())
			for name, value := range sample.Metric {
				b.Set(string(name), string(value))
			}
			b.Set("job", "podidentity").Set("instance", "10.0.0.1:8443")
			if _, err := appender.Append(0, b.Labels(), int64(sample.Timestamp), float64(sample.Value)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := appender.Commit(); err != nil {
		t.Fatal(err)
	}
}
