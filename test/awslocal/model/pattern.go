package model

import "regexp"

var javaEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// goPattern turns a pattern of the models, which are written for Java and mean
// the whole value, into Go's syntax.
func goPattern(java string) string {
	return `\A(?:` + javaEscape.ReplaceAllString(java, `\x{$1}`) + `)\z`
}
