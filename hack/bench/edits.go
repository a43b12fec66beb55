package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// The minimum times of an edit of one part, and of the repair of one part, which reads the
// whole role.
var (
	editSeconds   = editCost * latency.Seconds()
	editBasis     = fmt.Sprintf("1 read and 1 write, sequential, %s each", latency)
	repairSeconds = (fullReadCost + 1) * latency.Seconds()
	repairBasis   = fmt.Sprintf("%d reads and 1 write, sequential, %s each", fullReadCost, latency)
)

const editsSection = "Edit latency under load"

// measureEdits measures the latency of edits while many new identities wait for the rate
// limiter, which has the default limits.
func measureEdits(ctx context.Context, env *environment, r *report) error {
	const namespace = "edits"
	n := env.scale.burst
	progress("Editing while %d identities are created", n)
	if err := env.start(ctx, namespace, withLatency); err != nil {
		return err
	}
	if err := env.addIdentities(ctx, namespace, 0, 1); err != nil {
		return err
	}
	if err := env.tracker.awaitReady(ctx, 1); err != nil {
		return err
	}
	before, err := env.awsCalls(ctx)
	if err != nil {
		return err
	}
	if err := env.addIdentities(ctx, namespace, 1, 1+n); err != nil {
		return err
	}
	latencies, err := env.editSome(ctx, func() client.ObjectKey { return client.ObjectKeyFromObject(identity(namespace, 0)) })
	if err != nil {
		return err
	}
	after, err := env.awsCalls(ctx)
	if err != nil {
		return err
	}
	r.addEdits(fmt.Sprintf("%d new identities", n), latencies, n-(after["CreateRole"]-before["CreateRole"]), n)
	return env.clear(ctx, namespace)
}

// measureEditsAmongReads measures the latency of edits of n identities while the operator
// reads the roles of all of them one by one, because AWS denies the bulk read.
func measureEditsAmongReads(ctx context.Context, env *environment, r *report, namespace string, n int) error {
	progress("Editing while %d identities are reconciled individually", n)
	denied := withLatency
	denied.Rules = []awslocal.Rule{{Action: "GetAccountAuthorizationDetails", Error: "AccessDenied"}}
	if err := env.setFaults(ctx, denied); err != nil {
		return err
	}
	before, err := env.awsCalls(ctx)
	if err != nil {
		return err
	}
	if err := env.restart(ctx); err != nil {
		return err
	}
	reads := func() (int, error) {
		now, err := env.awsCalls(ctx)
		return now["GetRole"] - before["GetRole"], err
	}
	err = eventually(ctx, "the reads to reach the rate limit", func() (bool, error) {
		n, err := reads()
		return n > 10, err
	})
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // selects the same identities in every run
	latencies, err := env.editSome(ctx, func() client.ObjectKey { return client.ObjectKeyFromObject(identity(namespace, random.IntN(n))) })
	if err != nil {
		return err
	}
	done, err := reads()
	if err != nil {
		return err
	}
	r.addEdits(fmt.Sprintf("%d individual reads", n), latencies, n-done, n)
	return nil
}

// editSome edits identities one after the other, and returns the seconds that each edit
// took.
func (env *environment) editSome(ctx context.Context, next func() client.ObjectKey) ([]float64, error) {
	var latencies []float64
	for i := range env.scale.edits {
		key := next()
		began := time.Now()
		generation, err := env.edit(ctx, key, describe(i))
		if err != nil {
			return nil, err
		}
		if err := env.tracker.awaitGeneration(ctx, key, generation); err != nil {
			return nil, err
		}
		latencies = append(latencies, time.Since(began).Seconds())
	}
	return latencies, nil
}

// addEdits adds the latencies of edits under a load, of which a part was still queued after
// the last edit.
func (r *report) addEdits(load string, latencies []float64, queued, of int) {
	detail := fmt.Sprintf("%d edits; %d of %d still queued after the last", len(latencies), queued, of)
	for _, p := range []int{50, 99} {
		f := result{Section: editsSection, Name: fmt.Sprintf("with %s queued, p%d", load, p), Unit: "s", Value: percentile(latencies, p), Detail: detail}
		if p == 99 {
			f = f.withGoal("< 1 s", f.Value < 1 && queued > 0)
		}
		r.add(f, minimumOf(editSeconds, "%s", editBasis))
	}
}
