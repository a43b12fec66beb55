package ratelimit

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

const (
	// recovery is how long a halved rate takes to be whole again, so that one
	// throttled call costs seconds and not hours.
	recovery = 30 * time.Second
	// minHalvingInterval is how long the rate is not halved again: the calls that were on their
	// way when AWS said stop say nothing about the halved rate.
	minHalvingInterval = time.Second
	// floor is the least share of the rate that is left: with less, nothing would
	// ever find out that AWS has recovered.
	floor = 1.0 / 32
	// reservedShare is the share of a full bucket that only edits may use: a crowd that takes
	// every token as it comes does not make them wait for the next one.
	reservedShare = 0.5
)

// bucket is a token bucket whose tokens go to the most urgent waiter.
type bucket struct {
	maxRate  float64 // tokens a second when all is well
	size     float64 // most tokens
	reserved float64 // tokens that are left to edits

	mu        sync.Mutex
	rate      float64 // tokens a second now
	tokens    float64
	updatedAt time.Time // of tokens and rate
	slowedAt  time.Time
	waiters   []*waiter
	order     uint64
	timer     *time.Timer
}

func newBucket(rate float64) *bucket {
	size := max(1, math.Ceil(rate))
	return &bucket{maxRate: rate, rate: rate, size: size, reserved: math.Floor(size * reservedShare), tokens: size, updatedAt: time.Now()}
}

func (b *bucket) acquire(ctx context.Context) error {
	if unlimited(b.maxRate) {
		return ctx.Err()
	}
	b.mu.Lock()
	b.order++
	w := &waiter{priority: func() Priority { return PriorityOf(ctx) }, order: b.order, ready: make(chan struct{})}
	b.waiters = append(b.waiters, w)
	b.serve()
	b.mu.Unlock()

	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		return b.cancel(ctx, w)
	}
}

// cancel takes a waiter that has given up out of the queue. One that got its token
// in the same moment hands it back.
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

// serve gives tokens to waiters while there are any, and sees to it that it is
// called again when there is one more. The caller holds the lock.
func (b *bucket) serve() {
	b.refill()
	for len(b.waiters) > 0 {
		next := slices.MinFunc(b.waiters, (*waiter).compare)
		if missing := b.needs(next.priority()) - b.tokens; missing > 0 {
			b.serveAfter(time.Duration(missing / b.rate * float64(time.Second)))
			return
		}
		b.tokens--
		b.remove(next)
		next.served = true
		close(next.ready)
	}
}

// needs returns how many tokens there must be for a call of that priority.
func (b *bucket) needs(p Priority) float64 {
	if p == Edit {
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

// refill adds what has accrued, and lets a lowered rate recover.
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

// waiter waits for a token. There are never more of them than workers, so that
// looking for the most urgent each time costs nothing, and its priority may change
// while it waits.
type waiter struct {
	priority func() Priority
	order    uint64
	ready    chan struct{}
	served   bool
}

// compare puts the more urgent first, and of two that are as urgent the one that
// came first.
func (w *waiter) compare(o *waiter) int {
	return cmp.Or(cmp.Compare(w.priority(), o.priority()), cmp.Compare(w.order, o.order))
}
