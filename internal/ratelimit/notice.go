package ratelimit

import (
	"context"
	"sync"
	"time"
)

// Wait describes what a call waits for.
type Wait struct {
	Rate    float64 // calls per second that the limiter allows now
	Waiting int     // number of waiting calls, this one included
}

type noticeKey struct{}

// notice is a function to call at most once, if a call still waits at that time.
type notice struct {
	at   time.Time
	give func(Wait)
	once sync.Once
}

// WithNotice returns a context whose first AWS call that still waits at that time, or
// later, calls give and then continues to wait.
func WithNotice(ctx context.Context, at time.Time, give func(Wait)) context.Context {
	return context.WithValue(ctx, noticeKey{}, &notice{at: at, give: give})
}

// await waits until w is served, the time of the notice has come, or ctx ends, and reports
// whether w is served.
func (b *bucket) await(ctx context.Context, w *waiter) bool {
	n, ok := ctx.Value(noticeKey{}).(*notice)
	if ok {
		timer := time.NewTimer(time.Until(n.at))
		defer timer.Stop()
		select {
		case <-w.ready:
			return true
		case <-ctx.Done():
			return false
		case <-timer.C:
			if state, waits := b.state(w); waits {
				n.once.Do(func() { n.give(state) })
			}
		}
	}
	select {
	case <-w.ready:
		return true
	case <-ctx.Done():
		return false
	}
}

// state describes what w waits for, and reports whether it still waits.
func (b *bucket) state(w *waiter) (Wait, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Wait{Rate: b.rate, Waiting: len(b.waiters)}, !w.served
}
