package controllers

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// roleLister is what the sweeper needs of IAM.
type roleLister interface {
	// ListAll looks at all roles in a path.
	ListAll(ctx context.Context, path string) (plan.RoleSnapshot, error)
}

// driftCheckRetryInterval is how long a sweep that failed waits for the next.
const driftCheckRetryInterval = 15 * time.Second

// remeasureAfter is how many checks may go by the cost of one sweep: the account may
// have become smaller.
const remeasureAfter = 20

// driftChecker compares the roles of all settled identities with AWS, in a few calls
// for all together. It changes nothing: an identity that is not as desired, or of
// which the sweep does not know, gets a visit, which looks for itself.
type driftChecker struct {
	config      Config
	client      client.Reader
	lister      roleLister
	clusterInfo *clusterInfo
	guardrails  guardrailReader
	roleCache   *roleCache
	clock       clock.Clock
	suspects    chan event.GenericEvent

	// done says that a sweep, or what stands for one, has been made since the
	// start. Before, nothing is known of identities that were settled.
	done atomic.Bool
	// cost is what the last sweep cost in calls; 0 while there was none.
	cost int
	// skipped counts the checks since then that made no sweep.
	skipped int
}

// candidate is an identity that was settled when the sweep began.
type candidate struct {
	obj     *v1alpha1.PodIdentity
	owner   plan.Owner
	desired plan.Role
}

// Start sweeps from time to time until ctx ends.
func (s *driftChecker) Start(ctx context.Context) error {
	for {
		wait := jitter(s.config.DriftCheckInterval)
		if err := s.check(ratelimit.WithPriority(ctx, ratelimit.Check)); err != nil {
			logf.FromContext(ctx).Info("Comparing all roles with AWS failed, will retry", "reason", err.Error())
			wait = min(wait, jitter(driftCheckRetryInterval))
		}
		freeMemory()
		select {
		case <-ctx.Done():
			return nil
		case <-s.clock.After(wait):
		}
	}
}

// pending reports whether the first sweep is still to come.
func (s *driftChecker) pending() bool { return !s.done.Load() }

func (s *driftChecker) check(ctx context.Context) error {
	cluster, err := s.clusterInfo.cluster(ctx)
	if err != nil {
		return err
	}
	began := s.clock.Now()
	subjects, err := s.candidates(ctx, cluster)
	if err != nil {
		return err
	}
	defer func() { driftCheckDuration.Observe(s.clock.Since(began).Seconds()) }()
	if s.cost >= readCost(subjects) && s.skipped < remeasureAfter {
		s.skipped++
		s.recordResults(ctx, subjects, plan.RoleSnapshot{}, began)
		return nil
	}
	fleet, err := s.lister.ListAll(ctx, cluster.RolePath)
	if err != nil {
		if fault.ReasonOf(err, "") != v1alpha1.ReasonAccessDenied {
			return err
		}
		// That costs more than a sweep, and so must not come more often than one.
		logf.FromContext(ctx).Info("Comparing all roles with AWS at once is not allowed, each is looked at by itself", "reason", err.Error())
	}
	s.cost, s.skipped = fleet.Calls, 0
	s.recordResults(ctx, subjects, fleet, began)
	return nil
}

// freeMemory returns what a sweep has read, a copy of the account, to the system. An
// operator in sync allocates so little that it would keep it for minutes.
func freeMemory() { debug.FreeOSMemory() }

// candidates returns the identities whose roles should be as desired now.
func (s *driftChecker) candidates(ctx context.Context, cluster plan.Cluster) ([]candidate, error) {
	var list v1alpha1.PodIdentityList
	if err := s.client.List(ctx, &list); err != nil {
		return nil, err
	}
	var subjects []candidate
	bounds := map[string]*plan.Cluster{} // by namespace
	for i := range list.Items {
		obj := &list.Items[i]
		if !obj.DeletionTimestamp.IsZero() || obj.Spec.Suspend || obj.Spec.Mode == v1alpha1.ModePlan || !readyAt(obj, obj.Generation) {
			continue
		}
		if _, ok := bounds[obj.Namespace]; !ok {
			bounds[obj.Namespace] = s.clusterFor(ctx, cluster, obj.Namespace)
		}
		here := bounds[obj.Namespace]
		if here == nil {
			continue
		}
		if desired, err := plan.Desired(obj, *here); err == nil {
			subjects = append(subjects, candidate{obj: obj, owner: plan.OwnerOf(obj, cluster), desired: desired.Role})
		}
	}
	return subjects, nil
}

// clusterFor returns the cluster as the identities of a namespace see it, nil if no
// guardrail lets them be made at all: then a visit says so.
func (s *driftChecker) clusterFor(ctx context.Context, cluster plan.Cluster, namespace string) *plan.Cluster {
	rails, err := s.guardrails.forNamespace(ctx, namespace)
	if err == nil {
		cluster, err = withBoundary(cluster, rails)
	}
	if err != nil {
		logf.FromContext(ctx).Info("The identities of a namespace are not compared with AWS", "namespace", namespace, "reason", err.Error())
		return nil
	}
	return &cluster
}

func readCost(subjects []candidate) int {
	cost := 0
	for _, s := range subjects {
		cost += plan.ReadCost(s.desired)
	}
	return cost
}

// recordResults remembers the roles that are as desired, and has the others visited.
func (s *driftChecker) recordResults(ctx context.Context, subjects []candidate, fleet plan.RoleSnapshot, began time.Time) {
	var suspects []*v1alpha1.PodIdentity
	for _, sub := range subjects {
		found := s.cachedIfInSync(sub, fleet, began)
		if s.roleCache.recordCheck(sub.obj.UID, began, found) && found == nil {
			suspects = append(suspects, sub.obj)
		}
	}
	s.done.Store(true)
	driftCheckLastSuccess.Set(float64(began.Unix()))
	driftCheckRequests.Set(float64(fleet.Calls))
	driftCheckSuspects.Set(float64(len(suspects)))
	for _, obj := range suspects {
		select {
		case s.suspects <- event.GenericEvent{Object: obj}:
		case <-ctx.Done():
			return
		}
	}
}

// cachedIfInSync returns what to remember of an identity's role if the fleet has it as
// desired, nil otherwise.
func (s *driftChecker) cachedIfInSync(sub candidate, fleet plan.RoleSnapshot, began time.Time) *cachedRole {
	found := fleet.Find(sub.owner, sub.desired)
	if found == nil {
		return nil
	}
	return &cachedRole{
		desired:     sub.desired,
		status:      v1alpha1.RoleStatus{Name: found.Name, ARN: found.ARN, ID: found.ID},
		observedAt:  began,
		assumableAt: earliest(found.CreatedAt, began).Add(s.config.IAMPropagationDelay),
	}
}
