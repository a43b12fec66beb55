package controllers

import (
	"context"
	"errors"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
)

// AWS is the part of AWS that the controller uses.
type AWS struct {
	Roles interface {
		roles
		roleLister
		policyReader
	}
	Providers providers
	Account   account
	// Events reports out-of-band changes; nil if nothing does.
	Events EventQueue
}

// Setup adds the controller to mgr.
func Setup(ctx context.Context, mgr ctrl.Manager, config Config, aws AWS) error {
	discovery, err := newDiscovery(mgr)
	if err != nil {
		return err
	}
	realClock := clock.RealClock{}
	shared := &clusterInfo{
		config: config, discover: discovery.issuer, account: aws.Account, providers: aws.Providers, apiReader: mgr.GetAPIReader(), clock: realClock,
	}
	cached := newRoleCache()
	guardrails := guardrailReader{client: mgr.GetClient()}
	retries := newRetries(realClock)
	policies := newManagedPolicies(aws.Roles, realClock)
	policies.blocked = retries.blocked
	recorder := boundedEvents{mgr.GetEventRecorder("podidentity-operator")}
	orphaned := newOrphans(config.OrphanedRoles, realClock, mgr.GetAPIReader(), aws.Roles, guardrails)
	orphaned.events, orphaned.policies = recorder, policies
	suspects := make(chan event.GenericEvent)
	checker := &driftChecker{
		config: config, client: mgr.GetClient(), lister: aws.Roles, clusterInfo: shared, guardrails: guardrails, roleCache: cached,
		policies: policies, clock: realClock, suspects: suspects, orphans: orphaned,
	}
	pods, err := watchPods(ctx, mgr.GetCache())
	if err != nil {
		return err
	}
	r := newReconciler(config, dependencies{
		client:       client.WithFieldOwner(mgr.GetClient(), FieldManager),
		apiReader:    mgr.GetAPIReader(),
		roles:        aws.Roles,
		clusterInfo:  shared,
		guardrails:   guardrails,
		policies:     policies,
		cache:        cached,
		orphans:      orphaned,
		pods:         pods,
		clock:        realClock,
		retries:      retries,
		checkPending: checker.pending,
	})
	r.events = recorder
	if aws.Events != nil {
		checkNow := make(chan struct{}, 1)
		checker.checkNow = checkNow
		if err := mgr.Add(&eventListener{
			queue: aws.Events, client: mgr.GetClient(), clusterInfo: shared, roleCache: cached, clock: realClock,
			suspects: suspects, checkNow: checkNow, reads: newReadLimiter(),
		}); err != nil {
			return err
		}
	}
	return errors.Join(
		setupIndexes(ctx, mgr.GetFieldIndexer()),
		mgr.Add(&providerChecker{
			config: config, client: mgr.GetClient(), apiReader: mgr.GetAPIReader(), clusterInfo: shared, clock: realClock, queue: suspects, events: recorder,
		}),
		mgr.Add(checker),
		mgr.Add(r.announcer),
		setupWatches(mgr, r, watcher{client: mgr.GetClient(), guardrails: guardrails}, suspects, cached),
	)
}

// dependencies are what the phases need.
type dependencies struct {
	client       client.Client
	apiReader    client.Reader
	roles        roles
	clusterInfo  *clusterInfo
	guardrails   guardrailReader
	policies     *managedPolicies
	cache        *roleCache
	orphans      *orphans
	pods         podLister
	clock        clock.PassiveClock
	retries      *retries
	checkPending func() bool
}

// newReconciler returns a reconciler whose phases have their dependencies.
func newReconciler(config Config, d dependencies) *Reconciler {
	gate := newGate(d.roles, d.retries.blocked, d.clock)
	role := &rolePhase{roles: gate, gate: gate, cache: d.cache, clock: d.clock, config: config, guardrails: d.guardrails, policies: d.policies, orphans: d.orphans, checkPending: d.checkPending}
	serviceAccounts := &serviceAccountPhase{client: d.client}
	role.serviceAccountsInSync = serviceAccounts.inSync
	return &Reconciler{
		announcer:       &announcer{client: d.client},
		config:          config,
		client:          d.client,
		apiReader:       d.apiReader,
		retries:         d.retries,
		gate:            gate,
		issuer:          &issuerPhase{clusterInfo: d.clusterInfo, clock: d.clock},
		guardrails:      &guardrailsPhase{client: d.client, reader: d.guardrails, policies: d.policies, role: role, orphans: d.orphans, require: config.RequireGuardrail},
		role:            role,
		serviceAccounts: serviceAccounts,
		plan:            &planPhase{role: role, serviceAccounts: serviceAccounts, interval: config.DriftCheckInterval},
		pods:            &podsPhase{pods: d.pods},
	}
}
