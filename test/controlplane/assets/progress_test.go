package assets

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDownloads_ReportProgress(t *testing.T) {
	d := downloads{total: 180}
	if got, want := d.status(), "listing packages"; got != want {
		t.Errorf("at first: %q, want %q", got, want)
	}
	for _, line := range []string{"go: downloading k8s.io/api v0.37.2", "go: downloading k8s.io/kubernetes v1.37.2", "go: no such host"} {
		d.line(line)
	}
	if got, want := d.status(), "downloading modules, 2 of at most 180 (k8s.io/kubernetes v1.37.2)"; got != want {
		t.Errorf("then: %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"go: no such host"}, d.rest); diff != "" {
		t.Errorf("what else was said: -want, +got:\n%s", diff)
	}
}

func TestWorklist_CountsStalePackages(t *testing.T) {
	list := `{"ImportPath": "errors"}
		{"ImportPath": "fmt", "Stale": true, "DepOnly": true}
		{"ImportPath": "m/main", "Stale": true}`
	w, err := newWorklist(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	want := &worklist{
		all:    3,
		main:   "m/main",
		weight: map[string]int64{"fmt": perPackage, "m/main": perPackage},
		total:  2 * perPackage,
		whole:  3 * perPackage,
	}
	if diff := cmp.Diff(want, w, cmp.AllowUnexported(worklist{})); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestProgress_ReportsShareAndTimeLeft(t *testing.T) {
	began := time.Unix(0, 0)
	p := newProgress(&worklist{
		all:    10,
		main:   "m/main",
		weight: map[string]int64{"a": 30, "b": 60, "m/main": 10},
		total:  100,
		whole:  100,
	}, began)
	p.guess = 10 * time.Minute

	steps := []struct {
		line  string
		after time.Duration
		want  string
	}{
		{"", 0, "compiling package 0 of 3 (0 %), about 10 min left"},
		{"a", 4 * time.Minute, "compiling package 1 of 3 (30 %), about 8 min left"},
		{"b", 18 * time.Minute, "compiling package 2 of 3 (90 %), about 2 min left"},
		{"m/main", 20 * time.Minute, "linking, the last step, after 20m0s"},
	}
	for _, s := range steps {
		p.line(s.line)
		if got := p.status(began.Add(s.after)); got != s.want {
			t.Errorf("after %q: %q, want %q", s.line, got, s.want)
		}
	}

	p.line("# m/main")
	p.line("main.go:1: syntax error")
	if diff := cmp.Diff([]string{"# m/main", "main.go:1: syntax error"}, p.rest); diff != "" {
		t.Errorf("what else was said: -want, +got:\n%s", diff)
	}
}

func TestETA_FirstGuessScalesWithCores(t *testing.T) {
	cases := map[string]struct {
		reason       string
		total, whole int64
		cores        int
		want         string
	}{
		"Cold":          {"The estimate is that of a measured build.", 100, 100, 2, "about 13 min"},
		"ManyCores":     {"The estimate scales with the number of cores.", 100, 100, 16, "about 2 min"},
		"SharedPackage": {"Packages that the build of the operator cached are not compiled again.", 75, 100, 2, "about 10 min"},
		"Cached":        {"Only linking is left.", 0, 100, 2, "about 20 s"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got := about(guess(&worklist{total: tc.total, whole: tc.whole}, tc.cores))
			if got != tc.want {
				t.Errorf("guess(...) = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestETA_FollowsTheMeasuredSpeed(t *testing.T) {
	const guess = 10 * time.Minute
	cases := map[string]struct {
		reason  string
		share   float64
		elapsed time.Duration
		want    time.Duration
	}{
		"Beginning": {"No package was compiled yet.", 0, 0, guess},
		"Early":     {"The first packages count little: half of them at three times the speed count a quarter.", 0.15, 30 * time.Second, (guess*85/100)*3/4 + (30*time.Second*85/15)/4},
		"Late":      {"Compiled packages count: 4 min for 80 % leave 1 min.", 0.8, 4 * time.Minute, time.Minute},
		"End":       {"Linking always comes last.", 1, 12 * time.Minute, linking},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got := left(tc.share, tc.elapsed, guess)
			if d := got - tc.want; d.Abs() > time.Millisecond {
				t.Errorf("left(...) = %s, want %s", got, tc.want)
			}
		})
	}
}
