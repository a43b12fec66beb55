package controllers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// The metrics of the operator, beside those of controller-runtime. None has a
// label that grows with the number of objects.
var (
	driftCorrected = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podidentity_drift_corrected_total",
		Help: "Changes by somebody else that were put back, by the part of the identity.",
	}, []string{"part"})

	changesMade = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podidentity_role_changes_total",
		Help: "Changes made to IAM roles, by IAM action.",
	}, []string{"action"})

	failures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podidentity_failures_total",
		Help: "Identities that came to need somebody, by the reason that their conditions give.",
	}, []string{"reason"})

	awsRequests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podidentity_aws_requests_total",
		Help: "Requests to AWS, by operation and outcome: Success, or the error code.",
	}, []string{"operation", "outcome"})

	awsRequestDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "podidentity_aws_request_duration_seconds",
		Help:    "Time that AWS took to answer, by operation.",
		Buckets: prometheus.ExponentialBuckets(0.02, 2, 10),
	}, []string{"operation"})

	rateLimitWait = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "podidentity_aws_rate_limit_wait_seconds",
		Help:    "Time that requests waited for the operator's own budget, by priority.",
		Buckets: prometheus.ExponentialBuckets(0.01, 4, 8),
	}, []string{"priority"})

	driftCheckDuration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "podidentity_drift_check_duration_seconds",
		Help:    "Time that comparing all roles with AWS took.",
		Buckets: prometheus.ExponentialBuckets(0.1, 2, 12),
	})

	driftCheckLastSuccess = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podidentity_drift_check_last_success_timestamp_seconds",
		Help: "When all roles were last compared with AWS, in Unix time.",
	})

	driftCheckRequests = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podidentity_drift_check_requests",
		Help: "Requests to AWS that the last comparison of all roles cost; 0 if each role was looked at by itself.",
	})

	driftCheckSuspects = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podidentity_drift_check_suspected_roles",
		Help: "Roles that the last comparison did not find as desired, and that were then looked at.",
	})
)

// collectors are all of them; docs/metrics.md tells of each.
var collectors = []prometheus.Collector{
	driftCorrected, changesMade, failures,
	awsRequests, awsRequestDuration, rateLimitWait,
	driftCheckDuration, driftCheckLastSuccess, driftCheckRequests, driftCheckSuspects,
}

func init() { metrics.Registry.MustRegister(collectors...) }

// ObserveAWSRequest counts one request to AWS.
func ObserveAWSRequest(operation, outcome string, took time.Duration) {
	awsRequests.WithLabelValues(operation, outcome).Inc()
	awsRequestDuration.WithLabelValues(operation).Observe(took.Seconds())
}

// ObserveRateLimitWait counts the wait of one request for the budget.
func ObserveRateLimitWait(p ratelimit.Priority, waited time.Duration) {
	rateLimitWait.WithLabelValues(p.String()).Observe(waited.Seconds())
}
