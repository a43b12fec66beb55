package main

import (
	"context"
	"fmt"
	"time"
)

// measureReady measures the time until a burst of new identities is Ready, in an account
// that AWS throttles at bucketRate.
func measureReady(ctx context.Context, env *environment, r *report) error {
	for _, n := range env.scale.ready {
		progress("Creating %d identities at %d calls/s", n, bucketRate)
		namespace := fmt.Sprintf("ready-%d", n)
		if err := env.start(ctx, namespace, withThrottling, limited...); err != nil {
			return err
		}
		before, err := env.calls(ctx)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := env.addIdentities(ctx, namespace, 0, n); err != nil {
			return err
		}
		if err := env.tracker.awaitReady(ctx, n); err != nil {
			return err
		}
		took := time.Since(began).Seconds()
		after, err := env.calls(ctx)
		if err != nil {
			return err
		}
		total := n * createCost
		shortest := float64(total) / bucketRate
		f := result{
			Section: readySection, Name: fmt.Sprintf("%d identities", n), N: n, Unit: "s", Value: took,
			Detail: format(after.since(before).aws),
		}
		if n == env.scale.readyGoal {
			f = f.withGoal("≤ 1.15 × the minimum", took <= 1.15*shortest)
		}
		r.add(f, minimumOf(shortest, "%d calls at %d/s; the burst of %d is not subtracted", total, bucketRate, bucketBurst))
		if err := env.clear(ctx, namespace); err != nil {
			return err
		}
	}
	return nil
}
