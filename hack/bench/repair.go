package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// measureRepair finds out how long an out-of-band change stays.
func measureRepair(ctx context.Context, w *world, r *report) error {
	const namespace = "repair"
	say("Measuring repairs")
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
	var writes, accounts, roles []float64
	for i := range w.scale.repairs {
		write, took, err := w.repairServiceAccount(ctx, key)
		if err != nil {
			return err
		}
		writes, accounts = append(writes, write), append(accounts, took)
		if took, err = w.repairRole(ctx, key, pi.Status.Role.Name, fmt.Sprintf("repair-%d", i)); err != nil {
			return err
		}
		roles = append(roles, took)
	}
	const section = "Repair"
	longest := percentile(accounts, 99)
	r.add(
		figure{Section: section, Name: "ServiceAccount annotation removed, p99", Unit: "s", Value: longest}.meets("< 1 s", longest < 1),
		least(2*percentile(writes, 50), "two API-server writes, the removal and the repair, each of the median duration of the first"),
	)
	r.add(
		figure{Section: section, Name: "inline policy deleted, from the requested reconciliation, p50", Unit: "s", Value: percentile(roles, 50)},
		least(repairSeconds, "%s", repairWhy),
	)
	return w.clear(ctx, namespace)
}

// repairServiceAccount removes the annotation, and returns how long that took, and
// how long from its beginning until the annotation was back.
func (w *world) repairServiceAccount(ctx context.Context, key client.ObjectKey) (write, took float64, err error) {
	var sa corev1.ServiceAccount
	if err := w.user.Get(ctx, key, &sa); err != nil {
		return 0, 0, err
	}
	before := sa.DeepCopy()
	delete(sa.Annotations, plan.AnnotationRoleARN)
	began := time.Now()
	if err := w.user.Patch(ctx, &sa, client.MergeFrom(before)); err != nil {
		return 0, 0, err
	}
	write = time.Since(began).Seconds()
	err = eventually(ctx, "the annotation to be back", func() (bool, error) {
		err := w.user.Get(ctx, key, &sa)
		return sa.Annotations[plan.AnnotationRoleARN] != "", err
	})
	return write, time.Since(began).Seconds(), err
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

// percentile returns the smallest value that p per cent of all do not exceed; of
// none, zero.
func percentile(values []float64, p int) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
