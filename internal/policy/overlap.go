package policy

// maxPairs bounds the work of comparing two patterns, the product of their
// lengths. An ARN has at most 2,048 characters; two patterns of twice that are
// within it.
const maxPairs = 1 << 24

func tooLong(a, b string) bool { return len(a) > 0 && len(b) > maxPairs/len(a) }

// Overlap reports whether two wildcard patterns, of * and ?, have a string in
// common: arn:aws:s3:::secre* and *-archive do. A policy variable stands for
// any string, since whoever sets the tag behind it chooses.
//
// It is meant for what is forbidden, and errs towards true: wildcards match
// across the segments of an ARN, and patterns far longer than any ARN overlap
// with everything.
func Overlap(a, b string) bool {
	if tooLong(a, b) {
		return true
	}
	x, _ := compile(a, glob, matchAnyVariable)
	y, _ := compile(b, glob, matchAnyVariable)
	return overlap(x, y)
}

// OverlapFold is Overlap without regard to the case of ASCII letters, as
// actions have none.
func OverlapFold(a, b string) bool { return Overlap(lower(a), lower(b)) }

// Covers reports whether the pattern wide matches every string that the
// pattern narrow matches. It is meant for what is allowed, and errs towards
// false: a policy variable in narrow is covered by a * or by itself only, and
// patterns far longer than any ARN are not compared.
func Covers(wide, narrow string) bool {
	if tooLong(wide, narrow) {
		return false
	}
	w, _ := compile(wide, glob, keepVariables)
	n, _ := compile(narrow, glob, keepVariables)
	return covers(w, n)
}

// CoversFold is Covers without regard to the case of ASCII letters.
func CoversFold(wide, narrow string) bool { return Covers(lower(wide), lower(narrow)) }

// matchAnyVariable is the lookup that knows nothing about the values of variables.
func matchAnyVariable(ref variableRef) ([]token, bool) {
	if ref.literal != 0 {
		return []token{{kind: literal, char: ref.literal}}, true
	}
	return []token{{kind: many}}, true
}

// keepVariables is the lookup that keeps variables as they are.
func keepVariables(ref variableRef) ([]token, bool) {
	if ref.literal != 0 {
		return []token{{kind: literal, char: ref.literal}}, true
	}
	return []token{{kind: variable, name: ref.text()}}, true
}

// overlap walks both patterns at once over the string in common. Row i of the
// table says for which j that string can be matched by a[:i] and b[:j] both.
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
				// y matches nothing, or x and stays; or x matches nothing.
				next[j+1] = next[j] || row[j+1] && x.meets(y) || star && row[j+1]
			case star:
				// x matches nothing, or y and stays.
				next[j+1] = row[j+1] || next[j] && x.meets(y)
			default:
				next[j+1] = row[j] && x.meets(y)
			}
		}
		row = next
	}
	return row[len(b)]
}

// meets reports whether some character is matched by both tokens.
func (t token) meets(o token) bool {
	switch {
	case t.kind == literal && o.kind == literal:
		return t.char == o.char
	case t.kind == literal:
		return t.char != ':' || !o.inSegment()
	case o.kind == literal:
		return o.char != ':' || !t.inSegment()
	default:
		return true // two wildcards share every character but ':' at least
	}
}

func (t token) inSegment() bool { return t.kind == oneInSeg || t.kind == manyInSeg }
