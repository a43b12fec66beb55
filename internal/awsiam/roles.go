package awsiam

import (
	"context"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Roles reads IAM roles and applies plans to them.
type Roles struct{ api API }

// New returns Roles that call api.
func New(api API) *Roles { return &Roles{api: api} }

// Observe returns the role of that name, or nil if there is none.
func (r *Roles) Observe(ctx context.Context, name string) (*plan.Observed, error) { return nil, nil }

// ObserveForTeardown returns what hangs on the role.
func (r *Roles) ObserveForTeardown(ctx context.Context, name string) (*plan.Observed, error) {
	return nil, nil
}

// Apply makes the changes.
func (r *Roles) Apply(ctx context.Context, name string, changes []plan.Change) (plan.Applied, error) {
	return plan.Applied{}, nil
}
