package main

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// storm is an AWS that refuses three calls in ten, whatever they are.
var storm = awslocal.Faults{
	Latency: awslocal.Duration(latency),
	Rules:   []awslocal.Rule{{Error: "Throttling", Probability: 0.3}},
}

// measureStorm creates many identities, and edits some of them, while AWS throttles at
// random; then the throttling ends, and all must become ready.
func measureStorm(ctx context.Context, w *world, r *report) error {
	const namespace = "storm"
	n := w.scale.storm
	say("Throttling 30 %% of all calls for %d s, with %d identities", w.scale.stormSeconds, n)
	if err := w.begin(ctx, namespace, storm, bounded...); err != nil {
		return err
	}
	before, err := w.costs(ctx)
	if err != nil {
		return err
	}
	flapsBefore := w.tracker.flapped()
	if err := w.addIdentities(ctx, namespace, 0, n); err != nil {
		return err
	}
	edits, err := w.editThrough(ctx, namespace, n)
	if err != nil {
		return err
	}
	if err := w.setFaults(ctx, calm); err != nil {
		return err
	}
	calmed := time.Now()
	for i := range n {
		if err := w.tracker.awaitGeneration(ctx, client.ObjectKeyFromObject(identity(namespace, i)), edits[i]+1); err != nil {
			return fmt.Errorf("after the storm: %w", err)
		}
	}
	recovered := time.Since(calmed).Seconds()
	after, err := w.costs(ctx)
	if err != nil {
		return err
	}
	flaps := w.tracker.flapped() - flapsBefore

	const section = "Throttling of 30 % of all calls"
	name := fmt.Sprintf("%d identities for %d s, ", n, w.scale.stormSeconds)
	r.add(
		figure{Section: section, Name: name + "all Ready after the throttling ends", Unit: "s", Value: recovered}.meets("all ready", true), // or this were not reached
		unbounded("the remaining work depends on chance"),
	)
	r.add(
		figure{Section: section, Name: name + "identities that lost Ready", Unit: "times", Value: float64(flaps)}.meets("0", flaps == 0),
		least(0, "a throttled call must not affect a Ready identity"),
	)
	cost := after.since(before)
	calls := n * createCost
	for _, made := range edits {
		calls += int(made) * editCost
	}
	r.add(
		figure{Section: section, Name: name + "including throttled calls", Unit: "AWS calls", Value: float64(cost.total()), Detail: list(cost.calls)},
		least(float64(calls), "creates and edits without throttling"),
	)
	return w.clear(ctx, namespace)
}

// editThrough edits one identity after the other until the storm's time is over,
// and returns how often each was.
func (w *world) editThrough(ctx context.Context, namespace string, n int) ([]int64, error) {
	edits := make([]int64, n)
	over := time.After(time.Duration(w.scale.stormSeconds) * time.Second)
	next := time.NewTicker(time.Second)
	defer next.Stop()
	for i := 0; ; i++ {
		select {
		case <-over:
			return edits, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-next.C:
		}
		key := client.ObjectKeyFromObject(identity(namespace, i%n))
		if !w.tracker.isReady(key) {
			continue
		}
		_, err := w.edit(ctx, key, func(pi *v1alpha1.PodIdentity) { pi.Spec.Role.Description = fmt.Sprintf("edit %d", i) })
		if err != nil {
			return nil, err
		}
		edits[i%n]++
	}
}
