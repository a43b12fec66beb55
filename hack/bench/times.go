package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// measureReady finds out how long a crowd of new identities takes, in an account
// that serves so many calls a second.
func measureReady(ctx context.Context, w *world, r *report) error {
	for _, n := range w.scale.ready {
		say("Creating %d identities at %d calls a second", n, bucketRate)
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
		least := float64(n*createCost) / bucketRate
		f := figure{
			Section: "All ready, at 20 calls a second", Name: fmt.Sprintf("%d identities", n), N: n, Unit: "s", Value: took, Least: least,
			Why: fmt.Sprintf("%d calls at %d a second", n*createCost, bucketRate), Detail: list(after.since(before).calls),
		}
		if n == w.scale.goalReady {
			f.Goal, f.Reached = "≤ 1.15 × the least", reached("goal", took <= 1.15*least)
		}
		r.add(f)
		if err := w.clear(ctx, namespace); err != nil {
			return err
		}
	}
	return nil
}

// measureRepair finds out how long what somebody else changed stays changed.
func measureRepair(ctx context.Context, w *world, r *report) error {
	const namespace = "repair"
	say("Repairing")
	if err := w.begin(ctx, namespace, calm, bounded...); err != nil {
		return err
	}
	pi := identity(namespace, 0)
	key := client.ObjectKeyFromObject(pi)
	if err := w.user.Create(ctx, pi); err != nil {
		return err
	}
	if err := w.tracker.awaitReady(ctx, 1); err != nil {
		return err
	}
	if err := w.user.Get(ctx, key, pi); err != nil {
		return err
	}
	var accounts, roles []float64
	for i := range w.scale.repairs {
		took, err := w.repairServiceAccount(ctx, key)
		if err != nil {
			return err
		}
		accounts = append(accounts, took)
		if took, err = w.repairRole(ctx, key, pi.Status.Role.Name, fmt.Sprintf("repair-%d", i)); err != nil {
			return err
		}
		roles = append(roles, took)
	}
	const section = "Repair"
	r.add(figure{
		Section: section, Name: "ServiceAccount's annotation removed, p99", Unit: "s", Value: percentile(accounts, 99),
		Goal: "< 1 s", Reached: reached("goal", percentile(accounts, 99) < 1), Why: "by watch",
	})
	least := 5 * latency.Seconds()
	r.add(figure{
		Section: section, Name: "inline policy deleted, from the request to check on, p50", Unit: "s", Value: percentile(roles, 50), Least: least,
		Why: fmt.Sprintf("4 reads and 1 write of %s each", latency),
	})
	return w.clear(ctx, namespace)
}

func (w *world) repairServiceAccount(ctx context.Context, key client.ObjectKey) (float64, error) {
	var sa corev1.ServiceAccount
	if err := w.user.Get(ctx, key, &sa); err != nil {
		return 0, err
	}
	before := sa.DeepCopy()
	delete(sa.Annotations, plan.AnnotationRoleARN)
	began := time.Now()
	if err := w.user.Patch(ctx, &sa, client.MergeFrom(before)); err != nil {
		return 0, err
	}
	err := eventually(ctx, "the annotation to be back", func() (bool, error) {
		err := w.user.Get(ctx, key, &sa)
		return sa.Annotations[plan.AnnotationRoleARN] != "", err
	})
	return time.Since(began).Seconds(), err
}

func (w *world) repairRole(ctx context.Context, key client.ObjectKey, role, token string) (float64, error) {
	name := "bucket"
	if _, err := w.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &role, PolicyName: &name}); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := w.request(ctx, key, token); err != nil {
		return 0, err
	}
	err := w.awaitHandled(ctx, key, token)
	return time.Since(began).Seconds(), err
}

// measureEdits finds out how long a user's edit takes while a crowd of new
// identities waits for the budget.
func measureEdits(ctx context.Context, w *world, r *report) error {
	const namespace = "edits"
	say("Editing while %d identities are created", w.scale.crowd)
	if err := w.begin(ctx, namespace, calm); err != nil { // with the budget that the operator has by default
		return err
	}
	if err := w.addIdentities(ctx, namespace, 0, 1); err != nil {
		return err
	}
	if err := w.tracker.awaitReady(ctx, 1); err != nil {
		return err
	}
	if err := w.addIdentities(ctx, namespace, 1, 1+w.scale.crowd); err != nil {
		return err
	}
	key := client.ObjectKeyFromObject(identity(namespace, 0))
	var latencies []float64
	for i := range w.scale.edits {
		began := time.Now()
		err := w.edit(ctx, key, func(pi *v1alpha1.PodIdentity) { pi.Spec.Role.Description = fmt.Sprintf("edit %d", i) })
		if err != nil {
			return err
		}
		if err := w.tracker.awaitGeneration(ctx, key, int64(i)+2); err != nil {
			return err
		}
		latencies = append(latencies, time.Since(began).Seconds())
	}
	waiting, err := w.waiting(ctx, namespace)
	if err != nil {
		return err
	}
	least := 5 * latency.Seconds()
	for _, p := range []int{50, 99} {
		f := figure{
			Section: "A user's edit under load", Name: fmt.Sprintf("p%d", p), Unit: "s", Value: percentile(latencies, p), Least: least,
			Why:    fmt.Sprintf("4 reads and 1 write of %s each", latency),
			Detail: fmt.Sprintf("%d of %d new identities still waited when the last of %d edits was done", waiting, w.scale.crowd, w.scale.edits),
		}
		if p == 99 {
			f.Goal, f.Reached = "< 1 s", reached("goal", f.Value < 1 && waiting > 0)
		}
		r.add(f)
	}
	return w.clear(ctx, namespace)
}

// waiting returns how many identities are not ready.
func (w *world) waiting(ctx context.Context, namespace string) (int, error) {
	var list v1alpha1.PodIdentityList
	if err := w.user.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return 0, err
	}
	w.tracker.mu.Lock()
	defer w.tracker.mu.Unlock()
	return len(list.Items) - len(w.tracker.ready), nil
}

// percentile returns the smallest value that p per cent of all do not exceed; of
// none, zero.
func percentile(values []float64, p int) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
