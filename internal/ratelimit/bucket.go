package ratelimit

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/podidentity/podidentity-operator/internal/fair"
)

const (
	// recovery is the time in which a halved rate recovers, so that one throttled call
	// has an effect for seconds and not for hours.
	recovery = 30 * time.Second
	// minHalvingInterval is the time during which the rate is not halved again: calls
	// that were in flight when AWS throttled say nothing about the halved rate.
	minHalvingInterval = time.Second
	// floor is the share of the rate that always remains: with less, no call would find
	// out that AWS has recovered.
	floor = 1.0 / 32
	// reservedShare is the share of a full bucket that only flows with few calls may
	// use, so that they do not wait behind a busy flow for the next token.
	reservedShare = 0.5
	// fewCalls is the number of calls up to which a flow counts as one with few calls: the
	// creation of an identity, or an edit.
	fewCalls = 4
	// forgetShare is the share of the rate at which the calls of a flow are forgotten.
	forgetShare = 0.2
)

// The shares of the priorities in their order: of ten calls, at least two go to creations
// and two to repairs, if any are waiting, even if more urgent calls wait.
var shares = []float64{0.25, 0.1, 0.2, 0.2, 0.05}

// bucket is a token bucket. A flow is what one namespace does at one priority: flows with
// few recent calls go first, then the more urgent ones, and namespaces take turns.
type bucket struct {
	maxRate  float64 // tokens per second unless AWS throttles
	size     float64 // the maximum number of tokens
	reserved float64 // tokens that only flows with few calls may use

	mu        sync.Mutex
	rate      float64 // current tokens per second
	tokens    float64
	updatedAt time.Time // of tokens and rate
	slowedAt  time.Time
	waiters   []*waiter
	timer     *time.Timer
	turns     *fair.Turns
	recent    recentCalls
}

func newBucket(rate float64) *bucket {
	size := max(1, math.Ceil(rate))
	return &bucket{
		maxRate: rate, rate: rate, size: size, reserved: math.Floor(size * reservedShare), tokens: size, updatedAt: time.Now(),
		turns: fair.NewTurns(shares...), recent: recentCalls{forget: rate * forgetShare, calls: map[fair.Flow]callCount{}},
	}
}

func (b *bucket) acquire(ctx context.Context) error {
	if unlimited(b.maxRate) {
		return ctx.Err()
	}
	b.mu.Lock()
	w := &waiter{flow: func() fair.Flow { return flowOf(ctx) }, ready: make(chan struct{})}
	b.waiters = append(b.waiters, w)
	b.serve()
	b.mu.Unlock()

	if b.await(ctx, w) {
		return nil
	}
	return b.cancel(ctx, w)
}

// cancel removes a waiter that has given up from the queue. If it got a token at the same
// time, it returns the token.
func (b *bucket) cancel(ctx context.Context, w *waiter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.served {
		b.tokens = min(b.size, b.tokens+1)
		b.serve()
	} else {
		b.remove(w)
	}
	return ctx.Err()
}

func (b *bucket) remove(w *waiter) {
	b.waiters = slices.DeleteFunc(b.waiters, func(o *waiter) bool { return o == w })
}

// serve gives tokens to waiters while there are tokens, and schedules its next call for
// when there is another one. The caller holds the lock.
func (b *bucket) serve() {
	b.refill()
	for len(b.waiters) > 0 {
		flows, first := b.flows()
		flow, _ := b.turns.Next(flows, b.rank)
		if missing := b.needs(flow) - b.tokens; missing > 0 {
			b.serveAfter(time.Duration(missing / b.rate * float64(time.Second)))
			return
		}
		b.turns.Serve(flow, flows)
		b.recent.add(flow, b.updatedAt)
		b.tokens--
		next := first[flow]
		b.remove(next)
		next.served = true
		close(next.ready)
	}
}

// flows returns the flows that wait, and the first waiter of each. There are never more
// waiters than workers.
func (b *bucket) flows() ([]fair.Flow, map[fair.Flow]*waiter) {
	var flows []fair.Flow
	first := map[fair.Flow]*waiter{}
	for _, w := range b.waiters {
		flow := w.flow()
		if first[flow] == nil {
			first[flow] = w
			flows = append(flows, flow)
		}
	}
	return flows, first
}

// rank puts flows with few recent calls before the others. Checks of a namespace, for which
// no user waits, are the exception. The operator's own checks are not: they find out, in few
// calls, what has to be repaired in all namespaces.
func (b *bucket) rank(f fair.Flow) int {
	own := f.Namespace == ""
	if (f.Class < int(Check) || own) && b.recent.of(f, b.updatedAt) < fewCalls {
		return 0
	}
	return 1
}

// needs returns the number of tokens that the bucket must hold for a call of that flow.
func (b *bucket) needs(f fair.Flow) float64 {
	if b.rank(f) == 0 || b.turns.Owed(f.Class) {
		return 1
	}
	return 1 + b.reserved
}

func (b *bucket) serveAfter(d time.Duration) {
	if b.timer != nil {
		b.timer.Stop()
	}
	b.timer = time.AfterFunc(d+time.Microsecond, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.serve()
	})
}

// refill adds the tokens that have accrued, and lets a lowered rate recover.
func (b *bucket) refill() {
	now := time.Now()
	passed := now.Sub(b.updatedAt).Seconds()
	b.tokens = min(b.size, b.tokens+passed*b.rate)
	b.rate = min(b.maxRate, b.rate+passed*b.maxRate/recovery.Seconds())
	b.updatedAt = now
}

func (b *bucket) throttled() {
	if unlimited(b.maxRate) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	b.tokens = min(b.tokens, 0)
	if time.Since(b.slowedAt) < minHalvingInterval {
		return
	}
	b.slowedAt = time.Now()
	b.rate = max(b.maxRate*floor, b.rate/2)
}

func (b *bucket) current() float64 {
	if unlimited(b.maxRate) {
		return math.Inf(1)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	return b.rate
}

// waiter waits for a token. Its flow may change while it waits.
type waiter struct {
	flow   func() fair.Flow
	ready  chan struct{}
	served bool
}
