package main

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// greedy is an identity that asks for more than a namespace may have.
var greedy = client.ObjectKey{Namespace: "shop", Name: "greedy"}

const greedyManifest = `apiVersion: iam.podidentity.io/v1alpha1
kind: PodIdentity
metadata:
  name: greedy
  namespace: shop
spec:
  policies:
    inline:
    - name: admin
      statements:
      - {effect: Allow, actions: ["iam:*"], resources: ["*"]}
`

// overreach applies an identity that no guardrail allows, and sees that nothing is
// made for it.
func overreach(ctx context.Context, w *world) error {
	w.out.chapter("Another team requests iam:* on *")
	if err := w.apply(ctx, greedyManifest); err != nil {
		return err
	}
	var said string
	err := w.await(ctx, "the refusal of the PodIdentity", func(ctx context.Context) (bool, error) {
		pi := &v1alpha1.PodIdentity{}
		if err := w.user.Get(ctx, greedy, pi); err != nil {
			return false, err
		}
		stalled := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionStalled)
		if stalled == nil {
			return false, nil
		}
		said = stalled.Reason + ": " + stalled.Message
		return true, nil
	})
	if err != nil {
		return err
	}
	w.out.done("rejected; no resources created:")
	w.out.say("  ", said)
	cost, err := w.costs(ctx)
	if err == nil && len(cost) > 0 {
		err = fmt.Errorf("an identity that is refused cost calls: %s", listed(cost))
	}
	return err
}
