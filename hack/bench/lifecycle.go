package main

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

const lifecycleSection = "One identity"

// step is one event in the life of an identity.
type step struct {
	name  string
	do    func() error
	await func() error
	// calls and writes are the minima of the AWS calls and of the writes by the operator.
	calls, writes minimum
	// goal is the highest permitted number of AWS calls; 0 if there is no goal.
	goal int
	// requests is the highest permitted number of requests to the API server, events
	// included; 0 if they are not measured.
	requests int
}

// measureLifecycle counts the calls for a create, an edit, a requested reconciliation and a
// delete of one identity.
func measureLifecycle(ctx context.Context, env *environment, r *report) error {
	const namespace = "lifecycle"
	progress("Counting the calls of one identity")
	if err := env.start(ctx, namespace, withLatency, limited...); err != nil {
		return err
	}
	for _, s := range env.lifecycle(ctx, namespace) {
		if err := env.measureStep(ctx, r, s); err != nil {
			return err
		}
	}
	return env.clear(ctx, namespace) // later measurements wait until no identity is left
}

// lifecycle returns the steps of an identity's life. The operator reads the contents of a
// managed policy once for all identities, so the first step is another identity's.
func (env *environment) lifecycle(ctx context.Context, namespace string) []step {
	first, pi := identity(namespace, 1), identity(namespace, 0)
	key := client.ObjectKeyFromObject(pi)
	return []step{
		{
			name: "create, first use of a managed policy", goal: createCost + policyReadCost,
			calls:  minimumOf(createCost+policyReadCost, "1 + managed + inline, and 2 reads of the contents of the managed policy"),
			writes: minimumOf(3, "finalizer, ServiceAccount, status"),
			do:     func() error { return env.user.Create(ctx, first) },
			await:  func() error { return env.tracker.awaitGeneration(ctx, client.ObjectKeyFromObject(first), 1) },
		},
		{
			name: "create", goal: createCost, requests: createRequests,
			calls: minimumOf(createCost, "1 + managed + inline"), writes: minimumOf(3, "finalizer, ServiceAccount, status"),
			do:    func() error { return env.user.Create(ctx, pi) },
			await: func() error { return env.tracker.awaitGeneration(ctx, key, 1) },
		},
		{
			name: "edit of one inline policy", goal: editCost,
			calls: minimumOf(editCost, "1 read of the role's owner, 1 write"), writes: minimumOf(1, "status"),
			do: func() error {
				_, err := env.edit(ctx, key, func(pi *v1alpha1.PodIdentity) {
					pi.Spec.Policies.Inline[0].Statements[0].Actions = []v1alpha1.Action{"s3:GetObject"}
				})
				return err
			},
			await: func() error { return env.tracker.awaitGeneration(ctx, key, 2) },
		},
		{
			name: "requested reconciliation, in sync", calls: minimumOf(fullReadCost, "4 reads of the role; the managed policy was read shortly before"), writes: minimumOf(1, "status, which confirms the request"),
			do:    func() error { return env.request(ctx, key, "lifecycle") },
			await: func() error { return env.awaitHandled(ctx, key, "lifecycle") },
		},
		{
			name: "delete", goal: 3 + deleteCost,
			calls:  minimumOf(3+deleteCost, "the ownership check, the update of the trust policy, the role, and 1 for each policy"),
			writes: minimumOf(2, "ServiceAccount, finalizer"),
			do:     func() error { return env.user.Delete(ctx, pi) },
			await:  func() error { return env.tracker.awaitDeleted(ctx, key) },
		},
	}
}

func (env *environment) measureStep(ctx context.Context, r *report, s step) error {
	before, err := env.calls(ctx)
	if err != nil {
		return err
	}
	requestsBefore, err := env.operator.metric(ctx, apiRequestsMetric)
	if err != nil {
		return err
	}
	if err := s.do(); err != nil {
		return err
	}
	if err := errors.Join(s.await(), env.awaitIdle(ctx, time.Second)); err != nil {
		return err
	}
	after, err := env.calls(ctx)
	if err != nil {
		return err
	}
	requests, err := env.operator.metric(ctx, apiRequestsMetric)
	if err != nil {
		return err
	}
	made := after.since(before)
	made.aws = without(made.aws, "GetOpenIDConnectProvider") // periodic, once for the cluster
	n := sum(made.aws)
	f := result{Section: lifecycleSection, Name: s.name, Unit: "AWS calls", Value: float64(n), Detail: format(made.aws)}
	if s.goal > 0 {
		f = f.withGoal("the minimum", n <= s.goal)
	}
	r.add(f, s.calls)
	const byUser = 1
	r.add(result{Section: lifecycleSection, Name: s.name, Unit: "API-server writes", Value: float64(sum(made.writes) - byUser)}, s.writes)
	if s.requests > 0 {
		f := result{Section: lifecycleSection, Name: s.name, Unit: "API-server requests", Value: requests - requestsBefore}
		r.add(f.withGoal("≤ 6", f.Value <= float64(s.requests)), minimumOf(5, "finalizer, ServiceAccount, status, and an event each for role and ServiceAccount"))
	}
	return nil
}

// createRequests is the highest permitted number of requests to the API server for a create:
// finalizer, ServiceAccount, two writes of the status, two events.
const createRequests = 6

// apiRequestsMetric counts the requests of a client of the API server.
const apiRequestsMetric = "rest_client_requests_total"
