package controllers

import (
	"context"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// inFlight tracks the reconciles that are running. The queue holds back a second
// reconcile of the same object, so an edit would wait for a running drift check that
// itself waits for the rate limiter behind all other checks; the edit raises the
// priority of the running reconcile instead. The zero value is empty.
type inFlight struct {
	mu         sync.Mutex
	reconciles map[reconcile.Request]func(ratelimit.Priority)
}

// start returns the context of a reconcile with that priority, and a function to call
// at its end.
func (u *inFlight) start(ctx context.Context, request reconcile.Request, p ratelimit.Priority) (context.Context, func()) {
	ctx = ratelimit.WithPriority(ctx, p)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.reconciles == nil {
		u.reconciles = map[reconcile.Request]func(ratelimit.Priority){}
	}
	u.reconciles[request] = func(p ratelimit.Priority) { ratelimit.Raise(ctx, p) }
	return ctx, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.reconciles, request)
	}
}

// raise gives a running reconcile of the object, if there is one, at least that priority.
func (u *inFlight) raise(request reconcile.Request, p ratelimit.Priority) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if raise, ok := u.reconciles[request]; ok {
		raise(p)
	}
}
