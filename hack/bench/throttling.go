package main

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// randomThrottling is an AWS endpoint that throttles 30 % of all calls.
var randomThrottling = awslocal.Faults{
	Latency: awslocal.Duration(latency),
	Rules:   []awslocal.Rule{{Error: "Throttling", Probability: 0.3}},
}

// measureThrottling creates identities and edits them while AWS throttles at random, and
// measures the time until all are Ready after the throttling has ended.
func measureThrottling(ctx context.Context, env *environment, r *report) error {
	const namespace = "throttling"
	n := env.scale.throttled
	progress("Throttling 30 %% of all calls for %s, with %d identities", env.scale.throttling, n)
	if err := env.start(ctx, namespace, randomThrottling, limited...); err != nil {
		return err
	}
	before, err := env.calls(ctx)
	if err != nil {
		return err
	}
	lostBefore := env.tracker.lostReady()
	if err := env.addIdentities(ctx, namespace, 0, n); err != nil {
		return err
	}
	edits, err := env.editUntil(ctx, namespace, n)
	if err != nil {
		return err
	}
	if err := env.setFaults(ctx, withLatency); err != nil {
		return err
	}
	ended := time.Now()
	for i := range n {
		if err := env.tracker.awaitGeneration(ctx, client.ObjectKeyFromObject(identity(namespace, i)), edits[i]+1); err != nil {
			return fmt.Errorf("after the throttling: %w", err)
		}
	}
	recovered := time.Since(ended).Seconds()
	after, err := env.calls(ctx)
	if err != nil {
		return err
	}
	lost := env.tracker.lostReady() - lostBefore

	const section = "Throttling of 30 % of all calls"
	name := fmt.Sprintf("%d identities for %s, ", n, env.scale.throttling)
	r.add(
		result{Section: section, Name: name + "all Ready after the throttling ends", Unit: "s", Value: recovered}.withGoal("all ready", true), // otherwise the measurement fails
		noMinimum("the remaining work is random"),
	)
	r.add(
		result{Section: section, Name: name + "identities that lost Ready", Unit: "times", Value: float64(lost)}.withGoal("0", lost == 0),
		minimumOf(0, "a throttled call must not affect a Ready identity"),
	)
	made := after.since(before)
	total := n * createCost
	for _, count := range edits {
		total += int(count) * editCost
	}
	r.add(
		result{Section: section, Name: name + "including throttled calls", Unit: "AWS calls", Value: float64(sum(made.aws)), Detail: format(made.aws)},
		minimumOf(float64(total), "creates and edits without throttling"),
	)
	return env.clear(ctx, namespace)
}

// editUntil edits one Ready identity a second while AWS throttles, and returns the number
// of edits of each.
func (env *environment) editUntil(ctx context.Context, namespace string, n int) ([]int64, error) {
	edits := make([]int64, n)
	over := time.After(env.scale.throttling)
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
		if !env.tracker.isReady(key) {
			continue
		}
		_, err := env.edit(ctx, key, describe(i))
		if err != nil {
			return nil, err
		}
		edits[i%n]++
	}
}
