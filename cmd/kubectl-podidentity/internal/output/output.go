// Package output writes results for people and for programs.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
	"sigs.k8s.io/yaml"
)

// Format is how a result is written.
type Format string

// The formats. Text is for people and may change; the others are for programs.
const (
	Text Format = ""
	Wide Format = "wide"
	JSON Format = "json"
	YAML Format = "yaml"
	CSV  Format = "csv"
	HTML Format = "html"
)

// ParseFormat returns the format of that name, which must be one of allowed.
func ParseFormat(name string, allowed ...Format) (Format, error) {
	if f := Format(name); f == Text || slices.Contains(allowed, f) {
		return f, nil
	}
	names := make([]string, len(allowed))
	for i, f := range allowed {
		names[i] = string(f)
	}
	last := len(names) - 1
	list := names[last]
	if last > 0 {
		list = strings.Join(names[:last], ", ") + " or " + list
	}
	return Text, fmt.Errorf("invalid value %q for --output: must be %s", name, list)
}

// Program reports whether the format is for programs.
func (f Format) Program() bool { return f == JSON || f == YAML }

// Encode writes v for a program. The format must be JSON or YAML. Characters that a
// terminal would act on are escaped, see Clean. YAML has no such escapes outside of
// quotes, so that a result with such characters is written as JSON, which is YAML.
func Encode(w io.Writer, f Format, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	escaped := escape(b.String())
	if f == YAML && escaped == b.String() {
		raw, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		escaped = string(raw)
	}
	_, err := io.WriteString(w, escaped)
	return err
}

// escape returns JSON with every character escaped that is not printable. They are in
// strings only: the rest of JSON has none but line ends.
func escape(text string) string {
	unsafe := func(r rune) bool { return r != '\n' && unprintable(r) }
	if !strings.ContainsFunc(text, unsafe) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !unsafe(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Cell returns s as a cell of a CSV file: cleaned, and never a formula. Spreadsheets
// run what begins like one, and in some languages take a semicolon for the end of a cell.
// https://owasp.org/www-community/attacks/CSV_Injection
func Cell(s string) string {
	parts := strings.Split(Clean(s), ";")
	for i, part := range parts {
		text := strings.TrimLeft(part, ` "`)
		if first, _ := utf8.DecodeRuneInString(text); strings.ContainsRune("=+-@＝＋－＠", first) {
			parts[i] = part[:len(part)-len(text)] + "'" + text
		}
	}
	return strings.Join(parts, ";")
}

// ColorMode is when to use color.
type ColorMode string

// The color modes.
const (
	ColorAuto   ColorMode = "auto"
	ColorAlways ColorMode = "always"
	ColorNever  ColorMode = "never"
)

// ParseColor returns the color mode of that name.
func ParseColor(name string) (ColorMode, error) {
	switch m := ColorMode(name); m {
	case ColorAuto, ColorAlways, ColorNever:
		return m, nil
	default:
		return ColorNever, fmt.Errorf("invalid value %q for --color: must be auto, always or never", name)
	}
}

// UseColor decides whether to use color. In mode auto it takes a terminal that
// can show it, and an environment that does not ask for none (https://no-color.org).
func UseColor(m ColorMode, terminal bool, getenv func(string) string) bool {
	if m != ColorAuto {
		return m == ColorAlways
	}
	return terminal && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Clean returns s on one line, with every character escaped that a terminal
// would act on. Names, messages and policies come from other people, who must not
// be able to move the cursor or to add lines to the output.
func Clean(s string) string {
	if !strings.ContainsFunc(s, unprintable) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		case unprintable(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
