package output

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Style is how a piece of text looks in color.
type Style string

// The styles, as ANSI escape codes (ECMA-48, "Select graphic rendition").
const (
	Plain Style = ""
	Bold  Style = "1"
	Dim   Style = "2"
	Good  Style = "32"
	Warn  Style = "33"
	Bad   Style = "31"
)

// Span is a piece of a line.
type Span struct {
	Style Style
	Text  string
}

// T returns plain text, formatted like fmt.Sprintf.
func T(format string, args ...any) Span { return Span{Plain, fmt.Sprintf(format, args...)} }

// In returns text in a style, formatted like fmt.Sprintf.
func In(s Style, format string, args ...any) Span { return Span{s, fmt.Sprintf(format, args...)} }

// Printer writes lines for people. The first error of the writer ends the output,
// see Err.
type Printer struct {
	w     io.Writer
	color bool
	err   error
}

// NewPrinter returns a printer, with or without color.
func NewPrinter(w io.Writer, color bool) *Printer { return &Printer{w: w, color: color} }

// Err returns the first error of the writer.
func (p *Printer) Err() error { return p.err }

// Line writes the spans as one line, each cleaned (see Clean).
func (p *Printer) Line(spans ...Span) {
	if p.err != nil {
		return
	}
	var b strings.Builder
	for _, s := range spans {
		b.WriteString(p.render(s))
	}
	_, p.err = fmt.Fprintln(p.w, strings.TrimRight(b.String(), " "))
}

func (p *Printer) render(s Span) string {
	text := Clean(s.Text)
	if !p.color || s.Style == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(s.Style) + "m" + text + "\x1b[0m"
}

// Table writes rows with aligned columns, two spaces apart. The last column is
// not padded.
func (p *Printer) Table(rows [][]Span) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(Clean(cell.Text)))
		}
	}
	for _, row := range rows {
		var line []Span
		for i, cell := range row {
			line = append(line, cell)
			if i+1 < len(row) {
				line = append(line, T("%s", strings.Repeat(" ", widths[i]+2-utf8.RuneCountInString(Clean(cell.Text)))))
			}
		}
		p.Line(line...)
	}
}
