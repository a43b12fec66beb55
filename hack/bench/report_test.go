package main

import (
	"maps"
	"strings"
	"testing"
)

func TestPercentile_NearestRank(t *testing.T) {
	values := []float64{5, 1, 4, 2, 3}
	for p, want := range map[int]float64{1: 1, 20: 1, 21: 2, 50: 3, 99: 5, 100: 5} {
		if got := percentile(values, p); got != want {
			t.Errorf("p%d = %v, want %v", p, got, want)
		}
	}
	if got := percentile(nil, 50); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestNumber_KeepsThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 4: "4", 0.4567: "0.457", 12.345: "12.3", 1234.5: "1234", 99.95: "100"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}

func TestCallsSince_SubtractsEarlierCalls(t *testing.T) {
	before := calls{aws: map[string]int{"GetRole": 2, "CreateRole": 1}, writes: map[string]int{"PATCH podidentities": 3}}
	after := calls{aws: map[string]int{"GetRole": 4, "CreateRole": 1, "PutRolePolicy": 1}, writes: map[string]int{"PATCH podidentities": 5}}
	got := after.since(before)
	if format(got.aws) != "GetRole ×2, PutRolePolicy" || sum(got.aws) != 3 || sum(got.writes) != 2 {
		t.Errorf("%s, %d calls, %d writes", format(got.aws), sum(got.aws), sum(got.writes))
	}
}

// Missed goals are marked like reached ones and counted at the top of the page, and each
// result has its minimum, or the reason why it is not known.
func TestReport_NamesMissedGoals(t *testing.T) {
	r := newReport()
	r.begin("cluster", fullScale)
	r.add(result{Section: "Drift check", Name: "some", Unit: "AWS calls", Value: 3}.withGoal("the minimum", false), minimumOf(2, "a page of %d lists", 2))
	r.add(result{Section: "Drift check", Name: "more", Unit: "s", Value: 0.5}.withGoal("< 1 s", true), noMinimum("chance"))
	r.add(result{Section: "Drift check", Name: "writes", Unit: "writes", Value: 0}, minimumOf(0, "nothing has to change"))
	for name, text := range map[string]string{"table": r.table(), "page": r.page()} {
		for _, want := range []string{"✗ the minimum", "1.50", "✓ < 1 s", "3 AWS calls"} {
			if !strings.Contains(text, want) {
				t.Errorf("the %s does not say %q:\n%s", name, want, text)
			}
		}
	}
	if r.goals() != 2 || r.missed() != 1 {
		t.Errorf("%d of %d goals missed, want 1 of 2", r.missed(), r.goals())
	}
	for _, want := range []string{
		"**1 of 2 goals are missed**",
		"| some | 3 AWS calls | 2 | 1.50 | ✗ the minimum | a page of 2 lists |",
		"| more | 0.5 s | – | – | ✓ < 1 s | unknown: chance |",
		"| writes | 0 writes | 0 | – |  | nothing has to change |",
	} {
		if !strings.Contains(r.page(), want) {
			t.Errorf("the page lacks the row %q:\n%s", want, r.page())
		}
	}
}

// The page names a scale that is not the full one.
func TestReport_NamesTheScale(t *testing.T) {
	for _, s := range scales {
		r := newReport()
		r.begin("cluster", s)
		r.add(result{Section: "Drift check", Name: "some"}, noMinimum("chance"))
		named, want := strings.Contains(r.page(), "make bench SCALE="+s.name), s.name != fullScale.name
		if named != want {
			t.Errorf("the page of scale %s names it: %v, want %v", s.name, named, want)
		}
	}
}

// A run of some measurements replaces their results and keeps those of all others.
func TestReport_KeepsWhatWasNotMeasuredAgain(t *testing.T) {
	dir := t.TempDir()
	record := func(value float64, names ...string) {
		r := newReport()
		for _, name := range names {
			r.begin(name, mediumScale)
			r.add(result{Section: "Section of " + name, Name: name, Value: value}, noMinimum("chance"))
		}
		if err := r.update(dir); err != nil {
			t.Fatal(err)
		}
	}
	record(1, "lifecycle", "neighbors", "cluster")
	record(2, "neighbors")
	got, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range got.Results {
		values[f.Name] = f.Value
	}
	if want := map[string]float64{"lifecycle": 1, "neighbors": 2, "cluster": 1}; !maps.Equal(values, want) || len(got.Runs) != len(want) {
		t.Errorf("results %v of the runs %v, want %v", values, got.Runs, want)
	}
}
