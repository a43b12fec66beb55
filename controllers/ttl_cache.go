package controllers

import (
	"cmp"
	"context"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/podidentity/podidentity-operator/internal/fault"
)

// ttlCache caches the result of a check that all objects share, so that the operator
// checks once and not once per object. Its zero value is empty.
type ttlCache[T any] struct {
	mu    sync.Mutex
	at    time.Time
	value T
	err   error
}

// ttls are the times for which a result is valid. An error that a user must fix is valid
// for blocked, if that is set, and any other for failure.
type ttls struct{ success, failure, blocked time.Duration }

func (t ttls) of(err error) time.Duration {
	switch {
	case err == nil:
		return t.success
	case fault.KindOf(err) == fault.Blocked:
		return cmp.Or(t.blocked, t.failure)
	default:
		return t.failure
	}
}

// get returns the cached result while it is valid, and the result of check otherwise.
// Callers that arrive while a check runs wait for its result.
func (c *ttlCache[T]) get(ctx context.Context, now clock.PassiveClock, ttl ttls, check func(context.Context) (T, error)) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.at.IsZero() && now.Since(c.at) < ttl.of(c.err) {
		return c.value, c.err
	}
	c.value, c.err = check(ctx)
	c.at = now.Now()
	if ctx.Err() != nil {
		c.at = time.Time{} // the caller was canceled, which is not a result for the others
	}
	return c.value, c.err
}

// invalidate makes the next get check again if the result is an error or older than
// age.
func (c *ttlCache[T]) invalidate(now clock.PassiveClock, age time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || now.Since(c.at) > age {
		c.at = time.Time{}
	}
}
