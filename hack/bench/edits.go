package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// What an edit of one part takes at least, and the repair of one part, which reads the
// whole role.
var (
	editSeconds   = editCost * latency.Seconds()
	editWhy       = fmt.Sprintf("1 read and 1 write, sequential, %s each", latency)
	repairSeconds = (lookCost + 1) * latency.Seconds()
	repairWhy     = fmt.Sprintf("%d reads and 1 write, sequential, %s each", lookCost, latency)
)

const editsSection = "Edit latency under load"

// measureEdits finds out how long a user's edit takes while many new identities wait
// for the default rate limit of the operator.
func measureEdits(ctx context.Context, w *world, r *report) error {
	const namespace = "edits"
	n := w.scale.burst
	say("Editing while %d identities are created", n)
	if err := w.begin(ctx, namespace, calm); err != nil {
		return err
	}
	if err := w.addIdentities(ctx, namespace, 0, 1); err != nil {
		return err
	}
	if err := w.tracker.awaitReady(ctx, 1); err != nil {
		return err
	}
	before, err := w.calls(ctx)
	if err != nil {
		return err
	}
	if err := w.addIdentities(ctx, namespace, 1, 1+n); err != nil {
		return err
	}
	latencies, err := w.editSome(ctx, func() client.ObjectKey { return client.ObjectKeyFromObject(identity(namespace, 0)) })
	if err != nil {
		return err
	}
	after, err := w.calls(ctx)
	if err != nil {
		return err
	}
	r.addEdits(fmt.Sprintf("%d new identities", n), latencies, n-(after["CreateRole"]-before["CreateRole"]), n)
	return w.clear(ctx, namespace)
}

// measureEditsAmongChecks finds out the same of any of n identities that are ready,
// while all of them wait for a read of their roles: AWS denies the operator the bulk
// read.
func measureEditsAmongChecks(ctx context.Context, w *world, r *report, namespace string, n int) error {
	say("Editing while %d identities are reconciled individually", n)
	denied := calm
	denied.Rules = []awslocal.Rule{{Action: "GetAccountAuthorizationDetails", Error: "AccessDenied"}}
	if err := w.setFaults(ctx, denied); err != nil {
		return err
	}
	before, err := w.calls(ctx)
	if err != nil {
		return err
	}
	if err := w.restart(ctx); err != nil {
		return err
	}
	looked := func() (int, error) {
		now, err := w.calls(ctx)
		return now["GetRole"] - before["GetRole"], err
	}
	err = eventually(ctx, "the checks to use up the budget", func() (bool, error) {
		n, err := looked()
		return n > 10, err
	})
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // the same identities each time
	latencies, err := w.editSome(ctx, func() client.ObjectKey { return client.ObjectKeyFromObject(identity(namespace, random.IntN(n))) })
	if err != nil {
		return err
	}
	done, err := looked()
	if err != nil {
		return err
	}
	r.addEdits(fmt.Sprintf("%d checks", n), latencies, n-done, n)
	return nil
}

// editSome edits identities one after the other, and returns how many seconds each
// edit took.
func (w *world) editSome(ctx context.Context, next func() client.ObjectKey) ([]float64, error) {
	var latencies []float64
	for i := range w.scale.edits {
		key := next()
		began := time.Now()
		generation, err := w.edit(ctx, key, func(pi *v1alpha1.PodIdentity) { pi.Spec.Role.Description = fmt.Sprintf("edit %d", i) })
		if err != nil {
			return nil, err
		}
		if err := w.tracker.awaitGeneration(ctx, key, generation); err != nil {
			return nil, err
		}
		latencies = append(latencies, time.Since(began).Seconds())
	}
	return latencies, nil
}

// addEdits reports latencies of edits among identities of which some still waited when
// the last edit was done.
func (r *report) addEdits(crowd string, latencies []float64, waiting, of int) {
	detail := fmt.Sprintf("%d edits; %d of %d still queued after the last", len(latencies), waiting, of)
	for _, p := range []int{50, 99} {
		f := figure{Section: editsSection, Name: fmt.Sprintf("among %s, p%d", crowd, p), Unit: "s", Value: percentile(latencies, p), Detail: detail}
		if p == 99 {
			f = f.meets("< 1 s", f.Value < 1 && waiting > 0)
		}
		r.add(f, least(editSeconds, "%s", editWhy))
	}
}
