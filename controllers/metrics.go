package controllers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// The metrics of the operator, in addition to those of controller-runtime. No label
// grows with the number of objects.
var (
	driftCorrected = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podidentity_drift_corrected_total",
		Help: "Out-of-band changes reverted by the operator, by component.",
	}, []string{"component"})

	changesMade = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podidentity_role_changes_total",
		Help: "Changes made to IAM roles, by IAM action.",
	}, []string{"action"})

	failures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podidentity_failures_total",
		Help: "Transitions of PodIdentities into a state that requires user action, by condition reason.",
	}, []string{"reason"})

	awsRequests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podidentity_aws_requests_total",
		Help: "Requests to AWS, by operation and outcome: Success, or the error code.",
	}, []string{"operation", "outcome"})

	awsRequestDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "podidentity_aws_request_duration_seconds",
		Help:    "Latency of AWS API requests, by operation.",
		Buckets: prometheus.ExponentialBuckets(0.02, 2, 10),
	}, []string{"operation"})

	rateLimitWait = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "podidentity_aws_rate_limit_wait_seconds",
		Help:    "Time requests waited for the client-side rate limiter, by priority.",
		Buckets: prometheus.ExponentialBuckets(0.01, 4, 8),
	}, []string{"priority"})

	driftCheckDuration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "podidentity_drift_check_duration_seconds",
		Help:    "Duration of a drift check of all managed roles.",
		Buckets: prometheus.ExponentialBuckets(0.1, 2, 12),
	})

	driftCheckLastSuccess = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podidentity_drift_check_last_success_timestamp_seconds",
		Help: "Unix time of the last drift check that succeeded.",
	})

	driftCheckRequests = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podidentity_drift_check_requests",
		Help: "AWS requests made by the last drift check; 0 if roles are read individually.",
	})

	driftCheckSuspects = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podidentity_drift_check_suspected_roles",
		Help: "Roles that the last drift check queued for individual reconciliation.",
	})

	driftCorrectedByEvent = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podidentity_drift_corrected_by_event_total",
		Help: "Out-of-band changes reverted after an event of CloudTrail, by component and by the principal that made the change.",
	}, []string{"component", "principal"})

	driftEventLastCorrected = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podidentity_drift_event_last_corrected_timestamp_seconds",
		Help: "Unix time of the last out-of-band change that was reverted after an event of CloudTrail, as CloudTrail recorded it.",
	})

	driftEvents = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podidentity_drift_events_total",
		Help: "Messages of the event queue, by class.",
	}, []string{"class"})

	driftEventDelay = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "podidentity_drift_event_delay_seconds",
		Help:    "Time from a change, as CloudTrail recorded it, to the message of the event queue.",
		Buckets: prometheus.ExponentialBuckets(1, 2, 12),
	})

	driftEventQueueUp = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podidentity_drift_event_queue_up",
		Help: "1 if the last request to the event queue succeeded, 0 if it failed or if there is no queue.",
	})

	issuerReady = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podidentity_issuer_ready",
		Help: "1 if IAM trusts the tokens of this cluster, 0 if no pod can assume a role.",
	})

	orphanedRoles = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "podidentity_orphaned_roles",
		Help: "Roles of this cluster whose PodIdentity does not exist, by kind: leaked or retained.",
	}, []string{"kind"})

	identitiesByLastUse = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "podidentity_identities_by_last_use",
		Help: "PodIdentities with a role, by its last use: used (within 90 days), unused (not for 90 days), never (created 90 days ago or earlier, and not used since), new (younger, and not used yet) or unknown.",
	}, []string{"use"})

	blockedIdentities = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "podidentity_blocked_identities",
		Help: "Blocked PodIdentities, for which a user must act outside of the object, by condition reason.",
	}, []string{"reason"})

	otherClusterRoles = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podidentity_other_cluster_roles",
		Help: "Roles under the operator's path that another cluster with the same name created.",
	})
)

// collectors are all metrics; docs/metrics.md documents each.
var collectors = []prometheus.Collector{
	driftCorrected, changesMade, failures,
	awsRequests, awsRequestDuration, rateLimitWait,
	driftCheckDuration, driftCheckLastSuccess, driftCheckRequests, driftCheckSuspects,
	driftCorrectedByEvent, driftEventLastCorrected, driftEvents, driftEventDelay, driftEventQueueUp,
	issuerReady, orphanedRoles, otherClusterRoles, identitiesByLastUse, blockedIdentities,
}

func init() { metrics.Registry.MustRegister(collectors...) }

// ObserveAWSRequest records one request to AWS.
func ObserveAWSRequest(operation, outcome string, took time.Duration) {
	awsRequests.WithLabelValues(operation, outcome).Inc()
	awsRequestDuration.WithLabelValues(operation).Observe(took.Seconds())
}

// setBlocked records the number of blocked identities by reason.
func setBlocked(reasons map[string]int) {
	blockedIdentities.Reset()
	for reason, n := range reasons {
		blockedIdentities.WithLabelValues(reason).Set(float64(n))
	}
}

// ObserveRateLimitWait records how long one request waited for the rate limiter.
func ObserveRateLimitWait(p ratelimit.Priority, waited time.Duration) {
	rateLimitWait.WithLabelValues(p.String()).Observe(waited.Seconds())
}
