package controllers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
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

	awsCalls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podidentity_aws_requests_total",
		Help: "Requests to AWS, by operation and outcome: success, or the error code.",
	}, []string{"operation", "outcome"})

	awsDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "podidentity_aws_request_duration_seconds",
		Help:    "Time that AWS took to answer, by operation.",
		Buckets: prometheus.ExponentialBuckets(0.02, 2, 10),
	}, []string{"operation"})
)

func init() {
	metrics.Registry.MustRegister(driftCorrected, changesMade, awsCalls, awsDuration)
}

// ObserveAWSCall counts one request to AWS.
func ObserveAWSCall(operation, outcome string, took time.Duration) {
	awsCalls.WithLabelValues(operation, outcome).Inc()
	awsDuration.WithLabelValues(operation).Observe(took.Seconds())
}
