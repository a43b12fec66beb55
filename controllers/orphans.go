package controllers

import (
	"context"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// OrphanPolicy defines what to do with a leaked role: a role of this cluster whose
// PodIdentity does not exist and that was not retained.
type OrphanPolicy string

// The policies for leaked roles.
const (
	OrphanSeal   OrphanPolicy = "Seal"   // replace the trust policy with one that admits no one
	OrphanDelete OrphanPolicy = "Delete" // delete the role
	OrphanReport OrphanPolicy = "Report" // report it only
)

// sightingsBeforeAction is the number of consecutive drift checks that must find a
// leaked role before the operator changes it: a snapshot may be older than the cache.
const sightingsBeforeAction = 2

// orphans tracks the roles of this cluster whose PodIdentity does not exist. A tenant
// who removes the finalizer, or deletes with deletionPolicy Retain, leaves such a role.
type orphans struct {
	policy     OrphanPolicy
	clock      clock.PassiveClock
	apiReader  client.Reader
	roles      roles
	guardrails guardrailReader
	policies   *managedPolicies
	events     events.EventRecorder

	mu          sync.Mutex
	sightings   map[string]int             // by role ID
	byNamespace map[string]map[string]bool // names of the roles that can be assumed, by namespace
	retained    map[string]bool            // names of retained roles that the operator could not tag yet
	freed       map[string]bool            // namespaces that have fewer such roles than before
	// unseen are the roles of objects that no longer exist, until a drift check finds them,
	// by the UID of the object. handled are objects whose deletion the operator has processed.
	unseen  map[types.UID]*unseenOrphan
	handled map[types.UID]int // the drift checks since then
}

// unseenOrphan is a role that no drift check has found yet.
type unseenOrphan struct {
	namespace, role string
	missed          int // the drift checks that did not find it
}

// maxMissedSightings is the number of drift checks that may miss an unseen orphan: the
// snapshot of one may be older than the orphan.
const maxMissedSightings = 2

func newOrphans(onLeak OrphanPolicy, now clock.PassiveClock, apiReader client.Reader, roles roles, guardrails guardrailReader) *orphans {
	return &orphans{
		policy: onLeak, clock: now, apiReader: apiReader, roles: roles, guardrails: guardrails,
		sightings: map[string]int{}, byNamespace: map[string]map[string]bool{}, retained: map[string]bool{}, freed: map[string]bool{},
		unseen: map[types.UID]*unseenOrphan{}, handled: map[types.UID]int{},
	}
}

// inNamespace returns the number of orphaned roles of a namespace that can be
// assumed, without the one of a name. They count towards maxIdentities.
func (o *orphans) inNamespace(namespace, except string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	roles := maps.Clone(o.byNamespace[namespace])
	for _, orphan := range o.unseen {
		if orphan.namespace == namespace {
			if roles == nil {
				roles = map[string]bool{}
			}
			roles[orphan.role] = true
		}
	}
	delete(roles, except)
	return len(roles)
}

// objectGone counts the role of an object that no longer exists, unless the operator has
// processed its deletion: the finalizer was removed.
func (o *orphans) objectGone(uid types.UID, namespace, role string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.handled[uid]; !ok {
		o.unseen[uid] = &unseenOrphan{namespace: namespace, role: role}
	}
}

// roleRemoved records that the operator has removed the role of an object, or found that
// there is none.
func (o *orphans) roleRemoved(uid types.UID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.handled[uid] = 0
	if orphan := o.unseen[uid]; orphan != nil {
		delete(o.unseen, uid)
		o.freed[orphan.namespace] = true
	}
}

// isHandled reports whether the operator has processed the deletion of an object a short
// time ago.
func (o *orphans) isHandled(uid types.UID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.handled[uid]
	return ok
}

// roleRetained counts the role of an object that is about to be deleted.
func (o *orphans) roleRetained(uid types.UID, namespace, role string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.handled[uid] = 0
	o.unseen[uid] = &unseenOrphan{namespace: namespace, role: role}
}

// forgetSeen forgets the unseen orphans that a drift check has found, and those that do
// not exist. The caller holds the lock.
func (o *orphans) forgetSeen(found []plan.Orphan) {
	names := map[string]bool{}
	for i := range found {
		names[found[i].Name] = true
	}
	for uid, orphan := range o.unseen {
		orphan.missed++
		if names[orphan.role] || orphan.missed >= maxMissedSightings {
			delete(o.unseen, uid)
			o.freed[orphan.namespace] = o.freed[orphan.namespace] || !names[orphan.role]
		}
	}
	for uid := range o.handled {
		if o.handled[uid]++; o.handled[uid] >= maxMissedSightings {
			delete(o.handled, uid)
		}
	}
}

// markRetained records that a role was retained, for a role whose tag could not be
// written.
func (o *orphans) markRetained(role string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.retained[role] = true
}

// check handles the orphaned roles of a snapshot. It returns the first error, after
// it has handled all roles.
func (o *orphans) check(ctx context.Context, cluster plan.Cluster, snapshot plan.RoleSnapshot, uids map[string]bool) error {
	if others := snapshot.OfOtherCluster(cluster); len(others) > 0 {
		logf.FromContext(ctx).Error(nil, "Another cluster uses the same cluster name; set a unique --cluster-name in one of them",
			"cluster", cluster.Name, "clusterID", cluster.ID, "roles", truncateList(others))
		otherClusterRoles.Set(float64(len(others)))
	} else {
		otherClusterRoles.Set(0)
	}
	var found []plan.Orphan
	for _, orphan := range snapshot.Orphans(cluster, uids) {
		gone, err := o.ownerIsGone(ctx, orphan)
		if err != nil {
			return err
		}
		if gone {
			found = append(found, orphan)
		}
	}
	o.remember(found)
	var first error
	for _, orphan := range found {
		if err := o.handle(ctx, cluster, orphan); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// ownerIsGone reports whether the PodIdentity of an orphan does not exist. It reads from
// the API server, because the cache may be older than the snapshot.
func (o *orphans) ownerIsGone(ctx context.Context, orphan plan.Orphan) (bool, error) {
	var pi v1alpha1.PodIdentity
	err := o.apiReader.Get(ctx, client.ObjectKey{Namespace: orphan.Namespace, Name: orphan.Object}, &pi)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("getting PodIdentity %s/%s: %w", orphan.Namespace, orphan.Object, err)
	}
	return string(pi.UID) != orphan.Tags[plan.TagUID], nil
}

// remember counts the sightings of each orphan, and the orphans of each namespace.
func (o *orphans) remember(found []plan.Orphan) {
	o.mu.Lock()
	defer o.mu.Unlock()
	sightings, byNamespace := map[string]int{}, map[string]map[string]bool{}
	leaked, retained := 0, 0
	for i := range found {
		orphan := &found[i]
		sightings[orphan.ID] = o.sightings[orphan.ID] + 1
		if !orphan.Sealed() {
			if byNamespace[orphan.Namespace] == nil {
				byNamespace[orphan.Namespace] = map[string]bool{}
			}
			byNamespace[orphan.Namespace][orphan.Name] = true
		}
		if orphan.Retained || o.retained[orphan.Name] {
			retained++
		} else {
			leaked++
		}
	}
	for namespace, before := range o.byNamespace {
		if len(byNamespace[namespace]) < len(before) {
			o.freed[namespace] = true
		}
	}
	o.sightings, o.byNamespace = sightings, byNamespace
	o.forgetSeen(found)
	orphanedRoles.WithLabelValues("leaked").Set(float64(leaked))
	orphanedRoles.WithLabelValues("retained").Set(float64(retained))
}

// handle reports an orphaned role, and seals, deletes or revokes it.
func (o *orphans) handle(ctx context.Context, cluster plan.Cluster, orphan plan.Orphan) error {
	o.mu.Lock()
	sightings, untagged := o.sightings[orphan.ID], o.retained[orphan.Name]
	o.mu.Unlock()
	switch {
	case untagged && !orphan.Retained:
		return o.tagRetained(ctx, orphan)
	case sightings == 1 && !orphan.Retained && !orphan.Sealed():
		o.report(ctx, orphan)
	}
	if revoke, err := o.violatesGuardrail(ctx, orphan); err != nil {
		return err
	} else if revoke {
		return o.apply(ctx, cluster, orphan, "a guardrail rejects it", plan.Diff(&orphan.Role, orphan.Role.Revoked()))
	}
	if orphan.Retained || sightings < sightingsBeforeAction {
		return nil
	}
	switch o.policy {
	case OrphanDelete:
		return o.delete(ctx, cluster, orphan)
	case OrphanReport:
		return nil
	default:
		if orphan.Sealed() {
			return nil
		}
		return o.apply(ctx, cluster, orphan, "its PodIdentity does not exist", []plan.Change{plan.UpdateTrust{Trust: policy.DenyAllTrust()}})
	}
}

// report logs a leaked role, and emits an event on its namespace if the namespace exists.
func (o *orphans) report(ctx context.Context, orphan plan.Orphan) {
	logf.FromContext(ctx).Info("Role has no PodIdentity", "role", orphan.Name, "namespace", orphan.Namespace, "podIdentity", orphan.Object)
	var namespace corev1.Namespace
	if err := o.apiReader.Get(ctx, client.ObjectKey{Name: orphan.Namespace}, &namespace); err != nil || o.events == nil {
		return
	}
	o.events.Eventf(&namespace, nil, corev1.EventTypeWarning, eventOrphanedRole, "None",
		"IAM role %s of PodIdentity %s/%s still exists although the PodIdentity does not", orphan.Name, orphan.Namespace, orphan.Object)
}

// violatesGuardrail reports whether a guardrail with onViolation: Revoke rejects the
// permissions of an orphaned role that still has some.
func (o *orphans) violatesGuardrail(ctx context.Context, orphan plan.Orphan) (bool, error) {
	if orphan.Sealed() && len(orphan.Managed)+len(orphan.Inline) == 0 {
		return false, nil
	}
	set, err := o.guardrails.forNamespace(ctx, orphan.Namespace)
	if apierrors.IsNotFound(err) {
		return false, nil // the namespace is deleted, and with it the labels that guardrails select
	}
	if err != nil {
		return false, err
	}
	if !set.Revokes() {
		return false, nil
	}
	facts := guardrail.Facts{Managed: o.policies.contents(ctx, set.Reads(orphan.Managed), false)}
	return set.EvaluateRole(orphan.Role, orphan.Namespace, facts).Revoke, nil
}

// tagRetained tags a role that was retained while AWS was unavailable.
func (o *orphans) tagRetained(ctx context.Context, orphan plan.Orphan) error {
	if _, err := o.roles.Apply(ctx, orphan.Name, []plan.Change{retainedTag(o.clock.Now())}); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.retained, orphan.Name)
	return nil
}

func (o *orphans) delete(ctx context.Context, cluster plan.Cluster, orphan plan.Orphan) error {
	observed, err := o.roles.ObserveForTeardown(ctx, orphan.Name)
	if err != nil || observed == nil {
		return err
	}
	orphan.Observed = observed
	return o.apply(ctx, cluster, orphan, "its PodIdentity does not exist", plan.Teardown(observed))
}

// apply changes an orphaned role. Before that it reads the role's owner again, because
// the snapshot may be minutes old, and does nothing if the role is no longer this orphan.
func (o *orphans) apply(ctx context.Context, cluster plan.Cluster, orphan plan.Orphan, cause string, changes []plan.Change) error {
	if len(changes) == 0 {
		return nil
	}
	now, err := o.roles.ObserveOwner(ctx, orphan.Name)
	if err != nil || now == nil {
		return err
	}
	current := plan.RoleSnapshot{Roles: map[string]*plan.Observed{}}
	current.Add(now)
	if now.ID != orphan.ID || len(current.Orphans(cluster, nil)) == 0 || now.Tags[plan.TagUID] != orphan.Tags[plan.TagUID] {
		return nil
	}
	logf.FromContext(ctx).Info("Changing orphaned role", "role", orphan.Name, "changes", plan.Summary(changes), "cause", cause)
	assumable := !orphan.Sealed()
	applied, err := o.roles.Apply(ctx, orphan.Name, changes)
	for _, c := range applied.Completed {
		changesMade.WithLabelValues(c.Action()).Inc()
	}
	if err == nil && assumable {
		o.release(orphan.Namespace, orphan.Name)
	}
	return err
}

// release records that a role of a namespace can no longer be assumed.
func (o *orphans) release(namespace, role string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.byNamespace[namespace], role)
	o.freed[namespace] = true
}

// takeFreed returns the namespaces that have fewer orphaned roles than at the last
// call, so that their guardrails may allow another identity.
func (o *orphans) takeFreed() map[string]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	freed := o.freed
	o.freed = map[string]bool{}
	return freed
}
