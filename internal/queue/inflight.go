package queue

import (
	"context"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// InFlight tracks the reconciles that are running. The queue holds back a second
// reconcile of the same object, so an edit would wait for a running drift check that
// itself waits for the rate limiter behind all other checks; the edit raises the
// priority of the running reconcile instead. The zero value is empty.
type InFlight struct {
	mu         sync.Mutex
	reconciles map[reconcile.Request]func(ratelimit.Priority)
}

// Start returns the context of a reconcile with that priority, whose AWS calls belong to
// the namespace of the request, and a function to call at its end.
func (f *InFlight) Start(ctx context.Context, request reconcile.Request, p ratelimit.Priority) (context.Context, func()) {
	ctx = ratelimit.WithNamespace(ratelimit.WithPriority(ctx, p), request.Namespace)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reconciles == nil {
		f.reconciles = map[reconcile.Request]func(ratelimit.Priority){}
	}
	f.reconciles[request] = func(p ratelimit.Priority) { ratelimit.Raise(ctx, p) }
	return ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.reconciles, request)
	}
}

// Raise gives a running reconcile of the object, if there is one, at least that priority.
func (f *InFlight) Raise(request reconcile.Request, p ratelimit.Priority) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if raise, ok := f.reconciles[request]; ok {
		raise(p)
	}
}
