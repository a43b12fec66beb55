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

// measureRepair measures the time until an out-of-band change is reverted.
func measureRepair(ctx context.Context, env *environment, r *report) error {
	const namespace = "repair"
	progress("Measuring repairs")
	if err := env.start(ctx, namespace, withLatency, limited...); err != nil {
		return err
	}
	pi := identity(namespace, 0)
	key := client.ObjectKeyFromObject(pi)
	if err := env.user.Create(ctx, pi); err != nil {
		return err
	}
	if err := env.tracker.awaitReady(ctx, 1); err != nil {
		return err
	}
	if err := env.user.Get(ctx, key, pi); err != nil {
		return err
	}
	var writes, accounts, roles []float64
	for i := range env.scale.repairs {
		write, took, err := env.repairServiceAccount(ctx, key)
		if err != nil {
			return err
		}
		writes, accounts = append(writes, write), append(accounts, took)
		if took, err = env.repairRole(ctx, key, pi.Status.Role.Name, fmt.Sprintf("repair-%d", i)); err != nil {
			return err
		}
		roles = append(roles, took)
	}
	const section = "Repair"
	longest := percentile(accounts, 99)
	r.add(
		result{Section: section, Name: "ServiceAccount annotation removed, p99", Unit: "s", Value: longest}.withGoal("< 1 s", longest < 1),
		minimumOf(2*percentile(writes, 50), "two API-server writes, the removal and the repair, each of the median duration of the first"),
	)
	r.add(
		result{Section: section, Name: "inline policy deleted, from the requested reconciliation, p50", Unit: "s", Value: percentile(roles, 50)},
		minimumOf(repairSeconds, "%s", repairBasis),
	)
	return env.clear(ctx, namespace)
}

// repairServiceAccount removes the annotation of a ServiceAccount, and returns the seconds
// that this write took, and those until the operator has restored the annotation.
func (env *environment) repairServiceAccount(ctx context.Context, key client.ObjectKey) (write, took float64, err error) {
	var sa corev1.ServiceAccount
	if err := env.user.Get(ctx, key, &sa); err != nil {
		return 0, 0, err
	}
	before := sa.DeepCopy()
	delete(sa.Annotations, plan.AnnotationRoleARN)
	began := time.Now()
	if err := env.user.Patch(ctx, &sa, client.MergeFrom(before)); err != nil {
		return 0, 0, err
	}
	write = time.Since(began).Seconds()
	err = eventually(ctx, "the annotation to be restored", func() (bool, error) {
		err := env.user.Get(ctx, key, &sa)
		return sa.Annotations[plan.AnnotationRoleARN] != "", err
	})
	return write, time.Since(began).Seconds(), err
}

// repairRole deletes the inline policy of a role, requests a reconciliation, and returns
// the seconds until it is done.
func (env *environment) repairRole(ctx context.Context, key client.ObjectKey, role, token string) (float64, error) {
	name := "bucket"
	if _, err := env.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &role, PolicyName: &name}); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := env.request(ctx, key, token); err != nil {
		return 0, err
	}
	err := env.awaitHandled(ctx, key, token)
	return time.Since(began).Seconds(), err
}

// percentile returns the smallest value that p percent of the values do not exceed, zero
// if there are none.
func percentile(values []float64, p int) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
