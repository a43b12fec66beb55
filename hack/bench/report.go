package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// result is one result of a measurement, with its theoretical minimum.
type result struct {
	// Measurement is the name of the measurement. The report sets it.
	Measurement string `json:"measurement"`

	Section string   `json:"section"`
	Name    string   `json:"name"`
	Value   float64  `json:"value"`
	Unit    string   `json:"unit"`
	Minimum *float64 `json:"minimum,omitempty"` // nil if it is not known
	Ratio   float64  `json:"ratio,omitempty"`   // of value to minimum; 0 without a minimum
	Basis   string   `json:"basis"`             // of the minimum, or the reason why it is not known
	Detail  string   `json:"detail,omitempty"`
	Goal    string   `json:"goal,omitempty"`
	Reached *bool    `json:"reached,omitempty"` // the goal
	N       int      `json:"n,omitempty"`       // position on the x axis of a plot
}

// minimum is the theoretical minimum of a result, and its basis.
type minimum struct {
	value *float64
	basis string
}

func minimumOf(v float64, basis string, args ...any) minimum {
	return minimum{value: &v, basis: fmt.Sprintf(basis, args...)}
}

// noMinimum states why the minimum is not known.
func noMinimum(reason string) minimum { return minimum{basis: "unknown: " + reason} }

// withGoal returns a result with a goal.
func (f result) withGoal(goal string, reached bool) result {
	f.Goal, f.Reached = goal, &reached
	return f
}

// report contains the results of measurements, in their order, and how each was run.
type report struct {
	Runs    map[string]run `json:"runs"` // by measurement
	Results []result       `json:"results"`

	current string // the measurement that adds results
}

// run is when and where a measurement was run.
type run struct {
	Date   string `json:"date"` // such as 2026-11-27
	Scale  string `json:"scale"`
	Cores  int    `json:"cores"`
	System string `json:"system"`
	Go     string `json:"go"`
}

// String describes a run for the page.
func (r run) String() string {
	text := fmt.Sprintf("Measured on %s on %d cores (%s, %s)", r.Date, r.Cores, r.System, r.Go)
	if r.Scale != fullScale.name {
		text += fmt.Sprintf(", at the scale `%s`, which has fewer objects in some measurements: `make bench SCALE=%s`", r.Scale, r.Scale)
	}
	return text + "."
}

func newReport() *report { return &report{Runs: map[string]run{}} }

// begin records that a measurement begins. What is added next belongs to it.
func (r *report) begin(measurement string, s scale) {
	r.current = measurement
	r.Runs[measurement] = run{
		Date: time.Now().UTC().Format(time.DateOnly), Scale: s.name,
		Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
	}
}

// add adds a result.
func (r *report) add(f result, m minimum) {
	f.Measurement, f.Minimum, f.Basis = r.current, m.value, m.basis
	if f.Minimum != nil && *f.Minimum > 0 {
		f.Ratio = f.Value / *f.Minimum
	}
	r.Results = append(r.Results, f)
	progress("  %s: %s: %s", f.Section, f.Name, strings.Join(f.cells()[1:], " | "))
}

// merged returns the report with those results of an earlier one whose measurements it does
// not contain.
func (r *report) merged(earlier *report) *report {
	all := newReport()
	for _, m := range measurements {
		from := earlier
		if _, measured := r.Runs[m.name]; measured {
			from = r
		}
		at, measured := from.Runs[m.name]
		if !measured {
			continue
		}
		all.Runs[m.name] = at
		for _, f := range from.Results {
			if f.Measurement == m.name {
				all.Results = append(all.Results, f)
			}
		}
	}
	return all
}

func (f result) measured() string { return number(f.Value) + " " + f.Unit }

// number formats a number with three significant digits.
func number(v float64) string {
	switch {
	case v == float64(int64(v)):
		return strconv.FormatInt(int64(v), 10)
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}

// cells returns the columns of a result.
func (f result) cells() []string {
	minimum, ratio, goal := "–", "–", f.Goal
	if f.Minimum != nil {
		minimum = number(*f.Minimum)
	}
	if f.Ratio > 0 {
		ratio = strconv.FormatFloat(f.Ratio, 'f', 2, 64)
	}
	if f.Reached != nil {
		goal = map[bool]string{true: "✓ ", false: "✗ "}[*f.Reached] + goal
	}
	return []string{f.Name, f.measured(), minimum, ratio, goal}
}

var columns = []string{"", "measured", "minimum", "ratio", "goal"}

// grouped returns the results by section. The order of sections is that of their first
// results.
func (r *report) grouped() []result {
	var sections []string
	for _, f := range r.Results {
		if !slices.Contains(sections, f.Section) {
			sections = append(sections, f.Section)
		}
	}
	return slices.SortedStableFunc(slices.Values(r.Results), func(a, b result) int {
		return slices.Index(sections, a.Section) - slices.Index(sections, b.Section)
	})
}

// read reads the report of an earlier run.
func read(dir string) (*report, error) {
	content, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		return nil, err
	}
	r := &report{}
	return r, json.Unmarshal(content, r)
}

// table formats all results for a terminal.
func (r *report) table() string {
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	section := ""
	for _, f := range r.grouped() {
		if f.Section != section {
			section = f.Section
			fmt.Fprintf(t, "\n%s\t%s\n", strings.ToUpper(section), strings.Join(columns[1:], "\t"))
		}
		fmt.Fprintf(t, "  %s\n", strings.Join(f.cells(), "\t"))
	}
	_ = t.Flush() // writes to a strings.Builder do not fail
	return text.String()
}

// page formats all results for docs/benchmarks/README.md.
func (r *report) page() string {
	var text strings.Builder
	fmt.Fprintf(&text, pageTop, latency)
	if missed := r.missed(); missed > 0 {
		fmt.Fprintf(&text, "\n**%d of %d goals are missed**; they are marked with ✗.\n", missed, r.goals())
	}
	section := ""
	for _, f := range r.grouped() {
		if f.Section != section {
			section = f.Section
			fmt.Fprintf(&text, "\n## %s\n\n", section)
			if image, ok := plots[section]; ok {
				fmt.Fprintf(&text, "![%s](%s)\n\n", section, image.file)
			}
			fmt.Fprintf(&text, "%s\n\n", strings.Join(r.runsOf(section), "\n"))
			fmt.Fprintf(&text, "| %s | basis of the minimum | details |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)+2))
		}
		fmt.Fprintf(&text, "| %s | %s | %s |\n", strings.Join(f.cells(), " | "), f.Basis, f.Detail)
	}
	return text.String()
}

// runsOf describes the runs whose results a section has.
func (r *report) runsOf(section string) []string {
	var runs []string
	for _, f := range r.Results {
		if text := r.Runs[f.Measurement].String(); f.Section == section && !slices.Contains(runs, text) {
			runs = append(runs, text)
		}
	}
	return runs
}

// goals returns the number of results with a goal, and missed that of goals not reached.
func (r *report) goals() int  { return r.count(func(bool) bool { return true }) }
func (r *report) missed() int { return r.count(func(reached bool) bool { return !reached }) }

func (r *report) count(counted func(reached bool) bool) int {
	n := 0
	for _, f := range r.Results {
		if f.Reached != nil && counted(*f.Reached) {
			n++
		}
	}
	return n
}

const pageTop = `# Benchmarks

Written by ` + "`make bench`" + `: a real kube-apiserver, etcd and kube-controller-manager, the operator's own binary, and the
project's AWS endpoint with a latency of %s per call, all on the same machine. The same results are in
[results.json](results.json). ` + "`make bench ONLY=recovery`" + ` runs one measurement and updates its results;
` + "`make bench QUICK=1`" + ` measures at small scale and writes nothing.

Each result is shown with the theoretical minimum and their ratio; a dash means that no minimum is known, or that it is
zero. A goal is a target of this project: ✓ reached, ✗ missed.
`

// update writes the report into a directory, and keeps the results there of all measurements
// that it does not contain.
func (r *report) update(dir string) error {
	earlier, err := read(dir)
	if errors.Is(err, os.ErrNotExist) {
		earlier, err = newReport(), nil
	}
	if err != nil {
		return err
	}
	return r.merged(earlier).write(dir)
}

// write writes the page, the JSON and the plots into a directory.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "results.json"), append(content, '\n'), 0o644),
		os.WriteFile(filepath.Join(dir, "README.md"), []byte(r.page()), 0o644),
	)
	for section, p := range plots {
		err = errors.Join(err, r.plot(section, p, filepath.Join(dir, p.file)))
	}
	if err == nil {
		progress("Wrote %s", dir)
	}
	return err
}
