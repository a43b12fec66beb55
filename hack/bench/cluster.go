package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// pageSize is the highest number of roles on a page of AWS.
const pageSize = 1000

func pages(n int) int { return (n + pageSize - 1) / pageSize }

// checkCost is the number of bulk calls of a drift check: two lists of roles, and one of the
// attached managed policies, of which the measurements use one.
func checkCost(n int) int { return 2*pages(n) + 1 }

// restartCost is the number of calls of a restart: those of a drift check, the identity of
// the caller, the OIDC provider, and the contents of one managed policy.
func restartCost(n int) int { return checkCost(n) + 3 }

// measureCluster measures restarts, drift checks and the steady state with an increasing
// number of identities.
func measureCluster(ctx context.Context, env *environment, r *report) error {
	const namespace = "cluster"
	if err := env.createNamespace(ctx, namespace); err != nil {
		return err
	}
	empty, err := env.usageAtRest(ctx)
	if err != nil {
		return err
	}
	created := 0
	for _, n := range env.scale.checks {
		progress("Measuring the drift check of %d identities", n)
		if err := env.grow(ctx, namespace, created, n); err != nil {
			return err
		}
		created = n
		if err := measureRestart(ctx, env, r, n); err != nil {
			return err
		}
		if err := measureCheck(ctx, env, r, n); err != nil {
			return err
		}
	}
	if err := measureSteadyState(ctx, env, r, namespace, created, empty); err != nil {
		return err
	}
	return measureEditsAmongReads(ctx, env, r, namespace, created)
}

// grow creates the identities from first to last-1 without rate limits and latency.
func (env *environment) grow(ctx context.Context, namespace string, first, last int) error {
	if err := env.setFaults(ctx, awslocal.Faults{}); err != nil {
		return err
	}
	if err := env.restart(ctx, unlimited...); err != nil {
		return err
	}
	if err := env.addIdentities(ctx, namespace, first, last); err != nil {
		return err
	}
	return env.tracker.awaitReady(ctx, last)
}

// usage is the memory and the CPU time of an operator.
type usage struct {
	memory float64       // resident, in bytes
	cpu    time.Duration // since its start
}

func (o *operator) usage() (usage, error) {
	memory, errMemory := o.memory()
	cpu, errCPU := o.cpu()
	return usage{memory, cpu}, errors.Join(errMemory, errCPU)
}

// usageAtRest restarts the operator, and returns its usage when it is at rest.
func (env *environment) usageAtRest(ctx context.Context) (usage, error) {
	if err := env.restart(ctx, limited...); err != nil {
		return usage{}, err
	}
	if err := env.awaitFirstCheck(ctx); err != nil {
		return usage{}, err
	}
	if err := env.settle(ctx); err != nil {
		return usage{}, err
	}
	return env.operator.usage()
}

// measureRestart restarts the operator with n identities in sync, and measures the calls
// and the duration of the first drift check.
func measureRestart(ctx context.Context, env *environment, r *report, n int) error {
	env.operator.stop()
	if err := env.setFaults(ctx, withLatency); err != nil {
		return err
	}
	before, err := env.calls(ctx)
	if err != nil {
		return err
	}
	if err := env.restart(ctx, limited...); err != nil {
		return err
	}
	if err := env.awaitFirstCheck(ctx); err != nil {
		return err
	}
	verified := time.Since(env.operator.began).Seconds()
	if err := env.settle(ctx); err != nil {
		return err
	}
	after, err := env.calls(ctx)
	if err != nil {
		return err
	}
	made := after.since(before)
	name := fmt.Sprintf("%d identities", n)
	counted := made.aws["GetAccountAuthorizationDetails"] + made.aws["ListRoles"] + made.aws["ListPolicies"]
	r.add(
		result{Section: checkSection, Name: name, N: n, Unit: "AWS calls", Value: float64(counted), Detail: format(made.aws)}.
			withGoal("the minimum", counted == checkCost(n)),
		minimumOf(float64(checkCost(n)), "two lists of roles, %d per page, and one of the attached managed policies", pageSize),
	)
	if n != env.scale.restart {
		return nil
	}
	const section = "Restart, all in sync"
	total, writes := sum(made.aws), sum(made.writes)
	r.add(
		result{Section: section, Name: name, Unit: "AWS calls", Value: float64(total), Detail: format(made.aws)}.
			withGoal("≤ the minimum + 1", total <= restartCost(n)+1), // a reconciliation may look up the policy's version before the drift check lists it
		minimumOf(float64(restartCost(n)), "a drift check, the caller, the OIDC provider, and the contents of the one managed policy that is used"),
	)
	r.add(result{Section: section, Name: name, Unit: "API-server writes", Value: float64(writes), Detail: format(made.writes)}.withGoal("0", writes == 0), minimumOf(0, "no changes"))
	r.add(result{Section: section, Name: name + ", until all are verified", Unit: "s", Value: verified}, checkSeconds(n))
	return nil
}

// checkSeconds returns the minimum duration of a drift check of n roles.
func checkSeconds(n int) minimum {
	return minimumOf(float64(checkCost(n))*latency.Seconds(), "%d calls, sequential, %s each", checkCost(n), latency)
}

// checkInterval is the interval of drift checks while these are measured.
const checkInterval = 20 * time.Second

// measureCheck measures the duration and the CPU time of drift checks of n roles in sync,
// after the one at the start.
func measureCheck(ctx context.Context, env *environment, r *report, n int) error {
	if err := env.restart(ctx, append([]string{"--drift-check-interval=" + checkInterval.String()}, limited...)...); err != nil {
		return err
	}
	var durations, cpu []float64
	const checks = 3
	for range checks {
		took, used, err := env.timeCheck(ctx)
		if err != nil {
			return err
		}
		durations, cpu = append(durations, took), append(cpu, used)
	}
	name := fmt.Sprintf("%d identities, in sync, median of %d", n, checks)
	calls := checkSeconds(n)
	beyond := percentile(durations, 50) - *calls.value
	r.add(result{Section: checkSection, Name: name, Unit: "s", Value: percentile(durations, 50)}.
		withGoal("≤ 1 s beyond the calls", beyond <= 1), calls)
	r.add(result{Section: checkSection, Name: name, Unit: "CPU seconds of the operator", Value: percentile(cpu, 50)}, noMinimum("it depends on the machine"))
	return nil
}

// timeCheck returns the duration of a drift check, and the CPU seconds of the operator for
// it, the release of memory included. It does not poll meanwhile: to serve its metrics costs
// the operator CPU time too.
func (env *environment) timeCheck(ctx context.Context) (took, cpu float64, err error) {
	const (
		duration = "podidentity_drift_check_duration_seconds"
		margin   = 2 * time.Second
	)
	if err := env.awaitNextCheck(ctx); err != nil {
		return 0, 0, err
	}
	if err := sleep(ctx, margin); err != nil {
		return 0, 0, err
	}
	before, err := env.operator.metric(ctx, duration)
	if err != nil {
		return 0, 0, err
	}
	cpuBefore, err := env.operator.cpu()
	if err != nil {
		return 0, 0, err
	}
	// The interval varies by a tenth, and the check after the next one is far away.
	if err := sleep(ctx, checkInterval+checkInterval/10+margin); err != nil {
		return 0, 0, err
	}
	cpuAfter, err := env.operator.cpu()
	if err != nil {
		return 0, 0, err
	}
	after, err := env.operator.metric(ctx, duration)
	if err == nil && after == before {
		err = errors.New("no drift check within its interval")
	}
	return after - before, (cpuAfter - cpuBefore).Seconds(), err
}

// awaitFirstCheck waits until the operator has completed a drift check.
func (env *environment) awaitFirstCheck(ctx context.Context) error {
	return env.awaitCheckAfter(ctx, 0)
}

// awaitNextCheck waits until the operator has completed a drift check that ends after the
// call.
func (env *environment) awaitNextCheck(ctx context.Context) error {
	before, err := env.operator.metric(ctx, lastCheckMetric)
	if err != nil {
		return err
	}
	return env.awaitCheckAfter(ctx, before)
}

func (env *environment) awaitCheckAfter(ctx context.Context, before float64) error {
	return eventuallyEvery(ctx, metricsInterval, "a drift check", func() (bool, error) {
		at, err := env.operator.metric(ctx, lastCheckMetric)
		return at > before, err
	})
}

// metricsInterval is the time between two reads of the operator's metrics, each of which
// costs the operator milliseconds.
const metricsInterval = 100 * time.Millisecond

// lastCheckMetric is the time of the last drift check.
const lastCheckMetric = "podidentity_drift_check_last_success_timestamp_seconds"
