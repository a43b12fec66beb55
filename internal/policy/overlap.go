package policy

// maxPairs limits the work of comparing two patterns, which is the product of their
// lengths. It admits two patterns of 4,096 characters. An ARN has at most 2,048.
const maxPairs = 1 << 24

func tooLong(a, b string) bool { return len(a) > 0 && len(b) > maxPairs/len(a) }

// Overlap reports whether some string matches both wildcard patterns, of * and ?, such
// as arn:aws:s3:::secre* and *-archive. A policy variable matches any string, because
// its value is a tag that others can set.
//
// It is for denied patterns and errs towards true: wildcards match across the segments
// of an ARN, and patterns much longer than any ARN overlap with everything.
func Overlap(a, b string) bool {
	if tooLong(a, b) {
		return true
	}
	x, _ := compile(a, glob, matchAnyVariable)
	y, _ := compile(b, glob, matchAnyVariable)
	return overlap(x, y)
}

// OverlapFold is like Overlap, but compares ASCII letters case-insensitively, as IAM
// compares actions.
func OverlapFold(a, b string) bool { return Overlap(lower(a), lower(b)) }

// Covers reports whether the pattern wide matches every string that the pattern narrow
// matches. It is for allowed patterns and errs towards false: only a * or the same
// variable covers a policy variable in narrow, and patterns much longer than any ARN
// are not compared.
func Covers(wide, narrow string) bool {
	if tooLong(wide, narrow) {
		return false
	}
	w, _ := compile(wide, glob, keepVariables)
	n, _ := compile(narrow, glob, keepVariables)
	return covers(w, n)
}

// CoversFold is like Covers, but compares ASCII letters case-insensitively.
func CoversFold(wide, narrow string) bool { return Covers(lower(wide), lower(narrow)) }

// matchAnyVariable is the lookup in which a variable has any value.
func matchAnyVariable(ref variableRef) ([]token, bool) {
	if ref.literal != 0 {
		return []token{{kind: literal, char: ref.literal}}, true
	}
	return []token{{kind: many}}, true
}

// keepVariables is the lookup that keeps variables as variable tokens.
func keepVariables(ref variableRef) ([]token, bool) {
	if ref.literal != 0 {
		return []token{{kind: literal, char: ref.literal}}, true
	}
	return []token{{kind: variable, name: ref.text()}}, true
}

// overlap reports whether some string matches both patterns. Row i of its table holds
// for each j whether some string matches both a[:i] and b[:j].
func overlap(a, b []token) bool {
	row := make([]bool, len(b)+1)
	row[0] = true
	skipStars(b, row)
	for _, x := range a {
		next := make([]bool, len(b)+1)
		star := x.isStar()
		next[0] = star && row[0]
		for j, y := range b {
			switch {
			case y.isStar():
				// The star y matches nothing or what x matches; or the star x matches nothing.
				next[j+1] = next[j] || row[j+1] && x.meets(y) || star && row[j+1]
			case star:
				// The star x matches nothing or what y matches.
				next[j+1] = row[j+1] || next[j] && x.meets(y)
			default:
				next[j+1] = row[j] && x.meets(y)
			}
		}
		row = next
	}
	return row[len(b)]
}

// meets reports whether some character matches both tokens.
func (t token) meets(o token) bool {
	switch {
	case t.kind == literal && o.kind == literal:
		return t.char == o.char
	case t.kind == literal:
		return t.char != ':' || !o.inSegment()
	case o.kind == literal:
		return o.char != ':' || !t.inSegment()
	default:
		return true // two wildcards share at least every character except ':'
	}
}

func (t token) inSegment() bool { return t.kind == oneInSeg || t.kind == manyInSeg }
