package main

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// measureFailover has a leader end, without a word and as it should, and finds out
// when the standby serves an edit that is made at that moment.
func measureFailover(ctx context.Context, w *world, r *report) error {
	const namespace = "failover"
	lease := w.scale.lease
	say("Measuring failover with a lease of %s", lease)
	if err := w.begin(ctx, namespace, calm, bounded...); err != nil {
		return err
	}
	if err := w.addIdentities(ctx, namespace, 0, 1); err != nil {
		return err
	}
	if err := w.tracker.awaitReady(ctx, 1); err != nil {
		return err
	}
	flags := append([]string{"--leader-election-namespace=" + namespace, "--leader-election-lease-duration=" + lease.String()}, bounded...)
	if err := w.lead(ctx, namespace, flags...); err != nil {
		return err
	}
	retry := lease * 2 / 15 // how often the lease is renewed, and looked at

	const section = "Failover"
	took, err := w.failOver(ctx, namespace, (*operator).kill, flags...)
	if err != nil {
		return err
	}
	f := figure{Section: section, Name: "leader killed, until an edit is applied", Unit: "s", Value: took}
	limit := lease + retry + time.Second
	r.add(f.meets(fmt.Sprintf("≤ %s: the lease, one retry period, 1 s", limit), took <= limit.Seconds()),
		least((lease-retry).Seconds(), "the lease of %s, renewed at most %s before", lease, retry))

	took, err = w.failOver(ctx, namespace, (*operator).stop, flags...)
	if err != nil {
		return err
	}
	f = figure{Section: section, Name: "leader stopped, until an edit is applied", Unit: "s", Value: took}
	r.add(f.meets("< the lease / 2", took < lease.Seconds()/2), least(repairSeconds, "%s; the lease is released", repairWhy))
	return w.clear(ctx, namespace)
}

// lead starts an operator that takes part in the election, and waits until it leads:
// it serves an edit then.
func (w *world) lead(ctx context.Context, namespace string, flags ...string) error {
	w.operator.stop()
	var err error
	if w.operator, err = w.launch(ctx, flags...); err != nil {
		return err
	}
	return w.editOne(ctx, namespace, "lead")
}

// failOver starts a standby, ends the leader, and returns how many seconds later an
// edit was served. The standby is the leader then.
func (w *world) failOver(ctx context.Context, namespace string, end func(*operator), flags ...string) (float64, error) {
	standby, err := w.launch(ctx, flags...)
	if err != nil {
		standby.kill()
		return 0, err
	}
	began := time.Now()
	end(w.operator)
	w.operator = standby
	err = w.editOne(ctx, namespace, fmt.Sprint(began))
	return time.Since(began).Seconds(), err
}

// editOne edits the first identity, and waits until that is served.
func (w *world) editOne(ctx context.Context, namespace, description string) error {
	key := client.ObjectKeyFromObject(identity(namespace, 0))
	generation, err := w.edit(ctx, key, func(pi *v1alpha1.PodIdentity) { pi.Spec.Role.Description = description })
	if err != nil {
		return err
	}
	return w.tracker.awaitGeneration(ctx, key, generation)
}
