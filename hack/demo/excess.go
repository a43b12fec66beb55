package main

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// excess is a request for permissions that no namespace without a guardrail gets.
type excess struct{ name, title, policies string }

// excesses returns requests that each lead to administrator access.
func (e *environment) excesses() []excess {
	inline := func(action, resource string) string {
		return fmt.Sprintf(`{inline: [{name: p, statements: [{effect: Allow, actions: [%q], resources: [%q]}]}]}`, action, resource)
	}
	managed := func(arn string) string { return fmt.Sprintf(`{managed: [%q]}`, arn) }
	return []excess{
		{"administers-iam", "iam:* on *", inline("iam:*", "*")},
		{"operators-policy", "the policy of the operator", managed(e.granted.Policy)},
		{"administrator", "AdministratorAccess", managed("arn:aws:iam::aws:policy/AdministratorAccess")},
		{"pass-role", "iam:PassRole on role/??*", inline("iam:PassRole", "arn:aws:iam::123456789012:role/??*")},
		{"assume-role", "sts:AssumeRole on role/${aws:PrincipalTag/x}*", inline("sts:AssumeRole", "arn:aws:iam::123456789012:role/${aws:PrincipalTag/x}*")},
		{"identity-center", "sso:* on *", inline("sso:*", "*")},
		{"clusters", "eks:* on *", inline("eks:*", "*")},
	}
}

const excessManifest = `apiVersion: iam.podidentity.io/v1alpha1
kind: PodIdentity
metadata: {name: %s, namespace: shop}
spec: {policies: %s}
`

// rejectExcess applies identities that the baseline rejects, and checks that the operator
// creates nothing for them.
func rejectExcess(ctx context.Context, e *environment) error {
	e.out.heading("Another team requests administrator access; no guardrail selects the namespace")
	for _, request := range e.excesses() {
		if err := e.apply(ctx, fmt.Sprintf(excessManifest, request.name, request.policies)); err != nil {
			return err
		}
		message, err := e.awaitStalled(ctx, request.name)
		if err != nil {
			return err
		}
		e.out.done("%s: rejected", request.title)
		e.out.sentence("  ", message)
	}
	cost, err := e.costs(ctx)
	if err == nil && len(writes(cost)) > 0 {
		err = fmt.Errorf("the rejected identities cost writes: %s", listed(writes(cost)))
	}
	return err
}

// awaitStalled waits until an identity is rejected, and returns the reason and the
// message.
func (e *environment) awaitStalled(ctx context.Context, name string) (message string, err error) {
	err = e.await(ctx, "PodIdentity "+name+" to be rejected", func(ctx context.Context) (bool, error) {
		pi := &v1alpha1.PodIdentity{}
		if err := e.user.Get(ctx, client.ObjectKey{Namespace: checkout.Namespace, Name: name}, pi); err != nil {
			return false, err
		}
		stalled := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionStalled)
		if stalled == nil {
			return false, nil
		}
		message = stalled.Reason + ": " + stalled.Message
		return true, nil
	})
	return message, err
}
