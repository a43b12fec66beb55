package budget

import (
	"container/heap"
	"context"
	"math"
	"sync"
	"time"
)

const (
	// recovery is how long a halved rate takes to be whole again, so that one
	// throttled call costs seconds and not hours.
	recovery = 30 * time.Second
	// lull is how long the rate is not halved again: the calls that were on their
	// way when AWS said stop say nothing about the halved rate.
	lull = time.Second
	// floor is the least share of the rate that is left: with less, nothing would
	// ever find out that AWS has recovered.
	floor = 1.0 / 32
)

// bucket is a token bucket whose tokens go to the most urgent waiter.
type bucket struct {
	full float64 // tokens a second when all is well
	size float64 // most tokens

	mu       sync.Mutex
	rate     float64 // tokens a second now
	tokens   float64
	at       time.Time // of tokens and rate
	slowedAt time.Time
	waiters  waiters
	order    uint64
	timer    *time.Timer
}

func newBucket(rate float64) *bucket {
	size := max(1, math.Ceil(rate))
	return &bucket{full: rate, rate: rate, size: size, tokens: size, at: time.Now()}
}

func (b *bucket) acquire(ctx context.Context, p Priority) error {
	if unbound(b.full) {
		return ctx.Err()
	}
	b.mu.Lock()
	b.order++
	w := &waiter{priority: p, order: b.order, ready: make(chan struct{})}
	heap.Push(&b.waiters, w)
	b.serve()
	b.mu.Unlock()

	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		return b.leave(ctx, w)
	}
}

// leave takes a waiter that has given up out of the queue. One that got its token
// in the same moment hands it back.
func (b *bucket) leave(ctx context.Context, w *waiter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.index < 0 {
		b.tokens = min(b.size, b.tokens+1)
		b.serve()
	} else {
		heap.Remove(&b.waiters, w.index)
	}
	return ctx.Err()
}

// serve gives tokens to waiters while there are any, and sees to it that it is
// called again when there is one more. The caller holds the lock.
func (b *bucket) serve() {
	b.refill()
	for len(b.waiters) > 0 && b.tokens >= 1 {
		b.tokens--
		close(heap.Pop(&b.waiters).(*waiter).ready)
	}
	if len(b.waiters) == 0 {
		return
	}
	missing := time.Duration((1 - b.tokens) / b.rate * float64(time.Second))
	if b.timer != nil {
		b.timer.Stop()
	}
	b.timer = time.AfterFunc(missing+time.Microsecond, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.serve()
	})
}

// refill adds what has accrued, and lets a lowered rate recover.
func (b *bucket) refill() {
	now := time.Now()
	passed := now.Sub(b.at).Seconds()
	b.tokens = min(b.size, b.tokens+passed*b.rate)
	b.rate = min(b.full, b.rate+passed*b.full/recovery.Seconds())
	b.at = now
}

func (b *bucket) throttled() {
	if unbound(b.full) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	b.tokens = min(b.tokens, 0)
	if time.Since(b.slowedAt) < lull {
		return
	}
	b.slowedAt = time.Now()
	b.rate = max(b.full*floor, b.rate/2)
}

func (b *bucket) current() float64 {
	if unbound(b.full) {
		return math.Inf(1)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	return b.rate
}

// waiter waits for a token.
type waiter struct {
	priority Priority
	order    uint64
	ready    chan struct{}
	index    int // in the heap; -1 once served
}

// waiters is a heap: the most urgent first, and of these the one that came first.
type waiters []*waiter

func (w waiters) Len() int { return len(w) }

func (w waiters) Less(i, j int) bool {
	if w[i].priority != w[j].priority {
		return w[i].priority < w[j].priority
	}
	return w[i].order < w[j].order
}

func (w waiters) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].index, w[j].index = i, j
}

// Push implements heap.Interface.
func (w *waiters) Push(x any) {
	added := x.(*waiter)
	added.index = len(*w)
	*w = append(*w, added)
}

// Pop implements heap.Interface.
func (w *waiters) Pop() any {
	last := len(*w) - 1
	popped := (*w)[last]
	popped.index = -1
	(*w)[last] = nil
	*w = (*w)[:last]
	return popped
}
