// Package fair decides which of several waiting flows is served next, so that neither a
// busy namespace nor urgent work of many namespaces starves the others.
package fair

import (
	"cmp"
	"slices"
)

// Flow is the work of one class in one namespace.
type Flow struct {
	Class     int // 0 is the most urgent
	Namespace string
}

// Turns remembers who was served. The more urgent class goes first, and within a class
// the namespace that has waited longest for its turn. Each class also has a share: while
// it waits, it is served at least that often, whatever the more urgent classes ask for.
// It is not safe for concurrent use.
type Turns struct {
	shares []float64 // by class; their sum is at most 1
	credit []float64 // by class: the turns that the class is owed
	served map[Flow]uint64
	turn   uint64
}

// NewTurns returns Turns for as many classes as there are shares.
func NewTurns(shares ...float64) *Turns {
	return &Turns{shares: shares, credit: make([]float64, len(shares)), served: map[Flow]uint64{}}
}

// Owed reports whether the class is owed a turn because of its share.
func (t *Turns) Owed(class int) bool { return t.credit[class] >= 1 }

// Next returns the flow that is served next. Among flows that are not owed a turn,
// those with the lower rank go first; nil ranks all the same. It returns false if
// nothing waits.
func (t *Turns) Next(waiting []Flow, rank func(Flow) int) (Flow, bool) {
	if len(waiting) == 0 {
		return Flow{}, false
	}
	if rank == nil {
		rank = func(Flow) int { return 0 }
	}
	return slices.MinFunc(waiting, func(a, b Flow) int {
		return cmp.Or(
			cmp.Compare(t.owed(b), t.owed(a)),
			cmp.Compare(rank(a), rank(b)),
			cmp.Compare(a.Class, b.Class),
			cmp.Compare(t.served[a], t.served[b]),
			cmp.Compare(a.Namespace, b.Namespace),
		)
	}), true
}

// owed returns the whole turns that the flow's class is owed.
func (t *Turns) owed(f Flow) float64 {
	if !t.Owed(f.Class) {
		return 0
	}
	return t.credit[f.Class]
}

// memory is the number of turns after which Turns forgets that a flow was served.
const memory = 4096

// Serve records that next was served while the flows waited.
func (t *Turns) Serve(next Flow, waiting []Flow) {
	t.turn++
	t.served[next] = t.turn
	waits := make([]bool, len(t.shares))
	for _, f := range waiting {
		waits[f.Class] = true
	}
	for class := range t.credit {
		switch {
		case class == next.Class:
			t.credit[class] = max(0, t.credit[class]-1)
		case waits[class]:
			t.credit[class] = min(2, t.credit[class]+t.shares[class])
		default:
			t.credit[class] = 0 // what does not wait saves nothing
		}
	}
	if t.turn%memory == 0 {
		for f, at := range t.served {
			if t.turn-at >= memory {
				delete(t.served, f)
			}
		}
	}
}
