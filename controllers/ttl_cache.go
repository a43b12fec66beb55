package controllers

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// ttlCache remembers the outcome of a check that all objects share, so that it is
// made once and not once for each of them. Its zero value has checked nothing.
type ttlCache[T any] struct {
	mu    sync.Mutex
	at    time.Time
	value T
	err   error
}

// ttls says how long an outcome is good for.
type ttls struct{ success, failure time.Duration }

// get returns the last outcome if it is young enough, and that of check
// otherwise. Callers that come while a check runs wait for its outcome.
func (c *ttlCache[T]) get(ctx context.Context, now clock.PassiveClock, good ttls, check func(context.Context) (T, error)) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := good.success
	if c.err != nil {
		age = good.failure
	}
	if !c.at.IsZero() && now.Since(c.at) < age {
		return c.value, c.err
	}
	c.value, c.err = check(ctx)
	c.at = now.Now()
	if ctx.Err() != nil {
		c.at = time.Time{} // the caller gave up: that says nothing for the others
	}
	return c.value, c.err
}

// invalidate has the next get check again what failed, or is older than that.
func (c *ttlCache[T]) invalidate(now clock.PassiveClock, age time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || now.Since(c.at) > age {
		c.at = time.Time{}
	}
}
