package fault

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestEscape_ShowsEveryCharacter(t *testing.T) {
	for name, tc := range map[string]struct{ reason, text, want string }{
		"Plain":         {"Most texts are shown as they are.", "arn:aws:s3:::shop/*, größer", "arn:aws:s3:::shop/*, größer"},
		"Newline":       {"A line break would fake a line of kubectl describe.", "a\nReady: True\r\t", `a\nReady: True\r\t`},
		"Terminal":      {"An escape sequence controls the terminal.", "a\x1b[2Jb\x00\x7f\u009b", `a\x1b[2Jb\x00\x7f\u009b`},
		"Bidirectional": {"An override reverses what follows.", "a\u202eb\u2066c\u200f", `a\u202eb\u2066c\u200f`},
		"Invisible":     {"A zero-width space and a soft hyphen hide a difference.", "a\u200bb\u00adc\ufeff", `a\u200bb\u00adc\ufeff`},
		"Separators":    {"Unicode has additional line breaks.", "a\u2028b\u2029c\u0085", `a\u2028b\u2029c\u0085`},
		"NotUTF8":       {"An invalid byte is shown as a byte.", "a\xffb\xc3", `a\xffb\xc3`},
		"Tags":          {"Tag characters are invisible copies of ASCII.", "a\U000e0041", `a\U000e0041`},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := Escape(tc.text); got != tc.want {
				t.Errorf("Escape(%q) = %q, want %q", tc.text, got, tc.want)
			}
		})
	}
}

func TestExcerpt_CutsLongText(t *testing.T) {
	long := strings.Repeat("ä", maxExcerpt)
	if got := Excerpt(long); got != long {
		t.Errorf("Excerpt cut a text of exactly %d characters to %q", maxExcerpt, got)
	}
	if got, want := Excerpt(long+"\n"), long+"…"; got != want {
		t.Errorf("Excerpt(…) = %q, want %q", got, want)
	}
}

// Whatever the text, its excerpt is one line of visible characters, and short.
func TestExcerpt_IsOneShortLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got := Excerpt(rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text"))
		const longestEscape = len(`\U0010ffff`)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, hidden) || utf8.RuneCountInString(got) > maxExcerpt*longestEscape+1 {
			t.Fatalf("excerpt is %q", got)
		}
	})
}

func TestBound_CutsLongMessages(t *testing.T) {
	for name, tc := range map[string]struct{ reason, text, want string }{
		"Short":   {"A text that fits is not cut.", "12345678", "12345678"},
		"Long":    {"A text that does not fit ends in an ellipsis.", "123456789", "12345…"},
		"Escaped": {"The escaped text must fit.", "12345\n", `12345\n`},
		"Longer":  {"An escape makes the text longer.", "12\u202e", `12\u202e`},
		"Cut":     {"The escaped text no longer fits.", "123\u202e", `123\u…`},
		"Rune":    {"A character is not cut in two.", "1234ö789", "1234…"},
		"Bytes":   {"Invalid bytes are cut anywhere.", "\xff\xff\xff", `\xff\…`},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := Bound(tc.text, 8); got != tc.want {
				t.Errorf("Bound(%q, 8) = %q, want %q", tc.text, got, tc.want)
			}
		})
	}
}

// A bounded text is one line, short, and stays as it is when it is bounded again.
func TestBound_IsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		most := rapid.IntRange(3, 40).Draw(t, "most")
		got := Bound(text, most)
		if len(got) > most || !utf8.ValidString(got) || strings.ContainsFunc(got, hidden) || Bound(got, most) != got {
			t.Fatalf("Bound(%q, %d) = %q", text, most, got)
		}
	})
}
