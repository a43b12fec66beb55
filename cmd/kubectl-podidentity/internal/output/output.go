// Package output writes results for people and for programs.
package output

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

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
	return Text, fmt.Errorf("invalid value %q for --output: must be %s", name, strings.Join(names, " or "))
}

// Program reports whether the format is for programs.
func (f Format) Program() bool { return f == JSON || f == YAML }

// Encode writes v for a program. The format must be JSON or YAML.
func Encode(w io.Writer, f Format, v any) error {
	if f == YAML {
		raw, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(raw)
		return err
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
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
