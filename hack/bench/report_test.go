package main

import (
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

func TestCostsSince_SubtractsEarlierCosts(t *testing.T) {
	before := costs{calls: map[string]int{"GetRole": 2, "CreateRole": 1}, made: map[string]int{"PATCH podidentities": 3}}
	after := costs{calls: map[string]int{"GetRole": 4, "CreateRole": 1, "PutRolePolicy": 1}, made: map[string]int{"PATCH podidentities": 5}}
	got := after.since(before)
	if list(got.calls) != "GetRole ×2, PutRolePolicy" || got.total() != 3 || got.writes() != 2 {
		t.Errorf("%s, %d calls, %d writes", list(got.calls), got.total(), got.writes())
	}
}

// A goal that is missed is said as plainly as one that is reached, and no figure is
// without the least that it can be, or the reason why that is not known.
func TestReport_NamesMissedGoals(t *testing.T) {
	r := &report{Cores: 2}
	r.add(figure{Section: "Drift check", Name: "some", Unit: "AWS calls", Value: 3}.meets("the least", false), least(2, "a page of %d lists", 2))
	r.add(figure{Section: "Drift check", Name: "more", Unit: "s", Value: 0.5}.meets("< 1 s", true), unbounded("chance"))
	r.add(figure{Section: "Drift check", Name: "writes", Unit: "writes", Value: 0}, least(0, "nothing has to change"))
	for name, text := range map[string]string{"table": r.table(), "page": r.page()} {
		for _, want := range []string{"✗ the least", "1.50", "✓ < 1 s", "3 AWS calls"} {
			if !strings.Contains(text, want) {
				t.Errorf("the %s does not say %q:\n%s", name, want, text)
			}
		}
	}
	for _, want := range []string{
		"| some | 3 AWS calls | 2 | 1.50 | ✗ the least | a page of 2 lists |",
		"| more | 0.5 s | – | – | ✓ < 1 s | unknown: chance |",
		"| writes | 0 writes | 0 | – |  | nothing has to change |",
	} {
		if !strings.Contains(r.page(), want) {
			t.Errorf("the page lacks the row %q:\n%s", want, r.page())
		}
	}
}
