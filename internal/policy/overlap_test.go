package policy

import (
	"slices"
	"strings"
	"testing"
)

func TestOverlap(t *testing.T) {
	cases := map[string]struct {
		reason string
		a, b   string
		want   bool
	}{
		"Same":         {"A text meets itself.", "a", "a", true},
		"Different":    {"And no other.", "a", "b", false},
		"Prefixes":     {"The design's example.", "arn:aws:s3:::secre*", "arn:aws:s3:::secret-*", true},
		"BothEnds":     {"A start and an end can be of one name.", "secret-*", "*-archive", true},
		"Apart":        {"Two starts that differ cannot.", "secret-*", "shared-*", false},
		"Ends":         {"Nor two ends.", "*-a", "*-b", false},
		"Middle":       {"What is between must fit.", "a*bb*c", "a?c", false},
		"MiddleFits":   {"It does.", "a*bb*c", "a?b*", true},
		"Question":     {"One character is not none.", "a?", "a", false},
		"Stars":        {"A star can be nothing.", "a*", "*a", true},
		"Empty":        {"Nothing meets nothing.", "", "", true},
		"EmptyStar":    {"A star is nothing too.", "", "**", true},
		"EmptyMark":    {"A question mark is not.", "", "?", false},
		"Case":         {"Case counts.", "A*", "a*", false},
		"AcrossColon":  {"Wildcards pass colons, to be safe.", "arn:aws:*:x", "arn:aws:s3:eu:1:x", true},
		"Variable":     {"Whoever sets the tag chooses.", "arn:aws:s3:::${aws:PrincipalTag/b}", "arn:aws:s3:::secret", true},
		"VariableEdge": {"But not what is around it.", "arn:aws:s3:::x${aws:PrincipalTag/b}", "arn:aws:s3:::secret", false},
		"LiteralStar":  {"An escaped star is one character.", "a${*}", "ab", false},
		"Unicode":      {"Characters, not bytes.", "?", "é", true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Overlap(tc.a, tc.b); got != tc.want {
				t.Errorf("%s\nOverlap(%q, %q) = %t", tc.reason, tc.a, tc.b, got)
			}
			if got := Overlap(tc.b, tc.a); got != tc.want {
				t.Errorf("%s\nOverlap(%q, %q) = %t", tc.reason, tc.b, tc.a, got)
			}
		})
	}
}

func TestOverlapFold(t *testing.T) {
	if !OverlapFold("IAM:Pass*", "iam:*role") {
		t.Error("OverlapFold: actions have no case")
	}
	if OverlapFold("IAM:Pass*", "iam:Get*") {
		t.Error("OverlapFold: they still differ")
	}
}

func TestOverlapIsBounded(t *testing.T) {
	long := strings.Repeat("a", maxPairs/2)
	if !Overlap("bbb", long) {
		t.Error("Overlap: patterns too long to compare are taken to overlap")
	}
	if Covers("a*b", long+"b") {
		t.Error("Covers: patterns too long to compare are not taken to cover")
	}
	if Overlap(strings.Repeat("a", 4096), strings.Repeat("*?", 2047)+"b") {
		t.Error("Overlap: patterns of the length of two ARNs are compared")
	}
}

func TestCovers(t *testing.T) {
	cases := map[string]struct {
		reason       string
		wide, narrow string
		want         bool
	}{
		"Everything":    {"A star covers all.", "*", "a*b?${aws:x}", true},
		"Itself":        {"A pattern covers itself.", "a*b?c", "a*b?c", true},
		"Prefix":        {"A shorter prefix is wider.", "s3:*", "s3:Get*", true},
		"NotWider":      {"A longer one is not.", "s3:Get*", "s3:*", false},
		"Mark":          {"A character is covered by ?.", "a?", "ab", true},
		"MarkByStar":    {"And ? by a star.", "a*", "a?", true},
		"StarByMark":    {"Not the other way.", "a?", "a*", false},
		"Order":         {"*? is ?*.", "*?", "?*", true},
		"OrderBack":     {"And back.", "?*", "*?", true},
		"Stars":         {"Two stars are one.", "*", "**", true},
		"StarThenText":  {"Something is in at least one.", "*?", "*a", true},
		"AtLeastTwo":    {"At least two is at least one.", "?*", "*??", true},
		"AtLeastOne":    {"Not the other way.", "*??", "?*", false},
		"Overlapping":   {"To overlap is not to cover.", "a*", "*a", false},
		"Variable":      {"A variable covers itself.", "x${aws:A}", "x${AWS:a}", true},
		"OtherVariable": {"And no other.", "${aws:a}", "${aws:b}", false},
		"Default":       {"A default is part of it.", "${aws:a, 'x'}", "${aws:a}", false},
		"VariableMark":  {"It need not be one character.", "?", "${aws:a}", false},
		"LiteralStar":   {"An escaped star is a character.", "a${*}", "a*", false},
		"LiteralByMark": {"Which ? covers.", "a?", "a${*}", true},
		"Case":          {"Case counts.", "A*", "a", false},
		"Empty":         {"Nothing covers nothing only.", "", "a", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Covers(tc.wide, tc.narrow); got != tc.want {
				t.Errorf("%s\nCovers(%q, %q) = %t", tc.reason, tc.wide, tc.narrow, got)
			}
		})
	}
	if !CoversFold("S3:*", "s3:Get*") || CoversFold("s3:Get*", "S3:*") {
		t.Error("CoversFold: actions have no case")
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

// globMatches is the textbook definition, to judge the clever ones by.
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

// FuzzOverlap compares Overlap, Covers and the matcher with brute force over
// all short strings. Two patterns that overlap have a string in common no
// longer than both together, and one that does not cover another misses a
// string of a letter that is in neither ("c").
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
		if got := Overlap(a, b); got != common {
			t.Errorf("Overlap(%q, %q) = %t, want %t", a, b, got, common)
		}
		missed := slices.ContainsFunc(candidates, func(s string) bool { return globMatches(b, s) && !globMatches(a, s) })
		if got := Covers(a, b); got == missed {
			t.Errorf("Covers(%q, %q) = %t, want %t", a, b, got, !missed)
		}
		tokens, _ := compile(a, glob, nil)
		if got := covers(tokens, literals(strings.NewReplacer("*", "ab", "?", "a").Replace(b))); got != globMatches(a, strings.NewReplacer("*", "ab", "?", "a").Replace(b)) {
			t.Errorf("matching %q is wrong: %t", a, got)
		}
	})
}
