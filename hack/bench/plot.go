package main

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// image describes the plot of the results of a section that have an N.
type image struct{ file, title, y string }

// The sections that have a plot.
const (
	readySection = "Time to Ready, at 20 calls/s"
	checkSection = "Drift check"
)

var plots = map[string]image{
	readySection: {file: "ready.svg", title: "Time until all identities are Ready", y: "seconds"},
	checkSection: {file: "check.svg", title: "AWS calls of a drift check", y: "AWS calls"},
}

// plot draws the measured values and the minima over the number of identities.
func (r *report) plot(section string, i image, file string) error {
	var measured, minima plotter.XYs
	for _, f := range r.Results {
		if f.Section == section && f.N > 0 && f.Minimum != nil {
			measured = append(measured, plotter.XY{X: float64(f.N), Y: f.Value})
			minima = append(minima, plotter.XY{X: float64(f.N), Y: *f.Minimum})
		}
	}
	p := plot.New()
	p.Title.Text = i.title
	p.X.Label.Text, p.Y.Label.Text = "identities", i.y
	p.X.Min, p.Y.Min = 0, 0
	p.Legend.Top, p.Legend.Left = true, true
	if err := plotutil.AddLinePoints(p, "measured", measured, "minimum", minima); err != nil {
		return err
	}
	return p.Save(16*vg.Centimeter, 10*vg.Centimeter, file)
}
