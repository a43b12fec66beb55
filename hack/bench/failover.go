package main

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// measureFailover kills and stops the leader, and measures the time until the standby has
// applied an edit that is made at that moment.
func measureFailover(ctx context.Context, env *environment, r *report) error {
	const namespace = "failover"
	lease := env.scale.lease
	progress("Measuring failover with a lease of %s", lease)
	if err := env.start(ctx, namespace, withLatency, limited...); err != nil {
		return err
	}
	if err := env.addIdentities(ctx, namespace, 0, 1); err != nil {
		return err
	}
	if err := env.tracker.awaitReady(ctx, 1); err != nil {
		return err
	}
	flags := append([]string{"--leader-election-namespace=" + namespace, "--leader-election-lease-duration=" + lease.String()}, limited...)
	if err := env.launchLeader(ctx, namespace, flags...); err != nil {
		return err
	}
	retry := lease / 15 // interval at which the leader renews the lease and the standby reads it

	const section = "Failover"
	took, err := env.measureOne(ctx, namespace, (*operator).kill, flags...)
	if err != nil {
		return err
	}
	f := result{Section: section, Name: "leader killed, until an edit is applied", Unit: "s", Value: took}
	limit := lease + 2*retry + time.Second
	r.add(f.withGoal(fmt.Sprintf("≤ %s: the lease, two retry periods, 1 s", limit), took <= limit.Seconds()),
		minimumOf((lease-retry).Seconds(), "the lease of %s, renewed at most %s before", lease, retry))

	took, err = env.measureOne(ctx, namespace, (*operator).stop, flags...)
	if err != nil {
		return err
	}
	f = result{Section: section, Name: "leader stopped, until an edit is applied", Unit: "s", Value: took}
	r.add(f.withGoal("< the lease / 2", took < lease.Seconds()/2), minimumOf(repairSeconds, "%s; the lease is released", repairBasis))
	return env.clear(ctx, namespace)
}

// launchLeader starts an operator with leader election, and waits until it has applied an
// edit.
func (env *environment) launchLeader(ctx context.Context, namespace string, flags ...string) error {
	env.operator.stop()
	var err error
	if env.operator, err = env.launch(ctx, flags...); err != nil {
		return err
	}
	return env.editFirst(ctx, namespace, "leader")
}

// measureOne starts a standby, ends the leader, and returns the seconds until an edit is
// applied. The standby is the leader then.
func (env *environment) measureOne(ctx context.Context, namespace string, end func(*operator), flags ...string) (float64, error) {
	standby, err := env.launch(ctx, flags...)
	if err != nil {
		standby.kill()
		return 0, err
	}
	began := time.Now()
	end(env.operator)
	env.operator = standby
	err = env.editFirst(ctx, namespace, fmt.Sprint(began))
	return time.Since(began).Seconds(), err
}

// editFirst edits the first identity, and waits until the edit is applied.
func (env *environment) editFirst(ctx context.Context, namespace, description string) error {
	key := client.ObjectKeyFromObject(identity(namespace, 0))
	generation, err := env.edit(ctx, key, describe(description))
	if err != nil {
		return err
	}
	return env.tracker.awaitGeneration(ctx, key, generation)
}
