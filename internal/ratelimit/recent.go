package ratelimit

import (
	"time"

	"github.com/podidentity/podidentity-operator/internal/fair"
)

// recentCalls counts the calls of each flow, and forgets them at a constant rate.
type recentCalls struct {
	forget float64 // calls per second
	calls  map[fair.Flow]callCount
}

// callCount is a number of calls at a time.
type callCount struct {
	calls float64
	at    time.Time
}

// of returns the number of recent calls of a flow.
func (r *recentCalls) of(f fair.Flow, now time.Time) float64 {
	c, ok := r.calls[f]
	if !ok {
		return 0
	}
	return max(0, c.calls-now.Sub(c.at).Seconds()*r.forget)
}

// mostFlows is the number of flows above which flows without recent calls are dropped.
const mostFlows = 1000

// add counts a call.
func (r *recentCalls) add(f fair.Flow, now time.Time) {
	if len(r.calls) >= mostFlows {
		for other := range r.calls {
			if r.of(other, now) == 0 {
				delete(r.calls, other)
			}
		}
	}
	r.calls[f] = callCount{calls: min(r.of(f, now)+1, mostRecent), at: now}
}

// mostRecent limits the calls that are remembered, so that a flow which pauses for a
// while counts as a flow with few calls again.
const mostRecent = 4 * fewCalls
