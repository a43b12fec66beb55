package queue

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// queueMetrics are the metrics that controller-runtime's own queue reports, under the same
// names. The lock of the queue protects them.
type queueMetrics struct {
	name             string
	depths           *prometheus.GaugeVec
	adds, retries    prometheus.Counter
	latency          prometheus.Observer
	workDuration     prometheus.Observer
	unfinished       prometheus.Gauge
	longest          prometheus.Gauge
	addedAt, running map[reconcile.Request]time.Time
}

// newMetrics finds the metrics that controller-runtime has registered for its queue. A
// registry returns the registered collector if one of the same name and labels is
// registered again (https://pkg.go.dev/github.com/prometheus/client_golang/prometheus#AlreadyRegisteredError).
func newMetrics(name string) queueMetrics {
	labels := []string{"name", "controller"}
	gauge := func(key, help string, labels ...string) *prometheus.GaugeVec {
		return registered(prometheus.NewGaugeVec(prometheus.GaugeOpts{Subsystem: metrics.WorkQueueSubsystem, Name: key, Help: help}, labels))
	}
	counter := func(key, help string) prometheus.Counter {
		return registered(prometheus.NewCounterVec(prometheus.CounterOpts{Subsystem: metrics.WorkQueueSubsystem, Name: key, Help: help}, labels)).WithLabelValues(name, name)
	}
	histogram := func(key, help string) prometheus.Observer {
		return registered(prometheus.NewHistogramVec(prometheus.HistogramOpts{Subsystem: metrics.WorkQueueSubsystem, Name: key, Help: help}, labels)).WithLabelValues(name, name)
	}
	return queueMetrics{
		name:         name,
		depths:       gauge(metrics.DepthKey, "Current depth of workqueue by workqueue and priority", "name", "controller", "priority"),
		adds:         counter(metrics.AddsKey, "Total number of adds handled by workqueue"),
		retries:      counter(metrics.RetriesKey, "Total number of items added to the workqueue with a non-zero delay (rate-limited requeues, explicit RequeueAfter or AddAfter calls)"),
		latency:      histogram(metrics.QueueLatencyKey, "How long in seconds an item stays in workqueue before being requested"),
		workDuration: histogram(metrics.WorkDurationKey, "How long in seconds processing an item from workqueue takes."),
		unfinished: gauge(metrics.UnfinishedWorkKey, "How many seconds of work has been done that is in progress and hasn't been observed by work_duration. "+
			"Large values indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this increases.", labels...).WithLabelValues(name, name),
		longest: gauge(metrics.LongestRunningProcessorKey, "How many seconds has the longest running processor for workqueue been running.", labels...).WithLabelValues(name, name),
		addedAt: map[reconcile.Request]time.Time{},
		running: map[reconcile.Request]time.Time{},
	}
}

// registered returns the collector of the same name that the registry holds.
func registered[C prometheus.Collector](c C) C {
	err := metrics.Registry.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing
		}
	}
	return c
}

func (m *queueMetrics) depth(priority int) prometheus.Gauge {
	return m.depths.WithLabelValues(m.name, m.name, strconv.Itoa(-classOf(priority)))
}

// added records that an item has become ready. It counts an item once.
func (m *queueMetrics) added(i *item) {
	m.depth(i.priority).Inc()
	if _, counted := m.addedAt[i.request]; !counted {
		m.adds.Inc()
		m.addedAt[i.request] = time.Now()
	}
}

func (m *queueMetrics) started(i *item) {
	m.depth(i.priority).Dec()
	m.latency.Observe(time.Since(m.addedAt[i.request]).Seconds())
	delete(m.addedAt, i.request)
	m.running[i.request] = time.Now()
}

func (m *queueMetrics) done(request reconcile.Request) {
	m.workDuration.Observe(time.Since(m.running[request]).Seconds())
	delete(m.running, request)
}

// reportUnfinished reports how long the reconciles that run have been running.
func (q *Queue) reportUnfinished() {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-q.stopped:
			return
		case <-tick.C:
		}
		q.mu.Lock()
		var sum, longest float64
		for _, began := range q.metrics.running {
			took := time.Since(began).Seconds()
			sum, longest = sum+took, max(longest, took)
		}
		q.metrics.unfinished.Set(sum)
		q.metrics.longest.Set(longest)
		q.mu.Unlock()
	}
}
