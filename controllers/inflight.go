package controllers

import (
	"context"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// inFlight are the visits that are being made. Nobody else may visit the same
// object meanwhile, so that an edit would wait for a visit which itself waits, as
// the check that it is, behind all other checks: the edit hurries it. The zero
// value has none.
type inFlight struct {
	mu         sync.Mutex
	reconciles map[reconcile.Request]func(ratelimit.Priority)
}

// start returns the context for a visit of that urgency, and a function to be
// called when it is over.
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

// raise makes the visit that is being made, if there is one, at least that urgent.
func (u *inFlight) raise(request reconcile.Request, p ratelimit.Priority) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if raise, ok := u.reconciles[request]; ok {
		raise(p)
	}
}
