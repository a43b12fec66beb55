package fault

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxExcerpt is the number of characters that a message shows of one text.
const maxExcerpt = 200

// Excerpt returns a text of a user or of AWS in the form in which messages quote it:
// escaped, and cut if it is long.
func Excerpt(text string) string {
	runes := 0
	for i := range text {
		if runes == maxExcerpt {
			return Escape(text[:i]) + "…"
		}
		runes++
	}
	return Escape(text)
}

// Bound returns text escaped, and cut to a number of bytes.
func Bound(text string, most int) string {
	short := text
	if len(text) > most {
		short = wholeRunes(text, most)
	}
	escaped := Escape(short)
	if len(short) == len(text) && len(escaped) <= most {
		return escaped
	}
	const ellipsis = "…"
	return wholeRunes(escaped, max(0, min(len(escaped), most-len(ellipsis)))) + ellipsis
}

// wholeRunes returns the first characters of text, of at most that many bytes.
func wholeRunes(text string, most int) string {
	for most > 0 && most < len(text) && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// Escape returns text on one line: characters that control a terminal, that change
// the direction of the text after them, or that are invisible are written as in a Go
// string, such as \n and \u202e. A message must not look like something that it does
// not say.
func Escape(text string) string {
	if !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if hidden(r) {
			quoted := strconv.QuoteToASCII(text[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(text[:size])
		}
		text = text[size:]
	}
	return b.String()
}

// hidden reports whether a character is not shown as itself, such as control characters,
// format characters, bidirectional characters and line separators, none of which is
// graphic. The replacement character stands for bytes that are not UTF-8.
func hidden(r rune) bool { return r == utf8.RuneError || !unicode.IsGraphic(r) }
