package monitoring_test

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The size of the picture, in pixels.
const (
	unitWidth, unitHeight = 50, 18 // of Grafana's grid, which has 24 columns
	gap                   = 4      // between panels, on each side
	lineHeight            = 16     // of a line of text with its bar
	titleHeight           = 24     // of a panel
	longestName           = 48     // of a line, in letters, so that its value has room
)

// shownPanel is a panel with what its queries return.
type shownPanel struct {
	panel

	series []series
}

// draw returns a picture, as SVG, with the layout of the dashboard.
func draw(panels []shownPanel) string {
	var body strings.Builder
	bottom := 0
	for _, p := range panels {
		x, y := p.GridPos.X*unitWidth, p.GridPos.Y*unitHeight
		bottom = max(bottom, y+p.GridPos.H*unitHeight)
		fmt.Fprintf(&body, "<g transform=\"translate(%d %d)\">\n", x, y)
		p.draw(&body)
		body.WriteString("</g>\n")
	}
	const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" ` +
		`font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#222">` + "\n" + `<rect width="100%%" height="100%%" fill="#fff"/>` + "\n"
	return fmt.Sprintf(head, 24*unitWidth, bottom+gap) + body.String() + "</svg>\n"
}

func (p shownPanel) draw(out *strings.Builder) {
	if p.Type == "row" {
		label(out, gap, 15, p.Title, `font-size="14" font-weight="bold"`)
		return
	}
	width, height := p.GridPos.W*unitWidth, p.GridPos.H*unitHeight
	fmt.Fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"3\" fill=\"#f7f8fa\" stroke=\"#d0d4da\"/>\n", gap, gap, width-2*gap, height-2*gap)
	label(out, 3*gap, 20, p.Title, `font-weight="bold"`)
	if p.Type == "stat" {
		for _, s := range p.series {
			label(out, width/2, height-20, format(p.FieldConfig.Defaults.Unit, s.value), `font-size="26" text-anchor="middle"`)
		}
		return
	}
	p.drawBars(out, width-6*gap, (height-titleHeight-2*gap)/lineHeight)
}

// drawBars draws a bar for each of the series, with its name and value over it, the
// largest first. If there are too many, the last line has the number of the others.
func (p shownPanel) drawBars(out *strings.Builder, width, lines int) {
	shown := slices.Clone(p.series)
	slices.SortStableFunc(shown, func(a, b series) int { return cmp.Compare(b.value, a.value) })
	if len(shown) > lines {
		shown = shown[:lines-1]
	}
	var longest float64
	for _, s := range p.series {
		longest = max(longest, s.value)
	}
	y := titleHeight + gap
	for _, s := range shown {
		if bar := math.Round(float64(width) * s.value / longest); bar > 0 {
			fmt.Fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%.0f\" height=\"%d\" fill=\"#bcd7f5\"/>\n", 3*gap, y, bar, lineHeight-2)
		}
		name := s.name
		if len(name) > longestName {
			name = name[:longestName-1] + "…"
		}
		label(out, 4*gap, y+11, name, `font-size="11"`)
		label(out, width+2*gap, y+11, format(p.FieldConfig.Defaults.Unit, s.value), `font-size="11" text-anchor="end"`)
		y += lineHeight
	}
	if more := len(p.series) - len(shown); more > 0 {
		label(out, 4*gap, y+11, fmt.Sprintf("and %d more", more), `font-size="11" fill="#666"`)
	}
}

// label writes a text. Its y is that of the line that the letters stand on.
func label(out *strings.Builder, x, y int, text, attributes string) {
	fmt.Fprintf(out, "<text x=\"%d\" y=\"%d\" %s>", x, y, attributes)
	_ = xml.EscapeText(out, []byte(text)) // a Builder returns no error
	out.WriteString("</text>\n")
}

// format returns a value in a unit of Grafana.
func format(unit string, value float64) string {
	if math.IsNaN(value) {
		return "no value"
	}
	switch unit {
	case "s":
		if value != 0 && math.Abs(value) < 1 {
			return digits(value*1000) + " ms"
		}
		return digits(value) + " s"
	case "ops", "reqps":
		return digits(value) + "/s"
	case "percentunit":
		return digits(value*100) + "%"
	case "bytes":
		return digits(value/(1<<20)) + " MiB"
	default:
		return digits(value)
	}
}

// digits returns a number with three digits or, if it is large, without a fraction.
func digits(value float64) string {
	if math.Abs(value) >= 100 {
		return strconv.FormatFloat(value, 'f', 0, 64)
	}
	return strconv.FormatFloat(value, 'g', 3, 64)
}
