package main

import (
	"context"
	"fmt"
	"time"
)

// measureReady finds out how long a burst of new identities takes, in an account
// that serves so many calls a second.
func measureReady(ctx context.Context, w *world, r *report) error {
	for _, n := range w.scale.ready {
		say("Creating %d identities at %d calls/s", n, bucketRate)
		namespace := fmt.Sprintf("ready-%d", n)
		if err := w.begin(ctx, namespace, narrow, bounded...); err != nil {
			return err
		}
		before, err := w.costs(ctx)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := w.addIdentities(ctx, namespace, 0, n); err != nil {
			return err
		}
		if err := w.tracker.awaitReady(ctx, n); err != nil {
			return err
		}
		took := time.Since(began).Seconds()
		after, err := w.costs(ctx)
		if err != nil {
			return err
		}
		calls := n * createCost
		shortest := float64(calls) / bucketRate
		f := figure{
			Section: readySection, Name: fmt.Sprintf("%d identities", n), N: n, Unit: "s", Value: took,
			Detail: list(after.since(before).calls),
		}
		if n == w.scale.goalReady {
			f = f.meets("≤ 1.15 × the minimum", took <= 1.15*shortest)
		}
		r.add(f, least(shortest, "%d calls at %d/s; the burst of %d is not subtracted", calls, bucketRate, bucketBurst))
		if err := w.clear(ctx, namespace); err != nil {
			return err
		}
	}
	return nil
}
