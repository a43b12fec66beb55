package main

import (
	"context"
	"fmt"
)

// measureSteadyState fills the cluster, and compares the usage of the operator while all is
// in sync with that in an empty cluster.
func measureSteadyState(ctx context.Context, env *environment, r *report, namespace string, n int, empty usage) error {
	progress("Filling the cluster with %d pods and %d other ServiceAccounts", env.scale.pods, env.scale.accounts)
	if err := env.addServiceAccounts(ctx, namespace, env.scale.accounts); err != nil {
		return err
	}
	if err := env.addPods(ctx, namespace, n, env.scale.pods); err != nil {
		return err
	}
	if err := env.settle(ctx); err != nil {
		return err
	}
	if _, err := env.usageAtRest(ctx); err != nil {
		return err
	}
	before, err := env.calls(ctx)
	if err != nil {
		return err
	}
	first, err := env.operator.usage()
	if err != nil {
		return err
	}
	progress("Measuring the steady state for %s", env.scale.steady)
	if err := sleep(ctx, env.scale.steady); err != nil {
		return err
	}
	last, err := env.operator.usage()
	if err != nil {
		return err
	}
	after, err := env.calls(ctx)
	if err != nil {
		return err
	}
	r.addSteadyState(env.scale, n, empty, first, last, after.since(before))
	return nil
}

// addSteadyState adds the usage of the operator and the calls between first and last.
func (r *report) addSteadyState(s scale, n int, empty, first, last usage, made calls) {
	const section, mib = "Steady state", 1 << 20
	name := fmt.Sprintf("%d identities, %d pods, %d other ServiceAccounts", n, s.pods, s.accounts)
	resultOf := func(unit string, value float64) result {
		return result{Section: section, Name: name, Unit: unit, Value: value}
	}
	nothing := minimumOf(0, "no changes")

	r.add(resultOf("MiB resident", last.memory/mib).withGoal("≤ 120 MiB", last.memory <= 120*mib), minimumOf(empty.memory/mib, "the operator in an empty cluster"))
	r.add(resultOf("CPU seconds since the start", last.cpu.Seconds()), minimumOf(empty.cpu.Seconds(), "the operator in an empty cluster, until it is at rest"))
	share := 100 * (last.cpu - first.cpu).Seconds() / s.steady.Seconds()
	f := resultOf("% of a core", share)
	f.Detail = fmt.Sprintf("over %s, between two drift checks", s.steady)
	r.add(f.withGoal("< 1 %", share < 1), nothing)
	f = resultOf("AWS calls", float64(sum(made.aws)))
	f.Detail = format(made.aws)
	r.add(f.withGoal("0", sum(made.aws) == 0), nothing)
	f = resultOf("API-server writes", float64(sum(made.writes)))
	f.Detail = format(made.writes)
	r.add(f.withGoal("0", sum(made.writes) == 0), nothing)
}
