package policy

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOverlaps_HaveAStringInCommon(t *testing.T) {
	cases := map[string]struct {
		reason string
		a, b   string
		want   bool
	}{
		"Same":         {"A text overlaps with itself.", "a", "a", true},
		"Different":    {"Different texts do not overlap.", "a", "b", false},
		"Prefixes":     {"A shorter prefix overlaps with a longer one.", "arn:aws:s3:::secre*", "arn:aws:s3:::secret-*", true},
		"BothEnds":     {"A prefix and a suffix can match the same text.", "secret-*", "*-archive", true},
		"Apart":        {"Different prefixes do not overlap.", "secret-*", "shared-*", false},
		"Ends":         {"Different suffixes do not overlap.", "*-a", "*-b", false},
		"Middle":       {"The texts in the middle do not fit.", "a*bb*c", "a?c", false},
		"MiddleFits":   {"The texts in the middle fit.", "a*bb*c", "a?b*", true},
		"Question":     {"A ? matches exactly one character.", "a?", "a", false},
		"Stars":        {"A * can be empty.", "a*", "*a", true},
		"Empty":        {"Two empty texts overlap.", "", "", true},
		"EmptyStar":    {"A * can be empty.", "", "**", true},
		"EmptyMark":    {"A ? cannot be empty.", "", "?", false},
		"Case":         {"The comparison is case-sensitive.", "A*", "a*", false},
		"AcrossColon":  {"Wildcards match colons, to be safe.", "arn:aws:*:x", "arn:aws:s3:eu:1:x", true},
		"Variable":     {"A variable can have any value.", "arn:aws:s3:::${aws:PrincipalTag/b}", "arn:aws:s3:::secret", true},
		"VariableEdge": {"The text around a variable must match.", "arn:aws:s3:::x${aws:PrincipalTag/b}", "arn:aws:s3:::secret", false},
		"LiteralStar":  {"${*} is one character.", "a${*}", "ab", false},
		"Unicode":      {"A ? matches a character, not a byte.", "?", "é", true},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := overlaps(ExactCase, tc.a, tc.b); got != tc.want {
				t.Errorf("Overlaps(%q, %q) = %t", tc.a, tc.b, got)
			}
			if got := overlaps(ExactCase, tc.b, tc.a); got != tc.want {
				t.Errorf("Overlaps(%q, %q) = %t", tc.b, tc.a, got)
			}
		})
	}
}

// overlaps compares one pattern with another as a denied one.
func overlaps(letters Case, a, b string) bool { return NewDenylist(letters, a).Overlaps(b) }

// coveredBy compares one pattern with another as an allowed one.
func coveredBy(letters Case, wide, narrow string) bool {
	return NewAllowlist(letters, wide).Covers(narrow)
}

func TestOverlaps_Case(t *testing.T) {
	if !overlaps(AnyCase, "IAM:Pass*", "iam:*role") {
		t.Error("Overlaps: actions have no case")
	}
	if overlaps(AnyCase, "IAM:Pass*", "iam:Get*") {
		t.Error("Overlaps: they still differ")
	}
}

func TestLists_AreBounded(t *testing.T) {
	long := strings.Repeat("a", maxText+1)
	if !overlaps(ExactCase, "bbb", long) {
		t.Error("Overlaps: texts too long to compare are taken to overlap")
	}
	if coveredBy(ExactCase, "*", long) {
		t.Error("Covers: texts too long to compare are not taken to be covered")
	}
	if overlaps(ExactCase, strings.Repeat("a", 4096), strings.Repeat("*?", 2047)+"b") {
		t.Error("Overlaps: patterns of the length of two ARNs are compared")
	}
}

// The first of several patterns is found, wherever its positions are.
func TestLists_First(t *testing.T) {
	var patterns []string
	for i := range 100 {
		patterns = append(patterns, strings.Repeat("x", i)+"*y"+strings.Repeat("z", i))
	}
	for i, p := range patterns {
		if got, found := NewDenylist(ExactCase, append(patterns[i:], "*")...).Overlapping(p); !found || got != 0 {
			t.Fatalf("Overlapping(%q) = %d, %t, want 0", p, got, found)
		}
		if got, found := NewDenylist(ExactCase, append([]string{"a", "b"}, p)...).Overlapping(p); !found || got != 2 {
			t.Fatalf("Overlapping(%q) = %d, %t, want 2", p, got, found)
		}
	}
	var many []rune
	for r := rune(0x100); len(many) < 1000; r++ {
		many = append(many, r)
	}
	if text := string(many) + "abc"; !overlaps(ExactCase, text, text) || !coveredBy(ExactCase, text, text) || coveredBy(ExactCase, text, string(many)+"acb") {
		t.Error("of a thousand characters each is one")
	}
	if _, found := NewDenylist[string](ExactCase).Overlapping(""); found {
		t.Error("no pattern overlaps")
	}
}

func TestCovers_EveryStringOfTheOther(t *testing.T) {
	cases := map[string]struct {
		reason       string
		wide, narrow string
		want         bool
	}{
		"Everything":    {"A * covers everything.", "*", "a*b?${aws:x}", true},
		"Itself":        {"A pattern covers itself.", "a*b?c", "a*b?c", true},
		"Prefix":        {"A shorter prefix is wider.", "s3:*", "s3:Get*", true},
		"NotWider":      {"A longer prefix is narrower.", "s3:Get*", "s3:*", false},
		"Mark":          {"A ? covers a character.", "a?", "ab", true},
		"MarkByStar":    {"A * covers a ?.", "a*", "a?", true},
		"StarByMark":    {"A ? does not cover a *.", "a?", "a*", false},
		"Order":         {"*? and ?* are the same.", "*?", "?*", true},
		"OrderBack":     {"?* and *? are the same.", "?*", "*?", true},
		"Stars":         {"Two * are one.", "*", "**", true},
		"StarThenText":  {"At least one character covers one at the end.", "*?", "*a", true},
		"AtLeastTwo":    {"At least one character covers at least two.", "?*", "*??", true},
		"AtLeastOne":    {"At least two characters do not cover at least one.", "*??", "?*", false},
		"Overlapping":   {"Patterns that overlap do not cover each other.", "a*", "*a", false},
		"Variable":      {"A variable covers itself.", "x${aws:A}", "x${AWS:a}", true},
		"OtherVariable": {"A variable does not cover another one.", "${aws:a}", "${aws:b}", false},
		"Default":       {"A default is part of the variable.", "${aws:a, 'x'}", "${aws:a}", false},
		"VariableMark":  {"A variable need not be one character.", "?", "${aws:a}", false},
		"LiteralStar":   {"${*} is one character, not a wildcard.", "a${*}", "a*", false},
		"LiteralByMark": {"A ? covers ${*}.", "a?", "a${*}", true},
		"Case":          {"The comparison is case-sensitive.", "A*", "a", false},
		"Empty":         {"An empty pattern covers only itself.", "", "a", false},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := coveredBy(ExactCase, tc.wide, tc.narrow); got != tc.want {
				t.Errorf("Covers(%q, %q) = %t", tc.wide, tc.narrow, got)
			}
		})
	}
	if !coveredBy(AnyCase, "S3:*", "s3:Get*") || coveredBy(AnyCase, "s3:Get*", "S3:*") {
		t.Error("Covers: actions have no case")
	}
}

// words are all strings of up to length characters of an alphabet.
func words(alphabet string, length int) []string {
	all, last := []string{""}, []string{""}
	for range length {
		var next []string
		for _, w := range last {
			for _, r := range alphabet {
				next = append(next, w+string(r))
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

// globMatches is the textbook definition, with which the efficient implementations are
// compared.
func globMatches(pattern, s string) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		return globMatches(pattern[1:], s) || s != "" && globMatches(pattern, s[1:])
	default:
		return s != "" && (pattern[0] == '?' || pattern[0] == s[0]) && globMatches(pattern[1:], s[1:])
	}
}

// FuzzOverlap compares Overlaps, Covers and the matcher with brute force over all short
// strings. Two patterns that overlap have a common string that is no longer than both
// together, and a pattern that does not cover another one misses a string with a letter
// that is in neither ("c").
func FuzzOverlap(f *testing.F) {
	for _, seed := range [][2]string{{"a*b", "?b*"}, {"*?", "*a"}, {"*?", "?*"}, {"a", "a*"}, {"**", ""}, {"a?b", "*"}, {"ab*", "*ba"}} {
		f.Add(seed[0], seed[1])
	}
	candidates := words("abc", 8)
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 8 || strings.Trim(a+b, "ab*?") != "" {
			t.Skip()
		}
		common := slices.ContainsFunc(candidates, func(s string) bool { return globMatches(a, s) && globMatches(b, s) })
		if got := overlaps(ExactCase, a, b); got != common {
			t.Errorf("Overlap(%q, %q) = %t, want %t", a, b, got, common)
		}
		missed := slices.ContainsFunc(candidates, func(s string) bool { return globMatches(b, s) && !globMatches(a, s) })
		if got := coveredBy(ExactCase, a, b); got == missed {
			t.Errorf("Covers(%q, %q) = %t, want %t", a, b, got, !missed)
		}
		tokens, _ := compile(a, glob, nil)
		if got := covers(tokens, literals(strings.NewReplacer("*", "ab", "?", "a").Replace(b))); got != globMatches(a, strings.NewReplacer("*", "ab", "?", "a").Replace(b)) {
			t.Errorf("matching %q is wrong: %t", a, got)
		}
	})
}

// coversPairwise and overlapPairwise are the definitions, token by token, with which the
// sets are compared.
func coversPairwise(wide, narrow []token) bool {
	at := make([]bool, len(wide)+1)
	at[0] = true
	skipStars(wide, at)
	for _, n := range narrow {
		next := make([]bool, len(wide)+1)
		for i, w := range wide {
			switch {
			case !at[i]:
			case w.isStar():
				next[i] = next[i] || w.kind == many || n.kind == literal && n.char != ':' || n.inSegment()
			case w.kind == one && (n.kind == literal || n.kind == one || n.kind == oneInSeg),
				w.kind == oneInSeg && (n.kind == literal && n.char != ':' || n.kind == oneInSeg), w == n:
				next[i+1] = true
			}
		}
		skipStars(wide, next)
		at = next
	}
	return at[len(wide)]
}

func overlapPairwise(a, b []token) bool {
	row := make([]bool, len(b)+1)
	row[0] = true
	skipStars(b, row)
	for _, x := range a {
		next := make([]bool, len(b)+1)
		next[0] = x.isStar() && row[0]
		for j, y := range b {
			switch {
			case y.isStar():
				next[j+1] = next[j] || row[j+1] && (meet(x, y) || x.isStar())
			case x.isStar():
				next[j+1] = row[j+1] || next[j] && meet(x, y)
			default:
				next[j+1] = row[j] && meet(x, y)
			}
		}
		row = next
	}
	return row[len(b)]
}

func skipStars(pattern []token, at []bool) {
	for i, t := range pattern {
		at[i+1] = at[i+1] || at[i] && t.isStar()
	}
}

// meet reports whether some character matches both tokens.
func meet(t, o token) bool {
	switch {
	case t.kind == literal && o.kind == literal:
		return t.char == o.char
	case t.kind == literal:
		return t.char != ':' || !o.inSegment()
	case o.kind == literal:
		return o.char != ':' || !t.inSegment()
	default:
		return true
	}
}

// A set gives the same result as its patterns one by one, also across its words of 64
// positions.
func TestPatternSet_MatchesAsItsPatterns(t *testing.T) {
	covered, overlapping := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		c, o := patternSetAgrees(t)
		covered, overlapping = covered+c, overlapping+o
	})
	if covered == 0 || overlapping == 0 {
		t.Error("the generators are of no use")
	}
}

// FuzzPatternSet looks for patterns for which a set gives another result.
func FuzzPatternSet(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { patternSetAgrees(t) }))
}

// genLongPattern draws patterns that are longer than a word.
var genLongPattern = rapid.Custom(func(t *rapid.T) string {
	return strings.Repeat(rapid.SampledFrom([]string{"", "a", "ab:", "a*", "?"}).Draw(t, "start"), rapid.IntRange(0, 40).Draw(t, "times")) +
		rapid.StringOfN(rapid.SampledFrom([]rune("ab:*?é${}")), 0, 30, -1).Draw(t, "rest")
})

func patternSetAgrees(t *rapid.T) (covered, overlapping int) {
	how := rapid.SampledFrom([]syntax{glob, resourceARN, conditionARN}).Draw(t, "syntax")
	read := func(text string, vars lookup) []token {
		tokens, _ := compile(text, how, vars)
		return tokens
	}
	texts := rapid.SliceOfN(genLongPattern, 0, 6).Draw(t, "patterns")
	other := rapid.OneOf(genLongPattern, rapid.SampledFrom(append(texts, "*"))).Draw(t, "other")
	for _, tc := range []struct {
		name  string
		vars  lookup
		set   func(*patternSet, []token) (int, bool)
		pair  func(pattern, other []token) bool
		count *int
	}{
		{"covering", keepVariables, (*patternSet).covering, coversPairwise, &covered},
		{"overlapping", matchAnyVariable, (*patternSet).overlapping, overlapPairwise, &overlapping},
	} {
		compiled := make([][]token, len(texts))
		for i, text := range texts {
			compiled[i] = read(text, tc.vars)
		}
		o := read(other, tc.vars)
		want := slices.IndexFunc(compiled, func(p []token) bool { return tc.pair(p, o) })
		got, found := tc.set(newPatternSet(compiled...), o)
		if found != (want >= 0) || found && got != want {
			t.Fatalf("%s(%q) of %q = %d, %t; want %d", tc.name, other, texts, got, found, want)
		}
		if found {
			*tc.count++
		}
	}
	return covered, overlapping
}
