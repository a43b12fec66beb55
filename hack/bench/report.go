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
)

// figure is one measurement, with its theoretical minimum.
type figure struct {
	Section string   `json:"section"`
	Name    string   `json:"name"`
	Value   float64  `json:"value"`
	Unit    string   `json:"unit"`
	Least   *float64 `json:"minimum,omitempty"` // nil if nothing bounds it
	Ratio   float64  `json:"ratio,omitempty"`   // of value to least; 0 if there is none
	Why     string   `json:"basis"`             // the least is that, or there is none
	Detail  string   `json:"detail,omitempty"`
	Goal    string   `json:"goal,omitempty"`
	Reached *bool    `json:"reached,omitempty"` // the goal
	N       int      `json:"n,omitempty"`       // for plots
}

// bound is the least that a figure can be, and why.
type bound struct {
	least *float64
	why   string
}

func least(v float64, why string, args ...any) bound {
	return bound{least: &v, why: fmt.Sprintf(why, args...)}
}

// unbounded says why nothing can be said about the least.
func unbounded(why string) bound { return bound{why: "unknown: " + why} }

// meets sets the goal of a figure, and whether it was reached.
func (f figure) meets(goal string, reached bool) figure {
	f.Goal, f.Reached = goal, &reached
	return f
}

// report is all that was measured, and on what.
type report struct {
	Quick   bool     `json:"quick,omitempty"`
	Cores   int      `json:"cores"`
	System  string   `json:"system"`
	Go      string   `json:"go"`
	Figures []figure `json:"figures"`
}

func newReport(p scale) *report {
	return &report{Quick: p.quick, Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
}

// add adds a figure with the least that it can be.
func (r *report) add(f figure, b bound) {
	f.Least, f.Why = b.least, b.why
	if f.Least != nil && *f.Least > 0 {
		f.Ratio = f.Value / *f.Least
	}
	r.Figures = append(r.Figures, f)
	say("  %s: %s: %s", f.Section, f.Name, f.measured())
}

func (f figure) measured() string { return number(f.Value) + " " + f.Unit }

// number writes a figure as people do: three digits that matter, and none that
// were not measured.
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

// cells are the columns of a figure.
func (f figure) cells() []string {
	least, ratio, goal := "–", "–", f.Goal
	if f.Least != nil {
		least = number(*f.Least)
	}
	if f.Ratio > 0 {
		ratio = strconv.FormatFloat(f.Ratio, 'f', 2, 64)
	}
	if f.Reached != nil {
		goal = map[bool]string{true: "✓ ", false: "✗ "}[*f.Reached] + goal
	}
	return []string{f.Name, f.measured(), least, ratio, goal}
}

var columns = []string{"", "measured", "minimum", "ratio", "goal"}

// grouped returns the figures section by section, in the order in which these began.
func (r *report) grouped() []figure {
	var sections []string
	for _, f := range r.Figures {
		if !slices.Contains(sections, f.Section) {
			sections = append(sections, f.Section)
		}
	}
	return slices.SortedStableFunc(slices.Values(r.Figures), func(a, b figure) int {
		return slices.Index(sections, a.Section) - slices.Index(sections, b.Section)
	})
}

// read reads what an earlier run wrote.
func read(dir string) (*report, error) {
	content, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		return nil, err
	}
	r := &report{}
	return r, json.Unmarshal(content, r)
}

// table returns all figures for a terminal.
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
	_ = t.Flush() // a strings.Builder takes everything
	return text.String()
}

// page returns all figures for docs/benchmarks/README.md.
func (r *report) page() string {
	var text strings.Builder
	fmt.Fprintf(&text, pageTop, r.Cores, r.System, r.Go, latency)
	section := ""
	for _, f := range r.grouped() {
		if f.Section != section {
			section = f.Section
			fmt.Fprintf(&text, "\n## %s\n\n", section)
			if image, ok := plots[section]; ok {
				fmt.Fprintf(&text, "![%s](%s)\n\n", section, image.file)
			}
			fmt.Fprintf(&text, "| %s | basis of the minimum | details |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)+2))
		}
		fmt.Fprintf(&text, "| %s | %s | %s |\n", strings.Join(f.cells(), " | "), f.Why, f.Detail)
	}
	return text.String()
}

const pageTop = `# Benchmarks

Written by ` + "`make bench`" + ` from one run on %d cores (%s, %s): a real kube-apiserver, etcd and
kube-controller-manager, the operator's own binary, and the project's AWS endpoint with a latency of %s per call, all
on the same machine. The same figures are in [results.json](results.json). ` + "`make bench QUICK=1`" + ` measures at small
scale in less than three minutes, and writes nothing.

Each figure is shown with the theoretical minimum and their ratio; a dash means that no minimum is known, or that it is
zero. A goal is a target of this project: ✓ reached, ✗ missed.
`

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
		say("Wrote %s", dir)
	}
	return err
}
