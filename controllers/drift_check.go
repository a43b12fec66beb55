package controllers

import (
	"context"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// roleLister lists IAM roles.
type roleLister interface {
	// ListAll reads all roles under a path.
	ListAll(ctx context.Context, path string) (plan.RoleSnapshot, error)
}

// driftCheckRetryInterval is the time between a drift check that failed and the
// next.
const driftCheckRetryInterval = 15 * time.Second

// remeasureAfter is the number of drift checks that may skip the bulk read because
// of its cost before the operator measures the cost again: the account may have
// fewer roles by then.
const remeasureAfter = 20

// cheapCheck is the number of calls up to which a drift check always makes the bulk
// read, however few identities there are: only the bulk read finds orphaned roles.
const cheapCheck = 4

// driftChecker compares the roles of all ready identities with AWS, in a few calls
// for all of them. It changes nothing: it queues an identity whose role is not in
// sync, or is not in the snapshot, and the reconcile reads the role itself.
type driftChecker struct {
	config      Config
	client      client.Reader
	lister      roleLister
	clusterInfo *clusterInfo
	guardrails  guardrailReader
	roleCache   *roleCache
	policies    *managedPolicies
	clock       clock.Clock
	suspects    chan event.GenericEvent
	orphans     *orphans
	// checkNow ends the wait for the next drift check; nil if nothing does.
	checkNow <-chan struct{}

	// done reports that a drift check has completed since the start. Before, the
	// operator knows nothing about the roles of identities that were ready.
	done atomic.Bool
	// desired are the desired roles of the last drift check.
	desired map[types.UID]desiredRole
	// clusters are the clusters of the last drift check, by namespace.
	clusters map[string]*plan.Cluster
	// cost is the number of calls of the last bulk read; 0 while there was none.
	cost int
	// skipped counts the drift checks since then without a bulk read.
	skipped int
}

// desiredRole is the role that an identity desires at a generation in a cluster, so that
// the next drift check need not compute it again. An identity without one is invalid.
type desiredRole struct {
	generation int64
	cluster    *plan.Cluster
	role       plan.Role
	valid      bool
}

// candidate is an identity whose role the operator knew when the drift check began.
type candidate struct {
	obj     *v1alpha1.PodIdentity
	owner   plan.Owner
	desired plan.Role
}

// Start runs drift checks until ctx ends.
func (d *driftChecker) Start(ctx context.Context) error {
	for {
		wait := jitter(d.config.DriftCheckInterval)
		if err := d.traced(ratelimit.WithPriority(ctx, ratelimit.Check)); err != nil {
			logf.FromContext(ctx).Error(err, "Drift check failed, retrying")
			wait = min(wait, jitter(driftCheckRetryInterval))
		}
		freeMemory()
		select {
		case <-ctx.Done():
			return nil
		case <-d.checkNow:
		case <-d.clock.After(wait):
		}
	}
}

// pending reports whether the first drift check is still to come.
func (d *driftChecker) pending() bool { return !d.done.Load() }

// traced runs a drift check in its own trace.
func (d *driftChecker) traced(ctx context.Context) error {
	ctx, span := d.config.Tracer.Begin(ctx, "drift check")
	defer span.End()
	err := d.check(ctx)
	recordFault(span, err)
	return err
}

func (d *driftChecker) check(ctx context.Context) error {
	cluster, err := d.clusterInfo.cluster(ctx)
	if err != nil {
		return err
	}
	began := d.clock.Now()
	var list v1alpha1.PodIdentityList
	// The objects are those of the cache: nothing may modify them.
	if err := d.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	candidates := d.candidates(ctx, cluster, list.Items)
	defer func() { driftCheckDuration.Observe(d.clock.Since(began).Seconds()) }()
	if d.pending() && len(candidates) == 0 {
		d.recordResults(ctx, nil, plan.RoleSnapshot{}, began) // a start without ready identities costs no call
		recordLastUse(list.Items, plan.RoleSnapshot{}, began)
		return nil
	}
	d.checkPolicies(ctx, list.Items)
	if d.cost > cheapCheck && d.cost >= readCost(candidates) && d.skipped < remeasureAfter {
		d.skipped++
		d.recordResults(ctx, candidates, plan.RoleSnapshot{}, began)
		recordLastUse(list.Items, plan.RoleSnapshot{}, began)
		return nil
	}
	snapshot, err := d.lister.ListAll(ctx, cluster.RolePath)
	if err != nil {
		if fault.ReasonOf(err, "") != v1alpha1.ReasonAccessDenied {
			return err
		}
		// Reads per role cost more than a bulk read, so they must not run more often.
		logf.FromContext(ctx).Info("Bulk drift check denied, falling back to per-role reads", "reason", err.Error())
	}
	d.cost, d.skipped = snapshot.Calls, 0
	d.recordResults(ctx, candidates, snapshot, began)
	recordLastUse(list.Items, snapshot, began)
	if snapshot.Roles == nil {
		return nil // the bulk read was denied
	}
	err = d.orphans.check(ctx, cluster, snapshot, uidsOf(list.Items))
	d.queueRejected(ctx, d.orphans.takeFreed(), list.Items)
	return err
}

// queueRejected queues those identities of the namespaces that a guardrail rejects: the
// number of roles may have been the reason.
func (d *driftChecker) queueRejected(ctx context.Context, namespaces map[string]bool, identities []v1alpha1.PodIdentity) {
	for i := range identities {
		obj := &identities[i]
		if !namespaces[obj.Namespace] || reasonOf(obj) != v1alpha1.ReasonGuardrailViolated {
			continue
		}
		select {
		case d.suspects <- event.GenericEvent{Object: obj}:
		case <-ctx.Done():
			return
		}
	}
}

func uidsOf(identities []v1alpha1.PodIdentity) map[string]bool {
	uids := make(map[string]bool, len(identities))
	for i := range identities {
		uids[string(identities[i].UID)] = true
	}
	return uids
}

// freeMemory returns the memory of a drift check, which reads a copy of the account,
// to the system. An operator in sync allocates so little that the garbage collector
// would keep it for minutes.
func freeMemory() { debug.FreeOSMemory() }

// candidates returns those of the identities whose roles should be in sync now: with the
// spec, or with what the operator last applied if something blocks the spec.
func (d *driftChecker) candidates(ctx context.Context, cluster plan.Cluster, identities []v1alpha1.PodIdentity) []candidate {
	candidates := make([]candidate, 0, len(identities))
	clusters := map[string]*plan.Cluster{} // by namespace
	desired := make(map[types.UID]desiredRole, len(identities))
	for i := range identities {
		obj := &identities[i]
		if !obj.DeletionTimestamp.IsZero() || obj.Spec.Suspend || obj.Spec.Mode == v1alpha1.ModePlan {
			continue
		}
		if !inSyncAt(obj, v1alpha1.ConditionRoleReady, obj.Generation) {
			if applied, known := d.roleCache.lastApplied(obj.UID); known {
				candidates = append(candidates, candidate{obj: obj, owner: plan.OwnerOf(obj, cluster), desired: applied})
			}
			continue
		}
		if _, ok := clusters[obj.Namespace]; !ok {
			clusters[obj.Namespace] = d.clusterFor(ctx, cluster, obj.Namespace)
		}
		here := clusters[obj.Namespace]
		if here == nil {
			continue
		}
		if desired[obj.UID] = d.desiredRole(obj, here); desired[obj.UID].valid {
			candidates = append(candidates, candidate{obj: obj, owner: plan.OwnerOf(obj, cluster), desired: desired[obj.UID].role})
		}
	}
	d.desired, d.clusters = desired, clusters
	return candidates
}

// desiredRole returns the desired role of an identity. If neither its generation nor the
// cluster has changed since the last drift check, it is the same one.
func (d *driftChecker) desiredRole(obj *v1alpha1.PodIdentity, cluster *plan.Cluster) desiredRole {
	if last := d.desired[obj.UID]; last.cluster == cluster && last.generation == obj.Generation {
		return last
	}
	state, err := plan.Desired(obj, *cluster)
	return desiredRole{generation: obj.Generation, cluster: cluster, role: state.Role, valid: err == nil}
}

// clusterFor returns the cluster as it applies to the identities of a namespace, nil
// if the guardrails of the namespace are in conflict: a reconcile reports that. Equal
// clusters of two drift checks have the same pointer.
func (d *driftChecker) clusterFor(ctx context.Context, cluster plan.Cluster, namespace string) *plan.Cluster {
	guardrails, err := d.guardrails.forNamespace(ctx, namespace)
	if err == nil {
		cluster, err = withBoundary(cluster, guardrails)
	}
	if err != nil {
		logf.FromContext(ctx).Info("Skipping drift check for namespace", "namespace", namespace, "reason", err.Error())
		return nil
	}
	if last := d.clusters[namespace]; last != nil && equality.Semantic.DeepEqual(*last, cluster) {
		return last
	}
	return &cluster
}

func readCost(candidates []candidate) int {
	cost := 0
	for _, c := range candidates {
		cost += plan.ReadCost(c.desired)
	}
	return cost
}

// recordResults caches the roles that are in sync, and queues the others. It also
// queues identities whose status lacks a day of use: their reconcile makes no call.
func (d *driftChecker) recordResults(ctx context.Context, candidates []candidate, snapshot plan.RoleSnapshot, began time.Time) {
	var suspects, used []*v1alpha1.PodIdentity
	for _, c := range candidates {
		found := d.cachedIfInSync(c, snapshot, began)
		var recorded bool
		if found == nil && snapshot.Roles != nil {
			recorded = d.roleCache.recordDrift(c.obj.UID, began)
		} else {
			recorded = d.roleCache.recordCheck(c.obj.UID, began, found)
		}
		switch {
		case recorded && found == nil:
			suspects = append(suspects, c.obj)
		case recorded && hasNewUse(c.obj.Status.Role, &found.status):
			used = append(used, c.obj)
		}
	}
	d.done.Store(true)
	driftCheckLastSuccess.Set(float64(began.Unix()))
	driftCheckRequests.Set(float64(snapshot.Calls))
	driftCheckSuspects.Set(float64(len(suspects)))
	for _, obj := range slices.Concat(suspects, used) {
		select {
		case d.suspects <- event.GenericEvent{Object: obj}:
		case <-ctx.Done():
			return
		}
	}
}

// cachedIfInSync returns the cache entry of an identity's role if the role in the
// snapshot matches the desired one, nil otherwise.
func (d *driftChecker) cachedIfInSync(c candidate, snapshot plan.RoleSnapshot, began time.Time) *cachedRole {
	found := snapshot.Find(c.owner, c.desired)
	if found == nil {
		return nil
	}
	return &cachedRole{
		desired:     c.desired,
		status:      roleStatus(found),
		observedAt:  began,
		readAt:      began,
		assumableAt: earliest(found.CreatedAt, began).Add(d.config.IAMPropagationDelay),
	}
}
