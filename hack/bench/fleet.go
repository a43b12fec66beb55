package main

import (
	"context"
	"fmt"
	"time"

	"github.com/podidentity/podidentity-operator/internal/awslocal"
)

// page is the most roles that AWS tells of in one answer.
const page = 1000

func pages(n int) int { return (n + page - 1) / page }

// measureFleet lets a crowd grow, and finds out what it costs to start the
// operator on it, to compare it with AWS, and to do nothing.
func measureFleet(ctx context.Context, w *world, r *report) error {
	const namespace = "fleet"
	if err := w.namespace(ctx, namespace); err != nil {
		return err
	}
	have := 0
	for _, n := range w.scale.checks {
		say("Comparing %d identities with AWS", n)
		if err := w.grow(ctx, namespace, have, n); err != nil {
			return err
		}
		have = n
		if err := measureStart(ctx, w, r, n); err != nil {
			return err
		}
	}
	return measureSteady(ctx, w, r, namespace, have)
}

// grow has an operator without bounds, on an AWS without latency, make the
// identities from have to n-1.
func (w *world) grow(ctx context.Context, namespace string, have, n int) error {
	if err := w.setFaults(ctx, awslocal.Faults{}); err != nil {
		return err
	}
	if err := w.restart(ctx, unbounded...); err != nil {
		return err
	}
	if err := w.addIdentities(ctx, namespace, have, n); err != nil {
		return err
	}
	return w.tracker.awaitReady(ctx, n)
}

// measureStart starts the operator on n identities in sync, and waits for the full
// check that this begins with.
func measureStart(ctx context.Context, w *world, r *report, n int) error {
	w.operator.stop()
	if err := w.setFaults(ctx, calm); err != nil {
		return err
	}
	before, err := w.costs(ctx)
	if err != nil {
		return err
	}
	if err := w.restart(ctx, bounded...); err != nil {
		return err
	}
	if err := w.awaitCheck(ctx); err != nil {
		return err
	}
	started := time.Since(w.operator.began).Seconds()
	if err := w.settle(ctx); err != nil {
		return err
	}
	after, err := w.costs(ctx)
	if err != nil {
		return err
	}
	cost := after.since(before)
	took, err := w.operator.metric(ctx, "podidentity_sweep_duration_seconds")
	if err != nil {
		return err
	}

	least := 2 * pages(n)
	checked := cost.calls["GetAccountAuthorizationDetails"] + cost.calls["ListRoles"]
	f := figure{
		Section: "Full check", Name: fmt.Sprintf("%d identities", n), N: n, Unit: "AWS calls", Value: float64(checked), Least: float64(least),
		Why: "a page of 1,000 roles of each of two lists", Detail: list(cost.calls),
	}
	if n == page {
		f.Goal, f.Reached = "the least exactly", reached("goal", checked == least)
	}
	r.add(f)
	r.add(figure{
		Section: "Full check", Name: fmt.Sprintf("%d identities", n), Unit: "s", Value: took, Least: float64(least) * latency.Seconds(),
		Why: fmt.Sprintf("the calls, of %s each", latency),
	})
	if n == w.scale.restart {
		const section = "Restart with all in sync"
		name := fmt.Sprintf("%d identities", n)
		r.add(figure{
			Section: section, Name: name, Unit: "AWS calls", Value: float64(cost.total()), Least: float64(least), Why: "a full check", Detail: list(cost.calls),
			Goal: "≤ 5", Reached: reached("goal", cost.total() <= 5),
		})
		r.add(figure{Section: section, Name: name, Unit: "API-server writes", Value: float64(cost.writes()), Detail: list(cost.made), Goal: "0", Reached: reached("goal", cost.writes() == 0)})
		r.add(figure{Section: section, Name: name, Unit: "s until all are checked", Value: started, Least: float64(least) * latency.Seconds()})
	}
	return nil
}

// awaitCheck waits until a full check is done.
func (w *world) awaitCheck(ctx context.Context) error {
	return eventually(ctx, "a full check", func() (bool, error) {
		at, err := w.operator.metric(ctx, "podidentity_last_full_check_timestamp_seconds")
		return at > 0, err
	})
}

// settle waits until nothing has been written or asked for some seconds.
func (w *world) settle(ctx context.Context) error {
	const quiet = 5 * time.Second
	var last string
	since := time.Now()
	return eventually(ctx, "quiet", func() (bool, error) {
		now, err := w.costs(ctx)
		if err != nil {
			return false, err
		}
		if state := fmt.Sprint(now); state != last {
			last, since = state, time.Now()
		}
		return time.Since(since) > quiet, nil
	})
}

// measureSteady fills the cluster, and looks at what the operator uses while there
// is nothing to do.
func measureSteady(ctx context.Context, w *world, r *report, namespace string, n int) error {
	say("Filling the cluster with %d pods and %d other ServiceAccounts", w.scale.pods, w.scale.accounts)
	if err := w.addServiceAccounts(ctx, namespace, w.scale.accounts); err != nil {
		return err
	}
	if err := w.addPods(ctx, namespace, n, w.scale.pods); err != nil {
		return err
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	if err := w.restart(ctx, bounded...); err != nil {
		return err
	}
	if err := w.awaitCheck(ctx); err != nil {
		return err
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	before, err := w.costs(ctx)
	if err != nil {
		return err
	}
	cpuBefore, err := w.operator.cpu()
	if err != nil {
		return err
	}
	say("Watching it do nothing for %d s", w.scale.steady)
	select {
	case <-time.After(time.Duration(w.scale.steady) * time.Second):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	cpuAfter, err := w.operator.cpu()
	if err != nil {
		return err
	}
	after, err := w.costs(ctx)
	if err != nil {
		return err
	}
	memory, err := w.operator.memory()
	if err != nil {
		return err
	}
	section := "Steady state"
	name := fmt.Sprintf("%d identities, %d pods, %d other ServiceAccounts", n, w.scale.pods, w.scale.accounts)
	r.add(figure{
		Section: section, Name: name, Unit: "MiB resident", Value: memory / (1 << 20),
		Goal: "≤ 200 MiB", Reached: reached("goal", memory <= 200<<20),
	})
	share := 100 * (cpuAfter - cpuBefore).Seconds() / float64(w.scale.steady)
	r.add(figure{
		Section: section, Name: name, Unit: "% of a core", Value: share,
		Goal: "< 1 %", Reached: reached("goal", share < 1), Detail: fmt.Sprintf("over %d s, between two full checks", w.scale.steady),
	})
	r.add(figure{Section: section, Name: name, Unit: "CPU seconds from the start on", Value: cpuAfter.Seconds()})
	cost := after.since(before)
	r.add(figure{Section: section, Name: name, Unit: "AWS calls", Value: float64(cost.total()), Goal: "0", Reached: reached("goal", cost.total() == 0)})
	r.add(figure{Section: section, Name: name, Unit: "API-server writes", Value: float64(cost.writes()), Detail: list(cost.made), Goal: "0", Reached: reached("goal", cost.writes() == 0)})
	return nil
}
