package output

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUseColor_FollowsFlagTerminalAndNoColor(t *testing.T) {
	cases := map[string]struct {
		reason   string
		mode     ColorMode
		terminal bool
		env      map[string]string
		want     bool
	}{
		"Terminal":       {"A terminal shows color.", ColorAuto, true, nil, true},
		"Pipe":           {"A program reads from the pipe.", ColorAuto, false, nil, false},
		"NoColor":        {"The user disabled color (no-color.org).", ColorAuto, true, map[string]string{"NO_COLOR": "1"}, false},
		"EmptyNoColor":   {"An empty NO_COLOR disables nothing.", ColorAuto, true, map[string]string{"NO_COLOR": ""}, true},
		"Dumb":           {"A dumb terminal prints the codes.", ColorAuto, true, map[string]string{"TERM": "dumb"}, false},
		"AlwaysInPipe":   {"The flag has precedence.", ColorAlways, false, nil, true},
		"AlwaysNoColor":  {"The flag has precedence over the environment.", ColorAlways, false, map[string]string{"NO_COLOR": "1"}, true},
		"NeverOnAScreen": {"The flag has precedence.", ColorNever, true, nil, false},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := UseColor(tc.mode, tc.terminal, func(k string) string { return tc.env[k] }); got != tc.want {
				t.Errorf("UseColor() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestClean_RemovesControlCharacters(t *testing.T) {
	cases := map[string]struct{ reason, in, want string }{
		"Plain":      {"There is nothing to escape.", "role ✓ größe", "role ✓ größe"},
		"Escape":     {"A tag could move the cursor and overwrite a finding.", "a\x1b[2Kb", `a\u001b[2Kb`},
		"Newline":    {"A message could add a line that looks like output of the plugin.", "a\n✓ fine", "a ✓ fine"},
		"Bidi":       {"Text could be shown in another order than it is stored.", "a\u202eb", `a\u202eb`},
		"Carriage":   {"A line could overwrite itself.", "a\rb", `a\u000db`},
		"Invisible":  {"Two names could look alike.", "a\u200bb", `a\u200bb`},
		"NoBreaking": {"A no-break space becomes a space.", "a\u00a0b", `a\u00a0b`},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := Clean(tc.in); got != tc.want {
				t.Errorf("Clean(%q) = %q, want %q", tc.in, got, tc.want)
			}
		})
	}
}

func TestPrinter_ColorsAndColumns(t *testing.T) {
	printed := func(color bool) string {
		var b strings.Builder
		p := NewPrinter(&b, color)
		p.Line(In(Good, "✓"), T(" %s", "role\x1b[0m"))
		p.Table([][]Span{{In(Bold, "NAME"), T("AGE")}, {T("größe"), T("1d")}})
		return b.String()
	}
	if diff := cmp.Diff("✓ role\\u001b[0m\nNAME   AGE\ngröße  1d\n", printed(false)); diff != "" {
		t.Errorf("without color: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff("\x1b[32m✓\x1b[0m role\\u001b[0m\n\x1b[1mNAME\x1b[0m   AGE\ngröße  1d\n", printed(true)); diff != "" {
		t.Errorf("with color: -want, +got:\n%s", diff)
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// `kubectl podidentity status | head` closes the pipe.
func TestPrinter_KeepsTheFirstError(t *testing.T) {
	p := NewPrinter(closed{}, false)
	p.Line(T("a"))
	p.Line(T("b"))
	if !errors.Is(p.Err(), io.ErrClosedPipe) {
		t.Errorf("Err() = %v, want %v", p.Err(), io.ErrClosedPipe)
	}
}

func TestParseFormat_RejectsUnknownFormats(t *testing.T) {
	if f, err := ParseFormat("yaml", JSON, YAML); f != YAML || err != nil {
		t.Errorf(`ParseFormat("yaml") = %q, %v, want yaml`, f, err)
	}
	_, err := ParseFormat("jsn", JSON, YAML)
	if want := `invalid value "jsn" for --output: must be json or yaml`; err == nil || err.Error() != want {
		t.Errorf(`ParseFormat("jsn"): %v, want %s`, err, want)
	}
}

func TestCell_IsNeverAFormula(t *testing.T) {
	cases := map[string]struct{ reason, in, want string }{
		"Plain":     {"An ARN is not a formula.", "arn:aws:s3:::a-b/*", "arn:aws:s3:::a-b/*"},
		"Formula":   {"Spreadsheets run it.", "=HYPERLINK(1)", "'=HYPERLINK(1)"},
		"Space":     {"Spreadsheets skip spaces before it.", "  +1", "  '+1"},
		"FullWidth": {"Spreadsheets also accept the full-width sign.", "＝1", "'＝1"},
		"Semicolon": {"A semicolon ends a cell where the comma is the decimal sign.", "a;=1;b; @c", "a;'=1;b; '@c"},
		"Quote":     {"A quote may begin a cell.", `a;"=1"`, `a;"'=1"`},
		"Tab":       {"A tab may end a cell.", "a\t=1", "a =1"},
		"Line":      {"A line end would begin a row.", "a\n=1", "a =1"},
		"Empty":     {"An empty text stays empty.", "", ""},
		"InTheEnd":  {"A sign after the first character starts no formula.", "a=b-c", "a=b-c"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := Cell(tc.in); got != tc.want {
				t.Errorf("Cell(%q) = %q, want %q", tc.in, got, tc.want)
			}
		})
	}
}
