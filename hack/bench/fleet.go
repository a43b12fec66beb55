package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// page is the most roles that AWS returns in one answer.
const page = 1000

func pages(n int) int { return (n + page - 1) / page }

// measureFleet creates more and more identities, and finds out what a start of the
// operator costs, what a drift check costs, and what an operator at rest costs.
func measureFleet(ctx context.Context, w *world, r *report) error {
	const namespace = "fleet"
	if err := w.namespace(ctx, namespace); err != nil {
		return err
	}
	empty, err := w.baseline(ctx)
	if err != nil {
		return err
	}
	have := 0
	for _, n := range w.scale.checks {
		say("Measuring the drift check of %d identities", n)
		if err := w.grow(ctx, namespace, have, n); err != nil {
			return err
		}
		have = n
		if err := measureStart(ctx, w, r, n); err != nil {
			return err
		}
	}
	if err := measureSteady(ctx, w, r, namespace, have, empty); err != nil {
		return err
	}
	return measureEditsAmongChecks(ctx, w, r, namespace, have)
}

// grow has an operator without bounds, on an AWS without latency, make the
// identities from have to n-1.
func (w *world) grow(ctx context.Context, namespace string, have, n int) error {
	if err := w.setFaults(ctx, awslocal.Faults{}); err != nil {
		return err
	}
	if err := w.restart(ctx, hasty...); err != nil {
		return err
	}
	if err := w.addIdentities(ctx, namespace, have, n); err != nil {
		return err
	}
	return w.tracker.awaitReady(ctx, n)
}

// usage is what an operator uses of its machine.
type usage struct {
	memory float64       // bytes resident
	cpu    time.Duration // since its start
}

func (o *operator) usage() (usage, error) {
	memory, errMemory := o.memory()
	cpu, errCPU := o.cpu()
	return usage{memory, cpu}, errors.Join(errMemory, errCPU)
}

// baseline returns what an operator uses that has nothing to do.
func (w *world) baseline(ctx context.Context) (usage, error) {
	if err := w.restart(ctx, bounded...); err != nil {
		return usage{}, err
	}
	if err := w.awaitCheck(ctx); err != nil {
		return usage{}, err
	}
	if err := w.settle(ctx); err != nil {
		return usage{}, err
	}
	return w.operator.usage()
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
	took, err := w.operator.metric(ctx, "podidentity_drift_check_duration_seconds")
	if err != nil {
		return err
	}

	calls := 2 * pages(n)
	whole := least(float64(calls), "two lists, %d roles per page", page)
	lasts := least(float64(calls)*latency.Seconds(), "%d calls, sequential, %s each", calls, latency)
	name := fmt.Sprintf("%d identities", n)
	checked := cost.calls["GetAccountAuthorizationDetails"] + cost.calls["ListRoles"]
	f := figure{Section: checkSection, Name: name, N: n, Unit: "AWS calls", Value: float64(checked), Detail: list(cost.calls)}
	if n == page {
		f = f.meets("exactly the minimum", checked == calls)
	}
	r.add(f, whole)
	r.add(figure{Section: checkSection, Name: name, Unit: "s", Value: took}, lasts)
	if n == w.scale.restart {
		const section = "Restart, all in sync"
		f := figure{Section: section, Name: name, Unit: "AWS calls", Value: float64(cost.total()), Detail: list(cost.calls)}
		r.add(f.meets("≤ 5", cost.total() <= 5), whole)
		f = figure{Section: section, Name: name, Unit: "API-server writes", Value: float64(cost.writes()), Detail: list(cost.made)}
		r.add(f.meets("0", cost.writes() == 0), least(0, "no changes"))
		r.add(figure{Section: section, Name: name + ", until all are verified", Unit: "s", Value: started}, lasts)
	}
	return nil
}

// awaitCheck waits until a full check is done.
func (w *world) awaitCheck(ctx context.Context) error {
	return eventually(ctx, "a drift check", func() (bool, error) {
		at, err := w.operator.metric(ctx, "podidentity_drift_check_last_success_timestamp_seconds")
		return at > 0, err
	})
}

// settle waits until nothing has been written or asked for some seconds.
func (w *world) settle(ctx context.Context) error { return w.quiet(ctx, w.scale.quiet) }

// measureSteady fills the cluster, and compares what the operator uses while there is
// nothing to do with what it uses in an empty cluster.
func measureSteady(ctx context.Context, w *world, r *report, namespace string, n int, empty usage) error {
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
	if _, err := w.baseline(ctx); err != nil { // only waits until the operator is at rest
		return err
	}
	before, err := w.costs(ctx)
	if err != nil {
		return err
	}
	first, err := w.operator.usage()
	if err != nil {
		return err
	}
	say("Measuring idle load for %d s", w.scale.steady)
	select {
	case <-time.After(time.Duration(w.scale.steady) * time.Second):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	last, err := w.operator.usage()
	if err != nil {
		return err
	}
	after, err := w.costs(ctx)
	if err != nil {
		return err
	}
	r.addSteady(w.scale, n, empty, first, last, after.since(before))
	return nil
}

// addSteady reports what the operator used and cost between first and last.
func (r *report) addSteady(p scale, n int, empty, first, last usage, cost costs) {
	const section, mib = "Steady state", 1 << 20
	where := fmt.Sprintf("%d identities, %d pods, %d other ServiceAccounts", n, p.pods, p.accounts)
	figureOf := func(unit string, value float64) figure {
		return figure{Section: section, Name: where, Unit: unit, Value: value}
	}
	nothing := least(0, "no changes")

	r.add(figureOf("MiB resident", last.memory/mib).meets("≤ 200 MiB", last.memory <= 200*mib), least(empty.memory/mib, "the operator in an empty cluster"))
	r.add(figureOf("CPU seconds since start", last.cpu.Seconds()), least(empty.cpu.Seconds(), "the operator in an empty cluster, until idle"))
	share := 100 * (last.cpu - first.cpu).Seconds() / float64(p.steady)
	f := figureOf("% of a core", share)
	f.Detail = fmt.Sprintf("over %d s, between two drift checks", p.steady)
	r.add(f.meets("< 1 %", share < 1), nothing)
	f = figureOf("AWS calls", float64(cost.total()))
	f.Detail = list(cost.calls)
	r.add(f.meets("0", cost.total() == 0), nothing)
	f = figureOf("API-server writes", float64(cost.writes()))
	f.Detail = list(cost.made)
	r.add(f.meets("0", cost.writes() == 0), nothing)
}
