package controllers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// providerRetryInterval is the time between two checks while no identity works.
const providerRetryInterval = 30 * time.Second

// maxProviderInterval bounds the time between two checks: with an event queue the drift check
// interval is long, but no event reports the provider.
const maxProviderInterval = 10 * time.Minute

// providerChecker checks the cluster's issuer and its OIDC provider in IAM, which all
// identities depend on, once for all of them. It changes nothing: if the IssuerReady
// condition of an identity contradicts the result, it queues the identity, and the
// reconcile takes the result from the cache.
type providerChecker struct {
	config      Config
	client      client.Reader
	apiReader   client.Reader
	clusterInfo *clusterInfo
	clock       clock.Clock
	queue       chan<- event.GenericEvent
	events      events.EventRecorder

	// reason is the reason of the last check if it failed, empty if it succeeded.
	reason string
}

// Start runs checks until ctx ends: one per drift check interval, and more often while
// they fail.
func (c *providerChecker) Start(ctx context.Context) error {
	ctx = ratelimit.WithPriority(ctx, ratelimit.Check)
	for {
		wait := jitter(min(c.config.DriftCheckInterval, maxProviderInterval))
		if err := c.check(ctx); err != nil {
			wait = min(wait, jitter(providerRetryInterval))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.clock.After(wait):
		}
	}
}

// check checks the provider, and queues the identities that show another result.
func (c *providerChecker) check(ctx context.Context) error {
	cluster, err := c.clusterInfo.cluster(ctx)
	if err == nil {
		c.clusterInfo.provider.invalidate(c.clock, clusterRetryInterval)
		err = c.clusterInfo.ensureProvider(ctx, cluster)
	}
	if err != nil && fault.KindOf(err) == fault.Transient {
		logf.FromContext(ctx).Info("Checking the OIDC provider failed, retrying", "reason", err.Error())
		return err // AWS did not answer, so nothing is known
	}
	c.report(ctx, err)
	var list v1alpha1.PodIdentityList
	if listErr := c.client.List(ctx, &list); listErr != nil {
		return listErr
	}
	for i := range list.Items {
		if obj := &list.Items[i]; outdatedIssuer(obj, err == nil) {
			select {
			case c.queue <- event.GenericEvent{Object: obj}:
			case <-ctx.Done():
				return nil
			}
		}
	}
	return err
}

// outdatedIssuer reports whether the IssuerReady condition of an identity contradicts
// the result of a check.
func outdatedIssuer(obj *v1alpha1.PodIdentity, ready bool) bool {
	if !obj.DeletionTimestamp.IsZero() || obj.Spec.Suspend {
		return false
	}
	condition := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionIssuerReady)
	if condition == nil {
		return false // its first reconcile reports the result
	}
	return (condition.Status == metav1.ConditionTrue) != ready
}

// report shows the result in a metric, and a failure once in the log and in an event on
// the operator's pod.
func (c *providerChecker) report(ctx context.Context, err error) {
	if err == nil {
		issuerReady.Set(1)
		c.reason = ""
		return
	}
	issuerReady.Set(0)
	reason := fault.ReasonOf(err, v1alpha1.ReasonIssuerUnknown)
	if reason == c.reason {
		return
	}
	c.reason = reason
	logf.FromContext(ctx).Info("No pod can assume a role", "reason", err.Error())
	var pod corev1.Pod
	if c.config.Pod.Name == "" || c.apiReader.Get(ctx, c.config.Pod, &pod) != nil {
		return // outside of a cluster, there is no object for the event
	}
	c.events.Eventf(&pod, nil, corev1.EventTypeWarning, reason, "None", "No pod can assume a role: %v", err)
}
