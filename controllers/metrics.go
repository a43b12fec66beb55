package controllers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/podidentity/podidentity-operator/internal/budget"
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

	awsCalls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podidentity_aws_requests_total",
		Help: "Requests to AWS, by operation and outcome: Success, or the error code.",
	}, []string{"operation", "outcome"})

	awsDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "podidentity_aws_request_duration_seconds",
		Help:    "Time that AWS took to answer, by operation.",
		Buckets: prometheus.ExponentialBuckets(0.02, 2, 10),
	}, []string{"operation"})

	budgetWait = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "podidentity_aws_budget_wait_seconds",
		Help:    "Time that requests waited for the operator's own budget, by priority.",
		Buckets: prometheus.ExponentialBuckets(0.01, 4, 8),
	}, []string{"priority"})

	sweepDuration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "podidentity_sweep_duration_seconds",
		Help:    "Time that comparing all roles with AWS took.",
		Buckets: prometheus.ExponentialBuckets(0.1, 2, 12),
	})

	lastSweep = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podidentity_last_full_check_timestamp_seconds",
		Help: "When all roles were last compared with AWS, in Unix time.",
	})

	sweepCalls = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podidentity_sweep_requests",
		Help: "Requests to AWS that the last comparison of all roles cost; 0 if each role was looked at by itself.",
	})

	sweepSuspects = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podidentity_sweep_suspects",
		Help: "Roles that the last comparison did not find as desired, and that were then looked at.",
	})
)

// collectors are all of them; docs/metrics.md tells of each.
var collectors = []prometheus.Collector{
	driftCorrected, changesMade, failures,
	awsCalls, awsDuration, budgetWait,
	sweepDuration, lastSweep, sweepCalls, sweepSuspects,
}

func init() { metrics.Registry.MustRegister(collectors...) }

// ObserveAWSCall counts one request to AWS.
func ObserveAWSCall(operation, outcome string, took time.Duration) {
	awsCalls.WithLabelValues(operation, outcome).Inc()
	awsDuration.WithLabelValues(operation).Observe(took.Seconds())
}

// ObserveBudgetWait counts the wait of one request for the budget.
func ObserveBudgetWait(p budget.Priority, waited time.Duration) {
	budgetWait.WithLabelValues(p.String()).Observe(waited.Seconds())
}
