package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

const recoverySection = "Recovery"

// recovery is a number of identities that wait for a time until a user removes the cause.
type recovery struct {
	identities int
	wait       time.Duration
}

// cause is something that blocks identities until a user removes it.
type cause struct {
	name   string
	reason string // of the condition Ready meanwhile
	action string // whose calls find out whether the cause still exists
	// create creates one of the identities, and remove removes the cause.
	create func(ctx context.Context, namespace string, i int) error
	remove func(ctx context.Context) error
	faults awslocal.Faults
}

// measureRecovery measures the calls of identities that wait for a user, and the time from
// the removal of the cause until all are Ready. The operator has no rate limit, so that the
// time of the creations themselves stays small.
func measureRecovery(ctx context.Context, env *environment, r *report) error {
	for i, c := range env.causes() {
		for j, of := range env.scale.recoveries {
			progress("%d identities wait %s: %s", of.identities, of.wait, c.name)
			namespace := fmt.Sprintf("recovery-%d-%d", i, j)
			if err := env.measureCause(ctx, r, c, namespace, of); err != nil {
				return err
			}
			if err := env.clear(ctx, namespace); err != nil {
				return err
			}
		}
	}
	return nil
}

// causes returns a permission of the operator that is missing, and a managed policy that
// does not exist.
func (env *environment) causes() []cause {
	denied := withLatency
	denied.Rules = []awslocal.Rule{{Action: "CreateRole", Error: "AccessDenied"}}
	return []cause{
		{
			name: "missing permission granted", reason: v1alpha1.ReasonAccessDenied, action: "CreateRole", faults: denied,
			create: func(ctx context.Context, namespace string, i int) error {
				return env.user.Create(ctx, identity(namespace, i))
			},
			remove: func(ctx context.Context) error { return env.setFaults(ctx, withLatency) },
		},
		{
			name: "missing policy created", reason: v1alpha1.ReasonPolicyNotFound, action: "GetPolicy", faults: withLatency,
			create: func(ctx context.Context, namespace string, i int) error {
				pi := identity(namespace, i)
				pi.Spec.Policies.Managed = []v1alpha1.PolicyARN{"arn:aws:iam::" + accountID + ":policy/reports"}
				return env.user.Create(ctx, pi)
			},
			remove: func(ctx context.Context) error {
				document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::reports/*"}]}`
				_, err := env.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("reports"), PolicyDocument: &document})
				return err
			},
		},
	}
}

func (env *environment) measureCause(ctx context.Context, r *report, c cause, namespace string, of recovery) error {
	n := of.identities
	if err := env.start(ctx, namespace, c.faults, unlimited...); err != nil {
		return err
	}
	before, err := env.awsCalls(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := parallel(ctx, n, func(ctx context.Context, i int) error { return c.create(ctx, namespace, i) }); err != nil {
		return err
	}
	if err := env.tracker.awaitReason(ctx, c.reason, n); err != nil {
		return err
	}
	if err := sleep(ctx, time.Until(began.Add(of.wait))); err != nil {
		return err
	}
	waited := time.Since(began)
	waiting, err := env.calls(ctx)
	if err != nil {
		return err
	}
	removed := time.Now()
	if err := c.remove(ctx); err != nil {
		return err
	}
	if err := env.tracker.awaitReady(ctx, n); err != nil {
		return err
	}
	took := time.Since(removed).Seconds()
	after, err := env.calls(ctx)
	if err != nil {
		return err
	}

	name := fmt.Sprintf("%s, %d identities", c.name, n)
	made := subtract(waiting.aws, before)
	most := mostProbes(waited)
	r.add(result{
		Section: recoverySection, Name: fmt.Sprintf("%s, in the first %s of waiting", name, waited.Round(time.Second)), Unit: c.action + " calls", Value: float64(made[c.action]),
		Detail: format(made),
	}.withGoal(fmt.Sprintf("≤ %d", most), made[c.action] <= most), noMinimum("it depends on how soon the recovery must be noticed"))
	// A creation takes three calls one after the other.
	creation := float64((n+creations-1)/creations) * createCost * latency.Seconds()
	limit := 30 * time.Second
	if waited < time.Minute {
		limit = 5 * time.Second
	}
	goal := limit.Seconds() + creation
	r.add(result{Section: recoverySection, Name: fmt.Sprintf("%s, after %s of waiting until all are Ready", name, waited.Round(time.Second)), Unit: "s", Value: took, Detail: format(after.since(waiting).aws) + "; " + format(after.since(waiting).writes)}.
		withGoal(fmt.Sprintf("≤ %s s: %s and the creations", number(goal), limit), took <= goal),
		minimumOf(creation, "%d creations, %d at a time, 3 calls each, %s each", n, creations, latency))
	return nil
}

// creations is the number of creations that are expected to be in progress together.
const creations = 10

// mostProbes returns the highest permitted number of calls that find out whether a cause
// still exists: 12 in the first two minutes, and 2 a minute after that.
func mostProbes(waited time.Duration) int {
	return 12 + 2*int(max(0, waited-2*time.Minute).Round(time.Minute)/time.Minute)
}
