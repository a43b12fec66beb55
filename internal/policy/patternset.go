package policy

import (
	"math/bits"
	"slices"
	"unicode/utf8"
)

// patternSet answers for all of its patterns together whether one covers a pattern,
// or overlaps with it. It has one bit for each position in each pattern, and follows
// all of them through the other pattern, 64 at a time. Its time is the product of the
// sizes divided by 64, whatever the patterns are: nothing in it backtracks.
type patternSet struct {
	// ends are the positions after the last token of each pattern.
	ends []int
	// end has the positions of ends.
	end bitset
	// ones has the positions of tokens that match any single character, onesInSeg
	// also those that match any except ':'. many and stars are the same for stars.
	ones, onesInSeg, many, stars bitset
	// single has the positions of all tokens that are not stars, noColon those that
	// match something else than ':'.
	single, noColon bitset
	// afterMany and afterStars have the positions after many and stars.
	afterMany, afterStars bitset
	none                  bitset // no position
	// spans have the positions of literals and variables. ascii, others and variables
	// say which, by character and by name; the first one is empty.
	spans     []span
	ascii     [utf8.RuneSelf]int
	others    map[rune]int
	variables map[string]int
	// prefix are the literals that all patterns begin with: most ARNs share a prefix.
	// initial has the positions that are reached before anything is read, inside those
	// after the prefix.
	prefix          []token
	initial, inside bitset
}

// newPatternSet returns the set of patterns, which compile has returned.
func newPatternSet(patterns ...[]token) *patternSet {
	size := 0
	for _, p := range patterns {
		size += len(p) + 1
	}
	s := &patternSet{ends: make([]int, 0, len(patterns)), spans: make([]span, 1, 1+utf8.RuneSelf/4)}
	all := []*bitset{
		&s.end, &s.ones, &s.onesInSeg, &s.many, &s.stars,
		&s.single, &s.noColon, &s.afterMany, &s.afterStars, &s.none, &s.initial, &s.inside,
	}
	words := size/64 + 1
	memory := make(bitset, len(all)*words)
	for i, b := range all {
		*b = memory[i*words : (i+1)*words]
	}
	s.measure(patterns)
	s.prefix = commonPrefix(patterns)
	at := 0
	for _, p := range patterns {
		s.initial.set(at)
		s.inside.set(at + len(s.prefix))
		for _, t := range p {
			s.add(t, at)
			at++
		}
		s.end.set(at)
		s.ends = append(s.ends, at)
		at++
	}
	for _, b := range []bitset{s.initial, s.inside} {
		(&reached{words: b, high: words - 1}).spread(s.none, s.stars)
	}
	return s
}

// commonPrefix returns the literals that all patterns begin with.
func commonPrefix(patterns [][]token) []token {
	if len(patterns) == 0 {
		return nil
	}
	prefix := patterns[0]
	for _, p := range patterns {
		n := 0
		for n < min(len(prefix), len(p)) && prefix[n] == p[n] && p[n].kind == literal {
			n++
		}
		prefix = prefix[:n]
	}
	return prefix
}

// beginsWith reports whether pattern begins with the literals of prefix.
func beginsWith(pattern, prefix []token) bool {
	if len(pattern) < len(prefix) {
		return false
	}
	for i, t := range prefix {
		if pattern[i].kind != literal || pattern[i].char != t.char {
			return false
		}
	}
	return true
}

// measure finds the spans of literals and variables, and gives them their memory: for
// a character that occurs once, a word.
func (s *patternSet) measure(patterns [][]token) {
	at := 0
	for _, p := range patterns {
		for _, t := range p {
			if i := s.spanToFill(t); i > 0 {
				s.spans[i].widen(at / 64)
			}
			at++
		}
		at++
	}
	total := 0
	for _, of := range s.spans {
		total += of.size
	}
	memory := make(bitset, total)
	for i := range s.spans {
		of := &s.spans[i]
		of.words, memory = memory[:of.size:of.size], memory[of.size:]
	}
}

// spanToFill returns the span of a literal or variable, which it creates if necessary;
// zero for a wildcard.
func (s *patternSet) spanToFill(t token) int {
	switch {
	case t.kind == literal && t.char >= 0 && t.char < utf8.RuneSelf:
		if s.ascii[t.char] == 0 {
			s.ascii[t.char] = len(s.spans)
			s.spans = append(s.spans, span{})
		}
		return s.ascii[t.char]
	case t.kind == literal:
		return spanIn(s, &s.others, t.char)
	case t.kind == variable:
		return spanIn(s, &s.variables, t.name)
	default:
		return 0
	}
}

func spanIn[K comparable](s *patternSet, index *map[K]int, key K) int {
	if *index == nil {
		*index = map[K]int{}
	}
	i, found := (*index)[key]
	if !found {
		i = len(s.spans)
		(*index)[key] = i
		s.spans = append(s.spans, span{})
	}
	return i
}

func (s *patternSet) add(t token, at int) {
	if i := s.spanToFill(t); i > 0 {
		s.spans[i].set(at)
	}
	switch t.kind {
	case many:
		s.many.set(at)
		s.afterMany.set(at + 1)
	case one:
		s.ones.set(at)
		s.onesInSeg.set(at)
	case oneInSeg:
		s.onesInSeg.set(at)
	default:
	}
	if t.isStar() {
		s.stars.set(at)
		s.afterStars.set(at + 1)
		return
	}
	s.single.set(at)
	if t.kind != literal || t.char != ':' {
		s.noColon.set(at)
	}
}

// literal returns the positions of a character.
func (s *patternSet) literal(r rune) *span {
	if r >= 0 && r < utf8.RuneSelf {
		return &s.spans[s.ascii[r]]
	}
	return &s.spans[s.others[r]]
}

// covering returns the first of the patterns that matches every string that narrow
// matches, false if none does. Narrow may be a plain string. It errs towards false
// only: a pattern is compared token by token.
func (s *patternSet) covering(narrow []token) (int, bool) {
	if !beginsWith(narrow, s.prefix) {
		return 0, false
	}
	var memory [8]uint64
	at := reached{words: append(memory[:0], s.inside...), high: len(s.inside) - 1}
	for _, n := range narrow[len(s.prefix):] {
		step := s.cover(n)
		if !at.follow(step, s.stars) {
			return 0, false
		}
	}
	return s.first(&at)
}

// step defines where a token of another pattern leads: from the positions in named and
// moves to the next ones, and from those in stays to the same ones.
type step struct {
	named        *span
	moves, stays bitset
}

// cover returns the step over a token that must be matched whatever it stands for.
func (s *patternSet) cover(n token) step {
	nothing := &s.spans[0]
	switch n.kind {
	case many:
		return step{nothing, s.none, s.many}
	case manyInSeg:
		return step{nothing, s.none, s.stars}
	case one:
		return step{nothing, s.ones, s.many}
	case oneInSeg:
		return step{nothing, s.onesInSeg, s.stars}
	case variable:
		return step{&s.spans[s.variables[n.name]], s.none, s.many}
	default:
		if n.char == ':' {
			return step{s.literal(n.char), s.ones, s.many}
		}
		return step{s.literal(n.char), s.onesInSeg, s.stars}
	}
}

// overlapping returns the first of the patterns that shares a string with other,
// false if none does. Neither has a variable.
//
// A position is reached if some string matches both the pattern up to there and what
// was read of other. Where a star of the pattern matches more, its position is the one
// after the star.
func (s *patternSet) overlapping(other []token) (int, bool) {
	first := s.initial
	if beginsWith(other, s.prefix) {
		first, other = s.inside, other[len(s.prefix):]
	}
	var memory [8]uint64
	at := reached{words: append(memory[:0], first...), high: len(first) - 1}
	for _, o := range other {
		step := s.meet(o)
		if o.isStar() {
			at.spread(step.moves, s.stars)
		} else if !at.follow(step, s.stars) {
			return 0, false
		}
	}
	return s.first(&at)
}

// meet returns the step over a token that must share a character.
func (s *patternSet) meet(o token) step {
	nothing := &s.spans[0]
	switch o.kind {
	case one, many:
		return step{nothing, s.single, s.afterStars}
	case oneInSeg, manyInSeg:
		return step{nothing, s.noColon, s.afterStars}
	default:
		if o.char == ':' {
			return step{s.literal(o.char), s.ones, s.afterMany}
		}
		return step{s.literal(o.char), s.onesInSeg, s.afterStars}
	}
}

// first returns the first pattern whose end was reached.
func (s *patternSet) first(at *reached) (int, bool) {
	for i := at.low; i <= at.high; i++ {
		if word := at.words[i] & s.end[i]; word != 0 {
			return slices.BinarySearch(s.ends, i*64+bits.TrailingZeros64(word))
		}
	}
	return 0, false
}

// bitset is a set of positions.
type bitset []uint64

func (b bitset) set(i int) { b[i/64] |= 1 << (i % 64) }

// span is a set of positions that are near each other. It begins with the word offset.
type span struct {
	words        bitset
	offset, size int
}

// widen makes the span include a word, before it has its memory.
func (s *span) widen(word int) {
	if s.size == 0 {
		s.offset = word
	}
	s.size = word - s.offset + 1
}

func (s *span) set(i int) { s.words.set(i - s.offset*64) }

// reached is the set of positions that are reached. Words outside low and high are
// zero.
type reached struct {
	words     bitset
	low, high int
}

// follow replaces the positions with those that a step leads to, and reports whether
// there are any. From a star a step also leads to the next position, because a star
// matches the empty string. No star follows another, see normalize.
func (r *reached) follow(s step, stars bitset) bool {
	words := r.words
	moves, stays, stars := s.moves[:len(words)], s.stays[:len(words)], stars[:len(words)]
	named, offset := s.named.words, s.named.offset
	var carry uint64
	low, high := len(words), -1
	for i := r.low; i < len(words) && (i <= r.high || carry != 0); i++ {
		at := words[i]
		if at|carry == 0 {
			continue
		}
		from := at & moves[i]
		if n := i - offset; n >= 0 && n < len(named) {
			from |= at & named[n]
		}
		to := from<<1 | carry | at&stays[i]
		skip := to & stars[i]
		to |= skip << 1
		carry = (from | skip) >> 63
		words[i] = to
		if to != 0 {
			low, high = min(low, i), i
		}
	}
	r.low, r.high = low, high
	return high >= 0
}

// spread adds all positions that can be reached through those of moves and stars. A
// run of them is crossed by the carry of an addition.
func (r *reached) spread(moves, stars bitset) {
	var carry uint64
	for i := r.low; i < len(r.words) && (i <= r.high || carry != 0); i++ {
		at, through := r.words[i], stars[i]|moves[i]
		var sum uint64
		sum, carry = bits.Add64(at&through, through, carry)
		r.words[i] = at | (sum ^ through)
		r.high = max(r.high, i)
	}
}
