package main

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// measureEvents measures the time from a message about an out-of-band change until the
// change is reverted, and the AWS calls in addition to those of the repairs. Another
// identity is edited meanwhile: the messages about the operator's own calls must cost
// nothing.
func measureEvents(ctx context.Context, env *environment, r *report) error {
	const namespace, queue, section = "events", "bench", "Drift by event"
	n := env.scale.driftEvents
	progress("Changing %d roles out of band, with an event queue", n)
	if err := post(ctx, env.endpoint+"/_awslocal/events", awslocal.Events{Queue: queue}); err != nil {
		return err
	}
	flags := append([]string{"--event-queue-url=" + env.endpoint + "/" + accountID + "/" + queue}, limited...)
	if err := env.start(ctx, namespace, withLatency, flags...); err != nil {
		return err
	}
	if err := env.addIdentities(ctx, namespace, 0, n+1); err != nil {
		return err
	}
	if err := env.tracker.awaitReady(ctx, n+1); err != nil {
		return err
	}
	if err := env.settle(ctx); err != nil {
		return err
	}
	before, err := env.awsCalls(ctx)
	if err != nil {
		return err
	}
	seconds, err := env.timeEventRepairs(ctx, namespace, n)
	if err != nil {
		return err
	}
	after, err := env.awsCalls(ctx)
	if err != nil {
		return err
	}
	longest := percentile(seconds, 100)
	r.add(result{
		Section: section, Name: fmt.Sprintf("%d roles changed out of band, longest time from the message to the repair", n), Unit: "s", Value: longest,
		Detail: fmt.Sprintf("p50 %s s", number(percentile(seconds, 50))),
	}.withGoal("< 2 s", longest < 2), minimumOf(repairSeconds, "%s", repairBasis))
	r.addEventCalls(section, n, subtract(after, before))
	if err := post(ctx, env.endpoint+"/_awslocal/events", awslocal.Events{}); err != nil {
		return err
	}
	return env.clear(ctx, namespace)
}

// timeEventRepairs changes n roles out of band, one after the other and with an edit of
// another identity after each, and returns the seconds from each message to its repair.
func (env *environment) timeEventRepairs(ctx context.Context, namespace string, n int) ([]float64, error) {
	var seconds []float64
	for i := range n {
		role, err := env.attachOutOfBand(ctx, client.ObjectKeyFromObject(identity(namespace, i)))
		if err != nil {
			return nil, err
		}
		began := time.Now() // the message is in the queue
		if err := env.awaitDetached(ctx, role); err != nil {
			return nil, err
		}
		seconds = append(seconds, time.Since(began).Seconds())
		if _, err := env.timeEdit(ctx, client.ObjectKeyFromObject(identity(namespace, n)), describe(i)); err != nil {
			return nil, err
		}
	}
	return seconds, env.settle(ctx)
}

// addEventCalls adds the number of calls in addition to those of n repairs and n edits. The
// benchmark itself attaches the policies and lists them.
func (r *report) addEventCalls(section string, n int, made map[string]int) {
	made = without(made, "ReceiveMessage", "DeleteMessageBatch", "AttachRolePolicy", "ListAttachedRolePolicies", "GetOpenIDConnectProvider")
	expected := map[string]int{
		"GetRole":          2 * n, // of the changed role, and of the edited one
		"ListRolePolicies": n,
		"GetRolePolicy":    n,
		"DetachRolePolicy": n,
		"UpdateRole":       n, // the edit of a description
	}
	extra := sum(subtract(made, expected))
	r.add(result{
		Section: section, Name: fmt.Sprintf("%d repairs and %d edits, in addition to their own calls", n, n), Unit: "IAM calls", Value: float64(extra),
		Detail: format(subtract(made, expected)),
	}.withGoal("0", extra == 0), minimumOf(0, "neither roles without a change nor the operator's own calls need a read"))
}
