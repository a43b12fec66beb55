package fault

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxExcerpt is the number of characters that a message shows of one text.
const maxExcerpt = 200

// Excerpt returns a text of a user or of AWS as a message shows it: escaped, and cut
// if it is long.
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

// Escape returns text on one line: characters that control a terminal, that change
// the direction of the text after them, or that nobody can see are written as in a Go
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

// hidden reports whether a character is not shown as itself. The replacement
// character stands for bytes that are not UTF-8.
func hidden(r rune) bool {
	return r == utf8.RuneError || r != ' ' && !unicode.IsGraphic(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
