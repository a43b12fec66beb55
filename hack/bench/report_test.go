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
	r := &report{Cores: 2, Scale: "full"}
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
	for name, named := range map[string]bool{"full": false, "medium": true} {
		if got := strings.Contains((&report{Scale: name}).page(), "make bench SCALE="+name); got != named {
			t.Errorf("the page of scale %s names it: %v, want %v", name, got, named)
		}
	}
}
