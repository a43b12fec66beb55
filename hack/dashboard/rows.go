package main

// A row is a group of panels.
type row struct {
	title  string
	panels []panel
}

// A panel shows the results of queries.
type panel struct {
	title       string
	description string
	unit        string // of Grafana, such as s or reqps
	form        form
	queries     []query
}

// form is how a panel shows its results.
type form int

const (
	lines  form = iota // over time
	number             // the newest value
	list               // the newest values, a line each
)

// A query is PromQL, and the legend of its results.
type query struct{ expr, legend string }

// leader selects the Lease of the operator among those of all controllers.
const leader = `leader_election_master_status{name="podidentity-operator.iam.podidentity.io"}`

// rows returns the content of the dashboard.
func rows() []row {
	return []row{overview(), identities(), aws(), process(), objects()}
}

func overview() row {
	return row{"Overview", []panel{
		{"Leaders", "Replicas that are active: 1, or 0 while another takes over.", "none", number, []query{{"sum(" + leader + ")", ""}}},
		{"Age of the last drift check", "Out-of-band changes are found by drift checks.", "s", number, []query{{"time() - max(podidentity_drift_check_last_success_timestamp_seconds)", ""}}},
		{"Failures, last hour", "Transitions of PodIdentities into a state that requires user action.", "none", number, []query{{"sum(increase(podidentity_failures_total[1h])) or vector(0)", ""}}},
		{"Drift corrected, last day", "Out-of-band changes that the operator reverted.", "none", number, []query{{"sum(increase(podidentity_drift_corrected_total[1d])) or vector(0)", ""}}},
		{"Throttled by AWS", "The share of requests that AWS throttles.", "percentunit", number, []query{{`(sum(rate(podidentity_aws_requests_total{outcome="Throttling"}[10m])) or vector(0)) / sum(rate(podidentity_aws_requests_total[10m]))`, ""}}},
	}}
}

func identities() row {
	return row{"Identities", []panel{
		{"Changes of IAM roles", "By IAM action.", "ops", lines, []query{{"sum by (action) (rate(podidentity_role_changes_total[$__rate_interval]))", "{{action}}"}}},
		{"Failures", "Transitions into a state that requires user action, by the reason of the condition.", "ops", lines, []query{{"sum by (reason) (rate(podidentity_failures_total[$__rate_interval]))", "{{reason}}"}}},
		{"Drift corrected", "Out-of-band changes that the operator reverted, by component.", "ops", lines, []query{{"sum by (component) (rate(podidentity_drift_corrected_total[$__rate_interval]))", "{{component}}"}}},
		{"Roles suspected of drift", "Roles that the last drift check queued for individual reconciliation.", "none", lines, []query{{"max(podidentity_drift_check_suspected_roles)", "roles"}}},
		{"Orphaned roles", "Roles of this cluster whose PodIdentity does not exist, and roles of another cluster with the same name.", "none", lines, []query{
			{"max by (kind) (podidentity_orphaned_roles)", "{{kind}}"},
			{"max(podidentity_other_cluster_roles)", "other cluster"},
		}},
		{"Duration of drift checks", "", "s", lines, []query{{"sum(rate(podidentity_drift_check_duration_seconds_sum[$__rate_interval])) / sum(rate(podidentity_drift_check_duration_seconds_count[$__rate_interval]))", "mean"}}},
		{"AWS requests of a drift check", "", "none", lines, []query{{"max(podidentity_drift_check_requests)", "requests"}}},
	}}
}

func aws() row {
	return row{"AWS", []panel{
		{"Requests by operation", "", "reqps", lines, []query{{"sum by (operation) (rate(podidentity_aws_requests_total[$__rate_interval]))", "{{operation}}"}}},
		{"Requests that failed", "By outcome: the error code of AWS, Unreachable or CredentialsError.", "reqps", lines, []query{{`sum by (outcome) (rate(podidentity_aws_requests_total{outcome!="Success"}[$__rate_interval]))`, "{{outcome}}"}}},
		{"Latency", "The latency of AWS, without the wait for the rate limiter.", "s", lines, []query{
			{"histogram_quantile(0.5, sum by (le) (rate(podidentity_aws_request_duration_seconds_bucket[$__rate_interval])))", "median"},
			{"histogram_quantile(0.99, sum by (le) (rate(podidentity_aws_request_duration_seconds_bucket[$__rate_interval])))", "99th percentile"},
		}},
		{"Wait for the rate limiter", "90th percentile by priority. Edits and deletions go first.", "s", lines, []query{{"histogram_quantile(0.9, sum by (le, priority) (rate(podidentity_aws_rate_limit_wait_seconds_bucket[$__rate_interval])))", "{{priority}}"}}},
	}}
}

func process() row {
	const ofOperator = " and on (job, instance) " + leader
	return row{"Operator", []panel{
		{"Reconciliations", "By result.", "ops", lines, []query{{`sum by (result) (rate(controller_runtime_reconcile_total{controller="podidentity"}[$__rate_interval]))`, "{{result}}"}}},
		{"Queue", "PodIdentities that wait for a worker.", "none", lines, []query{{`sum(workqueue_depth{name="podidentity"})`, "waiting"}}},
		{"Memory", "Resident memory of each replica.", "bytes", lines, []query{{"process_resident_memory_bytes" + ofOperator, "{{instance}}"}}},
		{"CPU", "Cores that each replica uses.", "none", lines, []query{{"rate(process_cpu_seconds_total[$__rate_interval])" + ofOperator, "{{instance}}"}}},
	}}
}

// objects need kube-state-metrics.
func objects() row {
	return row{"PodIdentities (needs kube-state-metrics with config/kube-state-metrics)", []panel{
		{"By reason", "The reason of the condition Ready.", "none", lines, []query{{`count by (reason) (kube_podidentity_condition{type="Ready"})`, "{{reason}}"}}},
		{"Not ready", "Without those that are suspended.", "none", list, []query{{`max by (exported_namespace, name, reason) (kube_podidentity_condition{type="Ready"}) == 0 unless on (exported_namespace, name) kube_podidentity_info{suspended="true"}`, "{{exported_namespace}}/{{name}} {{reason}}"}}},
		{"Pods without the role", "They started before the ServiceAccount had it, and must be restarted.", "none", list, []query{{"max by (exported_namespace, name) (kube_podidentity_pods_outdated) > 0", "{{exported_namespace}}/{{name}}"}}},
	}}
}
