package main

import (
	"strings"
	"testing"
)

func TestPercentile(t *testing.T) {
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

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 4: "4", 0.4567: "0.457", 12.345: "12.3", 1234.5: "1234", 99.95: "100"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}

func TestCostsSince(t *testing.T) {
	before := costs{calls: map[string]int{"GetRole": 2, "CreateRole": 1}, made: map[string]int{"PATCH podidentities": 3}}
	after := costs{calls: map[string]int{"GetRole": 4, "CreateRole": 1, "PutRolePolicy": 1}, made: map[string]int{"PATCH podidentities": 5}}
	got := after.since(before)
	if list(got.calls) != "GetRole ×2, PutRolePolicy" || got.total() != 3 || got.writes() != 2 {
		t.Errorf("%s, %d calls, %d writes", list(got.calls), got.total(), got.writes())
	}
}

// A goal that is missed is said as plainly as one that is reached.
func TestReport(t *testing.T) {
	r := &report{Cores: 2}
	r.add(figure{Section: "Full check", Name: "some", Unit: "AWS calls", Value: 3, Least: 2, Goal: "the least", Reached: reached("x", false)})
	r.add(figure{Section: "Full check", Name: "more", Unit: "s", Value: 0.5, Goal: "< 1 s", Reached: reached("x", true)})
	for name, text := range map[string]string{"table": r.table(), "page": r.page()} {
		for _, want := range []string{"✗ the least", "1.50", "✓ < 1 s"} {
			if !strings.Contains(text, want) {
				t.Errorf("the %s does not say %q:\n%s", name, want, text)
			}
		}
	}
}
