package policy

import (
	"math/bits"
	"slices"
	"sync"
	"unicode/utf8"
)

// patternSet answers for all of its patterns together whether one covers a pattern,
// or overlaps with it. It has one bit for each position in each pattern, and follows
// all of them through the other pattern, 64 at a time. Its time is the product of the
// sizes divided by 64, whatever the patterns are: nothing in it backtracks.
type patternSet struct {
	// prefix are the literals that all patterns begin with: most ARNs share a prefix. It has
	// no positions here. head has them, and is only needed for patterns that do not begin
	// with prefix.
	prefix []token
	head   func() *patternSet
	// start has the positions that are reached after the prefix.
	start bitset
	// ends are the positions after the last token of each pattern, and end has them.
	ends []int
	end  bitset
	// ones has the positions of tokens that match any single character, onesInSeg
	// also those that match any except ':'. many and stars are the same for stars.
	ones, onesInSeg, many, stars bitset
	// single has the positions of all tokens that are not stars, noColon those that match
	// something else than ':'. across and acrossInSeg are the same with stars.
	single, noColon, across, acrossInSeg bitset
	// afterMany and afterStars have the positions after many and stars.
	afterMany, afterStars bitset
	none                  bitset // no position
	// spans have the positions of literals and variables, in memory. ascii, others and
	// variables say which, by character and by name; the first one is empty.
	spans     []span
	memory    bitset
	ascii     [utf8.RuneSelf]int32
	others    map[rune]int32
	variables map[string]int32
}

// newPatternSet returns the set of patterns, which compile has returned.
func newPatternSet(patterns ...[]token) *patternSet {
	prefix := commonPrefix(patterns)
	s := buildPatternSet(patterns, len(prefix))
	s.prefix = prefix
	s.head = sync.OnceValue(func() *patternSet { return buildPatternSet([][]token{prefix}, 0) })
	return s
}

// buildPatternSet returns the set of what follows the first tokens of patterns.
func buildPatternSet(patterns [][]token, skipped int) *patternSet {
	size, others := 0, 0
	for _, p := range patterns {
		size += len(p) - skipped + 1
		for _, t := range p[skipped:] {
			if t.kind == literal && t.char >= utf8.RuneSelf {
				others++
			}
		}
	}
	s := &patternSet{ends: make([]int, 0, len(patterns)), spans: make([]span, 1, 1+min(size, utf8.RuneSelf/4))}
	if others > 0 {
		s.others = make(map[rune]int32, others)
	}
	all := []*bitset{
		&s.start, &s.end, &s.ones, &s.onesInSeg, &s.many, &s.stars, &s.single, &s.noColon,
		&s.across, &s.acrossInSeg, &s.afterMany, &s.afterStars, &s.none,
	}
	words := size/64 + 1
	memory := make(bitset, len(all)*words)
	for i, b := range all {
		*b = memory[i*words : (i+1)*words]
	}
	spanAt := make([]int32, 0, size) // zero for wildcards and ends
	for _, p := range patterns {
		s.start.set(len(spanAt))
		for _, t := range p[skipped:] {
			at := len(spanAt)
			i := s.spanOf(t)
			s.spans[i].widen(at / 64)
			s.mark(t, at)
			spanAt = append(spanAt, i)
		}
		s.end.set(len(spanAt))
		s.ends = append(s.ends, len(spanAt))
		spanAt = append(spanAt, 0)
	}
	s.fillSpans(spanAt)
	for i := range words {
		s.across[i], s.acrossInSeg[i] = s.single[i]|s.stars[i], s.noColon[i]|s.stars[i]
	}
	(&reached{words: s.start, high: words - 1}).spread(s.stars)
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

// spanOf returns the span of a literal or variable, which it creates if necessary; zero
// for a wildcard.
func (s *patternSet) spanOf(t token) int32 {
	switch {
	case t.kind == literal && t.char >= 0 && t.char < utf8.RuneSelf:
		if s.ascii[t.char] == 0 {
			s.ascii[t.char] = s.newSpan()
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

func spanIn[K comparable](s *patternSet, index *map[K]int32, key K) int32 {
	if *index == nil {
		*index = map[K]int32{}
	}
	i, found := (*index)[key]
	if !found {
		i = s.newSpan()
		(*index)[key] = i
	}
	return i
}

func (s *patternSet) newSpan() int32 {
	s.spans = append(s.spans, span{})
	return int32(len(s.spans) - 1) //nolint:gosec // a policy has fewer characters
}

// fillSpans gives the spans their memory, for a character that occurs once a word, and sets
// the positions.
func (s *patternSet) fillSpans(spanAt []int32) {
	s.spans[0] = span{}
	total := 0
	for i := range s.spans {
		s.spans[i].first = total
		total += s.spans[i].size
	}
	s.memory = make(bitset, total)
	for at, i := range spanAt {
		if i > 0 {
			of := &s.spans[i]
			s.memory[of.first : of.first+of.size].set(at - of.offset*64)
		}
	}
}

// mark records what the token at a position may match.
func (s *patternSet) mark(t token, at int) {
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

// literal returns the span of a character.
func (s *patternSet) literal(r rune) span {
	if r >= 0 && r < utf8.RuneSelf {
		return s.spans[s.ascii[r]]
	}
	return s.spans[s.others[r]]
}

// covering returns the first of the patterns that matches every string that narrow
// matches, false if none does. Narrow may be a plain string. It errs towards false
// only: a pattern is compared token by token.
func (s *patternSet) covering(narrow []token) (int, bool) {
	if !beginsWith(narrow, s.prefix) {
		return 0, false
	}
	var memory [32]uint64
	at := s.begin(memory[:0])
	at.add(s.start)
	for _, n := range narrow[len(s.prefix):] {
		if !at.follow(s, s.cover(n)) {
			return 0, false
		}
	}
	return s.first(&at)
}

// step defines where a token of another pattern leads: from the positions in named and
// moves to the next ones, and from those in stays to the same ones.
type step struct {
	named        span
	moves, stays bitset
}

// cover returns the step over a token that must be matched whatever it stands for.
func (s *patternSet) cover(n token) step {
	switch n.kind {
	case many:
		return step{span{}, s.none, s.many}
	case manyInSeg:
		return step{span{}, s.none, s.stars}
	case one:
		return step{span{}, s.ones, s.many}
	case oneInSeg:
		return step{span{}, s.onesInSeg, s.stars}
	case variable:
		return step{s.spans[s.variables[n.name]], s.none, s.many}
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
	var memory [32]uint64
	at := s.begin(memory[:0])
	if !beginsWith(other, s.prefix) {
		s.meetWithHead(&at, other)
		return s.first(&at)
	}
	at.add(s.start)
	for _, o := range other[len(s.prefix):] {
		if !at.meet(s, o) {
			return 0, false
		}
	}
	return s.first(&at)
}

// meetWithHead follows other through the prefix, and from each of its ends through the
// rest of the patterns.
func (s *patternSet) meetWithHead(at *reached, other []token) {
	head := s.head()
	var memory [32]uint64
	front := head.begin(memory[:0])
	front.add(head.start)
	for _, o := range other {
		if o.isStar() { // it may match the rest of the prefix, and more
			front.meet(head, o)
		}
		if _, all := head.first(&front); all {
			at.add(s.start)
		}
		alive := at.meet(s, o)
		if !o.isStar() {
			alive = front.meet(head, o) || alive
		}
		if !alive && !o.isStar() {
			return
		}
	}
	if _, all := head.first(&front); all {
		at.add(s.start)
	}
}

// step returns the step over a token that must share a character.
func (s *patternSet) step(o token) step {
	switch o.kind {
	case one:
		return step{span{}, s.single, s.afterStars}
	case oneInSeg:
		return step{span{}, s.noColon, s.afterStars}
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

// span is a set of positions that are near each other. It begins with the word offset; its
// words begin in the memory of its patternSet with first.
type span struct{ offset, size, first int }

// widen makes the span include a word, before it has its memory.
func (s *span) widen(word int) {
	if s.size == 0 {
		s.offset = word
	}
	s.size = word - s.offset + 1
}

// reached is the set of positions that are reached. Words outside low and high are
// zero.
type reached struct {
	words     bitset
	low, high int
}

// begin returns an empty set of positions of s, in memory if that is large enough.
func (s *patternSet) begin(memory bitset) reached {
	return reached{words: append(memory, s.none...), high: -1}
}

// add adds positions.
func (r *reached) add(positions bitset) {
	for i, word := range positions {
		r.words[i] |= word
	}
	r.low, r.high = 0, len(r.words)-1
	r.trim()
}

// trim drops words without positions from both ends, and reports whether any is left.
func (r *reached) trim() bool {
	for r.high >= r.low && r.words[r.high] == 0 {
		r.high--
	}
	for r.low < r.high && r.words[r.low] == 0 {
		r.low++
	}
	return r.high >= r.low
}

// meet follows a token that must share a character, and reports whether any position is
// left.
func (r *reached) meet(s *patternSet, o token) bool {
	switch o.kind {
	case many:
		r.spread(s.across)
	case manyInSeg:
		r.spread(s.acrossInSeg)
	default:
		return r.follow(s, s.step(o))
	}
	return r.high >= r.low
}

// follow replaces the positions with those that a step leads to, and reports whether
// there are any. From a star a step also leads to the next position, because a star
// matches the empty string. No star follows another, see normalize.
func (r *reached) follow(s *patternSet, to step) bool {
	if r.high < r.low {
		return false
	}
	low, high := r.low, min(r.high+2, len(r.words)) // the last position of a word leads to the next word
	begin := min(max(to.named.offset, low), high)
	end := min(max(to.named.offset+to.named.size, begin), high)
	carry := advance(r.words[low:begin], to.moves[low:], to.stays[low:], s.stars[low:], 0)
	named := s.memory[to.named.first : to.named.first+to.named.size]
	carry = advanceNamed(r.words[begin:end], named[min(max(begin-to.named.offset, 0), to.named.size):], to.moves[begin:], to.stays[begin:], s.stars[begin:], carry)
	advance(r.words[end:high], to.moves[end:], to.stays[end:], s.stars[end:], carry)
	r.high = high - 1
	return r.trim()
}

// advance makes one step from each position of words. The carry is the first position of
// the next word; it depends on no carry before, so that the words can be computed in
// parallel: a star at the last position of a word is not reached from the word before.
func advance(words, moves, stays, stars bitset, carry uint64) uint64 {
	moves, stays, stars = moves[:len(words)], stays[:len(words)], stars[:len(words)]
	for i, at := range words {
		if at|carry == 0 {
			continue
		}
		from := at & moves[i]
		to := from<<1 | at&stays[i]
		next := (from | to&stars[i]) >> 63
		to |= carry
		words[i] = to | (to&stars[i])<<1
		carry = next
	}
	return carry
}

// advanceNamed is advance from named positions as well.
func advanceNamed(words, named, moves, stays, stars bitset, carry uint64) uint64 {
	named, moves, stays, stars = named[:len(words)], moves[:len(words)], stays[:len(words)], stars[:len(words)]
	for i, at := range words {
		if at|carry == 0 {
			continue
		}
		from := at & (moves[i] | named[i])
		to := from<<1 | at&stays[i]
		next := (from | to&stars[i]) >> 63
		to |= carry
		words[i] = to | (to&stars[i])<<1
		carry = next
	}
	return carry
}

// spread adds all positions that can be reached through those of through. A run of them is
// crossed by the carry of an addition.
func (r *reached) spread(through bitset) {
	var carry uint64
	for i := r.low; i < len(r.words) && (i <= r.high || carry != 0); i++ {
		at := r.words[i]
		var sum uint64
		sum, carry = bits.Add64(at&through[i], through[i], carry)
		r.words[i] = at | (sum ^ through[i])
		r.high = max(r.high, i)
	}
}
