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
	"github.com/podidentity/podidentity-operator/internal/budget"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// fleets is what the sweeper needs of IAM.
type fleets interface {
	// Sweep looks at all roles in a path.
	Sweep(ctx context.Context, path string) (plan.Fleet, error)
}

// retrySweep is how long a sweep that failed waits for the next.
const retrySweep = 15 * time.Second

// remeasure is how many checks may go by the cost of one sweep: the account may
// have become smaller.
const remeasure = 20

// sweeper compares the roles of all settled identities with AWS, in a few calls
// for all together. It changes nothing: an identity that is not as desired, or of
// which the sweep does not know, gets a visit, which looks for itself.
type sweeper struct {
	config      Config
	client      client.Reader
	fleets      fleets
	environment *environment
	guardrails  guardrails
	memory      *memory
	clock       clock.Clock
	suspects    chan event.GenericEvent

	// done says that a sweep, or what stands for one, has been made since the
	// start. Before, nothing is known of identities that were settled.
	done atomic.Bool
	// cost is what the last sweep cost in calls; 0 while there was none.
	cost int
	// spared counts the checks since then that made no sweep.
	spared int
}

// subject is an identity that was settled when the sweep began.
type subject struct {
	obj     *v1alpha1.PodIdentity
	owner   plan.Owner
	desired plan.Role
}

// Start sweeps from time to time until ctx ends.
func (s *sweeper) Start(ctx context.Context) error {
	for {
		wait := jitter(s.config.DriftInterval)
		if err := s.sweep(budget.WithPriority(ctx, budget.Check)); err != nil {
			logf.FromContext(ctx).Info("Comparing all roles with AWS failed, will retry", "reason", err.Error())
			wait = min(wait, jitter(retrySweep))
		}
		giveBack()
		select {
		case <-ctx.Done():
			return nil
		case <-s.clock.After(wait):
		}
	}
}

// pending reports whether the first sweep is still to come.
func (s *sweeper) pending() bool { return !s.done.Load() }

func (s *sweeper) sweep(ctx context.Context) error {
	cluster, err := s.environment.cluster(ctx)
	if err != nil {
		return err
	}
	began := s.clock.Now()
	subjects, err := s.subjects(ctx, cluster)
	if err != nil {
		return err
	}
	defer func() { sweepDuration.Observe(s.clock.Since(began).Seconds()) }()
	if s.cost >= lookCost(subjects) && s.spared < remeasure {
		s.spared++
		s.conclude(ctx, subjects, plan.Fleet{}, began)
		return nil
	}
	fleet, err := s.fleets.Sweep(ctx, cluster.RolePath)
	if err != nil {
		if fault.ReasonOf(err, "") != v1alpha1.ReasonAccessDenied {
			return err
		}
		// That costs more than a sweep, and so must not come more often than one.
		logf.FromContext(ctx).Info("Comparing all roles with AWS at once is not allowed, each is looked at by itself", "reason", err.Error())
	}
	s.cost, s.spared = fleet.Calls, 0
	s.conclude(ctx, subjects, fleet, began)
	return nil
}

// giveBack returns what a sweep has read, a copy of the account, to the system. An
// operator in sync allocates so little that it would keep it for minutes.
func giveBack() { debug.FreeOSMemory() }

// subjects returns the identities whose roles should be as desired now.
func (s *sweeper) subjects(ctx context.Context, cluster plan.Cluster) ([]subject, error) {
	var list v1alpha1.PodIdentityList
	if err := s.client.List(ctx, &list); err != nil {
		return nil, err
	}
	var subjects []subject
	bounds := map[string]*plan.Cluster{} // by namespace
	for i := range list.Items {
		obj := &list.Items[i]
		if !obj.DeletionTimestamp.IsZero() || obj.Spec.Suspend || obj.Spec.Mode == v1alpha1.ModePlan || !readyAt(obj, obj.Generation) {
			continue
		}
		if _, ok := bounds[obj.Namespace]; !ok {
			bounds[obj.Namespace] = s.boundOf(ctx, cluster, obj.Namespace)
		}
		here := bounds[obj.Namespace]
		if here == nil {
			continue
		}
		if desired, err := plan.Desired(obj, *here); err == nil {
			subjects = append(subjects, subject{obj: obj, owner: plan.OwnerOf(obj, cluster), desired: desired.Role})
		}
	}
	return subjects, nil
}

// boundOf returns the cluster as the identities of a namespace see it, nil if no
// guardrail lets them be made at all: then a visit says so.
func (s *sweeper) boundOf(ctx context.Context, cluster plan.Cluster, namespace string) *plan.Cluster {
	rails, err := s.guardrails.of(ctx, namespace)
	if err == nil {
		cluster, err = bound(cluster, rails)
	}
	if err != nil {
		logf.FromContext(ctx).Info("The identities of a namespace are not compared with AWS", "namespace", namespace, "reason", err.Error())
		return nil
	}
	return &cluster
}

func lookCost(subjects []subject) int {
	cost := 0
	for _, s := range subjects {
		cost += plan.LookCost(s.desired)
	}
	return cost
}

// conclude remembers the roles that are as desired, and has the others visited.
func (s *sweeper) conclude(ctx context.Context, subjects []subject, fleet plan.Fleet, began time.Time) {
	var suspects []*v1alpha1.PodIdentity
	for _, sub := range subjects {
		found := s.find(sub, fleet, began)
		if s.memory.judge(sub.obj.UID, began, found) && found == nil {
			suspects = append(suspects, sub.obj)
		}
	}
	s.done.Store(true)
	lastSweep.Set(float64(began.Unix()))
	sweepCalls.Set(float64(fleet.Calls))
	sweepSuspects.Set(float64(len(suspects)))
	for _, obj := range suspects {
		select {
		case s.suspects <- event.GenericEvent{Object: obj}:
		case <-ctx.Done():
			return
		}
	}
}

// find returns what to remember of an identity's role if the fleet has it as
// desired, nil otherwise.
func (s *sweeper) find(sub subject, fleet plan.Fleet, began time.Time) *remembered {
	found := fleet.InSync(sub.owner, sub.desired)
	if found == nil {
		return nil
	}
	return &remembered{
		desired:  sub.desired,
		status:   v1alpha1.RoleStatus{Name: found.Name, ARN: found.ARN, ID: found.ID},
		seenAt:   began,
		usableAt: earlier(found.CreatedAt, began).Add(s.config.PropagationGrace),
	}
}
