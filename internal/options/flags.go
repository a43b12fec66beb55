package options

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// flagSpec is one flag.
type flagSpec struct {
	name  string
	usage string
	// allowed describes the allowed values, with an example if that helps.
	allowed string
	// defaultValue is the default; if it is empty, an empty value is not set.
	defaultValue string
	// defaultText describes a default that depends on other flags.
	defaultText string
	required    bool
	isBool      bool
	flagOnly    bool // not from the environment
	// set stores the value and reports whether it is allowed.
	set func(o *Options, value string) bool
}

// Limits of values.
const (
	maxClusterName = 40 // leaves room in a role name of 64 characters
	maxRolePath    = 512
	maxAudience    = 255
	maxReconciles  = 100
	minInterval    = time.Second
	maxDelay       = time.Hour
	minLease       = 3 * time.Second // shorter, and a slow response of the API server would end the leadership
	maxLease       = 5 * time.Minute
)

// Defaults of --drift-check-interval. With a queue, the drift check is the safety net only.
const (
	defaultDriftCheckInterval = 10 * time.Minute
	defaultIntervalWithQueue  = time.Hour
)

// Patterns of values.
var (
	clusterName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
	rolePath    = regexp.MustCompile(`^(/[A-Za-z0-9_+=,.@-]+)+/$`)
	policyARN   = regexp.MustCompile(`^arn:aws[a-z0-9-]*:iam::(aws|\d{12}):policy/[A-Za-z0-9_+=,.@/-]+$`)
	clusterID   = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	audience    = regexp.MustCompile(`^[!-~]+$`)
	queueURL    = regexp.MustCompile(`^https?://[A-Za-z0-9.:-]+/\d{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?$`)
	namespace   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// flags returns all flags, in the order of the help.
func flags() []flagSpec {
	return slices.Concat(awsFlags(), workFlags(), processFlags())
}

// awsFlags define what the operator creates in AWS.
func awsFlags() []flagSpec {
	return []flagSpec{
		{
			name: "cluster-name", required: true,
			usage:   "Name of this cluster, part of the names, the path and the tags of all roles. Must be unique within the AWS account and must not be changed.",
			allowed: "1 to 40 lower-case letters, digits, '-' and '.', with a letter or digit at both ends, such as prod-eu",
			set:     matching(clusterName, maxClusterName, func(o *Options) *string { return &o.ClusterName }),
		},
		{
			name: "role-path", defaultText: "/podidentity/<cluster-name>/",
			usage:   "IAM path for all managed roles. The operator's own policy is scoped to it.",
			allowed: "one or more names of letters, digits and _+=,.@- between slashes, with a slash at both ends and at most 512 characters, such as /podidentity/prod-eu/",
			set:     matching(rolePath, maxRolePath, func(o *Options) *string { return &o.RolePath }),
		},
		{
			name:    "permissions-boundary",
			usage:   "ARN of the permissions boundary applied to every role.",
			allowed: "the ARN of an IAM policy, such as arn:aws:iam::123456789012:policy/podidentity-boundary",
			set:     matching(policyARN, 2048, func(o *Options) *string { return &o.PermissionsBoundary }),
		},
		{
			name: "require-guardrail", defaultValue: "false", isBool: true,
			usage:   "Reject PodIdentities in namespaces not selected by any PodIdentityGuardrail. If false, only the built-in baseline applies there.",
			allowed: "true or false",
			set:     boolean(func(o *Options) *bool { return &o.RequireGuardrail }),
		},
		{
			name:    "ignore-tag-prefixes",
			usage:   "Comma-separated prefixes of tag keys. The operator ignores role tags with these prefixes, such as those of an organization's tag policy.",
			allowed: "prefixes of 1 to 128 characters, separated by commas, without aws: and iam.podidentity.io/, such as org:,costs/",
			set: func(o *Options, v string) bool {
				o.IgnoreTagPrefixes = strings.Split(v, ",")
				return !slices.ContainsFunc(o.IgnoreTagPrefixes, func(p string) bool {
					return p == "" || len(p) > 128 || strings.HasPrefix(p, "aws:") || strings.HasPrefix("iam.podidentity.io/", p) || strings.HasPrefix(p, "iam.podidentity.io/")
				})
			},
		},
		{
			name: "orphaned-roles", defaultValue: "Seal",
			usage:   "What to do with a leaked role, whose PodIdentity no longer exists and that was not retained, after two drift checks have found it: Seal replaces its trust policy with one that admits no one, Delete deletes it, Report only reports it.",
			allowed: "Seal, Delete or Report",
			set:     oneOf([]string{"Seal", "Delete", "Report"}, func(o *Options, v string) { o.OrphanedRoles = v }),
		},
		{
			name:    "adopt-from-cluster-id",
			usage:   "ID of another cluster (the UID of its namespace kube-system). PodIdentities with spec.role.adoptionPolicy: IfTagged may adopt its roles, to move identities to this cluster.",
			allowed: "a UID, such as 0f8fad5b-d9cb-469f-a165-70867728950e",
			set:     matching(clusterID, 36, func(o *Options) *string { return &o.AdoptFromClusterID }),
		},
		{
			name: "oidc-provider", defaultValue: string(OIDCProviderRequire),
			usage:   "What to do if no IAM OIDC provider exists for the issuer: Require reports an error, Create creates it (requires config/aws/operator-policy-oidc-provider.json).",
			allowed: "Require or Create",
			set: oneOf([]string{string(OIDCProviderRequire), string(OIDCProviderCreate)}, func(o *Options, v string) {
				o.OIDCProvider = OIDCProviderPolicy(v)
			}),
		},
		{
			name: "oidc-issuer", defaultText: "discovered from the API server",
			usage:   "URL of the cluster's OIDC issuer.",
			allowed: "an https URL of at most 255 characters without user, query and fragment, such as https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF",
			set: func(o *Options, v string) bool {
				o.OIDCIssuer = v
				return isIssuer(v)
			},
		},
		{
			name: "audience", defaultValue: "sts.amazonaws.com",
			usage:   "Audience of the tokens that the roles trust. The OIDC provider must list it.",
			allowed: "1 to 255 characters without whitespace, such as sts.amazonaws.com",
			set:     matching(audience, maxAudience, func(o *Options) *string { return &o.Audience }),
		},
	}
}

// workFlags define how and how often the operator reconciles.
func workFlags() []flagSpec {
	return []flagSpec{
		{
			name: "drift-check-interval", defaultText: "10m, and 1h with --event-queue-url",
			usage:   "How often all managed roles are checked for drift.",
			allowed: "a duration of at least 1s, such as 10m",
			set: duration(func(o *Options) *time.Duration { return &o.DriftCheckInterval }, func(d time.Duration) bool {
				return d >= minInterval
			}),
		},
		{
			name:    "event-queue-url",
			usage:   "URL of the SQS queue to which EventBridge sends CloudTrail's events about IAM. The operator then reverts an out-of-band change of a role within seconds of its event. Requires config/aws/operator-policy-event-queue.json.",
			allowed: "the URL of a queue, such as https://sqs.us-east-1.amazonaws.com/123456789012/podidentity-prod",
			set:     matching(queueURL, 512, func(o *Options) *string { return &o.EventQueueURL }),
		},
		{
			name: "iam-propagation-delay", defaultValue: "10s",
			usage:   "How long to wait for a newly created role to propagate through IAM before creating its ServiceAccount.",
			allowed: "a duration of at most 1h, such as 10s; 0 disables the wait",
			set: duration(func(o *Options) *time.Duration { return &o.IAMPropagationDelay }, func(d time.Duration) bool {
				return d >= 0 && d <= maxDelay
			}),
		},
		{
			name: "max-concurrent-reconciles", defaultValue: "20",
			usage:   "Maximum number of PodIdentities reconciled concurrently.",
			allowed: "a number from 1 to 100",
			set: func(o *Options, v string) (ok bool) {
				n, err := strconv.Atoi(v)
				o.MaxConcurrentReconciles = n
				return err == nil && n >= 1 && n <= maxReconciles
			},
		},
		rate("aws-reads-per-second", "10", "read", func(o *Options) *float64 { return &o.AWSReadsPerSecond }),
		rate("aws-writes-per-second", "5", "write", func(o *Options) *float64 { return &o.AWSWritesPerSecond }),
	}
}

// rate returns the flag of a rate limit on IAM calls.
func rate(name, defaultValue, calls string, field func(*Options) *float64) flagSpec {
	return flagSpec{
		name: name, defaultValue: defaultValue,
		usage:   "Maximum rate of IAM " + calls + " calls across all workers. IAM throttles per account, so this leaves capacity for other clients. 0 disables the limit.",
		allowed: "a number from 0.1 to 1000, or 0 for unlimited",
		set: func(o *Options, v string) bool {
			n, err := strconv.ParseFloat(v, 64)
			*field(o) = n
			return err == nil && (n == 0 || n >= 0.1 && n <= 1000)
		},
	}
}

// processFlags define the process and its servers.
func processFlags() []flagSpec {
	return []flagSpec{
		{
			name: "leader-elect", defaultValue: "true", isBool: true,
			usage:   "Enable leader election so that only one replica is active.",
			allowed: "true or false",
			set:     boolean(func(o *Options) *bool { return &o.LeaderElect }),
		},
		{
			name: "leader-election-namespace", defaultText: "the operator's namespace",
			usage:   "Namespace of the leader election Lease.",
			allowed: "the name of a namespace",
			set:     matching(namespace, 63, func(o *Options) *string { return &o.LeaderElectionNamespace }),
		},
		{
			name: "leader-election-lease-duration", defaultValue: "15s",
			usage:   "How long standby replicas wait before taking over from an unresponsive leader. A leader that cannot renew its lease for two thirds of this time steps down; on graceful shutdown the lease is released immediately.",
			allowed: "a duration from 3s to 5m, such as 15s",
			set: duration(func(o *Options) *time.Duration { return &o.LeaseDuration }, func(d time.Duration) bool {
				return d >= minLease && d <= maxLease
			}),
		},
		{
			name: "health-probe-bind-address", defaultValue: ":8081",
			usage:   "Address that serves /healthz and /readyz; 0 disables it.",
			allowed: "[host]:port, such as :8081, or 0",
			set:     address(func(o *Options) *string { return &o.HealthProbeBindAddress }),
		},
		{
			name: "metrics-bind-address", defaultValue: ":8443",
			usage:   "Address that serves /metrics; 0 disables it.",
			allowed: "[host]:port, such as :8443, or 0",
			set:     address(func(o *Options) *string { return &o.MetricsBindAddress }),
		},
		{
			name: "metrics-secure", defaultValue: "true", isBool: true,
			usage:   "Serve metrics over TLS with Kubernetes authentication and authorization.",
			allowed: "true or false",
			set:     boolean(func(o *Options) *bool { return &o.MetricsSecure }),
		},
		{
			name:    "otlp-endpoint",
			usage:   "URL of an OpenTelemetry collector that accepts OTLP over gRPC. The operator sends traces of reconciliations, their phases and AWS calls to it; without it, nothing is traced. Environment variables such as OTEL_EXPORTER_OTLP_HEADERS and OTEL_TRACES_SAMPLER configure the rest.",
			allowed: "an http or https URL with a host and a port, such as http://otel-collector.monitoring:4317",
			set: func(o *Options, v string) bool {
				o.OTLPEndpoint = v
				return isCollector(v)
			},
		},
		{
			name: "log-format", defaultValue: "json",
			usage:   "Log encoding.",
			allowed: "json or text",
			set:     oneOf([]string{"json", "text"}, func(o *Options, v string) { o.LogFormat = v }),
		},
		{
			name: "log-level", defaultValue: "info",
			usage:   "Minimum log level.",
			allowed: "debug, info or error",
			set:     oneOf([]string{"debug", "info", "error"}, func(o *Options, v string) { o.LogLevel = v }),
		},
		{
			name: "version", defaultValue: "false", isBool: true, flagOnly: true,
			usage:   "Print the version and exit.",
			allowed: "true or false",
			set:     boolean(func(o *Options) *bool { return &o.Version }),
		},
	}
}

// matching allows values that match the pattern and are not too long.
func matching(form *regexp.Regexp, longest int, field func(*Options) *string) func(*Options, string) bool {
	return func(o *Options, v string) bool {
		*field(o) = v
		return len(v) <= longest && form.MatchString(v)
	}
}

// oneOf allows the listed values.
func oneOf(values []string, put func(*Options, string)) func(*Options, string) bool {
	return func(o *Options, v string) bool {
		put(o, v)
		return slices.Contains(values, v)
	}
}

// boolean allows the values of strconv.ParseBool.
func boolean(field func(*Options) *bool) func(*Options, string) bool {
	return func(o *Options, v string) bool {
		b, err := strconv.ParseBool(v)
		*field(o) = b
		return err == nil
	}
}

// duration allows durations within the limits.
func duration(field func(*Options) *time.Duration, within func(time.Duration) bool) func(*Options, string) bool {
	return func(o *Options, v string) bool {
		d, err := time.ParseDuration(v)
		*field(o) = d
		return err == nil && within(d)
	}
}

// address allows host:port, :port and 0.
func address(field func(*Options) *string) func(*Options, string) bool {
	return func(o *Options, v string) bool {
		*field(o) = v
		if v == "0" {
			return true
		}
		_, port, err := net.SplitHostPort(v)
		if err != nil {
			return false
		}
		_, err = strconv.ParseUint(port, 10, 16)
		return err == nil
	}
}

// isCollector reports whether v is the URL of a server without a path: OTLP over gRPC
// has none, and a path is a sign of the address for HTTP.
func isCollector(v string) bool {
	u, err := url.Parse(v)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.Port() != "" && v == u.Scheme+"://"+u.Host
}

// isIssuer reports whether IAM accepts v as the URL of an OIDC issuer.
func isIssuer(v string) bool {
	_, err := policy.IssuerHostPath(v)
	return err == nil
}
