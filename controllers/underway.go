package controllers

import (
	"context"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/internal/budget"
)

// underway are the visits that are being made. Nobody else may visit the same
// object meanwhile, so that an edit would wait for a visit which itself waits, as
// the check that it is, behind all other checks: the edit hurries it. The zero
// value has none.
type underway struct {
	mu     sync.Mutex
	visits map[reconcile.Request]func(budget.Priority)
}

// begin returns the context for a visit of that urgency, and a function to be
// called when it is over.
func (u *underway) begin(ctx context.Context, request reconcile.Request, p budget.Priority) (context.Context, func()) {
	ctx = budget.WithPriority(ctx, p)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.visits == nil {
		u.visits = map[reconcile.Request]func(budget.Priority){}
	}
	u.visits[request] = func(p budget.Priority) { budget.Raise(ctx, p) }
	return ctx, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.visits, request)
	}
}

// hurry makes the visit that is being made, if there is one, at least that urgent.
func (u *underway) hurry(request reconcile.Request, p budget.Priority) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if raise, ok := u.visits[request]; ok {
		raise(p)
	}
}
