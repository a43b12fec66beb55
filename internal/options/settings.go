package options

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flagSpec is one flag.
type flagSpec struct {
	name  string
	usage string
	// allowed says what the value must be, with an example if that helps.
	allowed string
	// initial is the default; if it is empty, an empty value is not set.
	initial string
	// defaultText describes a default that depends on other flags.
	defaultText string
	required    bool
	isBool      bool
	onlyFlag    bool // not from the environment
	// set puts the value where it belongs, and reports whether it is allowed.
	set func(o *Options, value string) bool
}

// Limits of values.
const (
	maxClusterName = 40 // leaves room in a role's 64 for what tells roles apart
	maxRolePath    = 512
	maxIssuer      = 255 // https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
	maxAudience    = 255
	maxReconciles  = 100
	minInterval    = time.Second
	maxGrace       = time.Hour
	minLease       = 3 * time.Second // or a slow answer of the API server would cost the lead
	maxLease       = 5 * time.Minute
)

// Forms of values.
var (
	clusterName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
	rolePath    = regexp.MustCompile(`^(/[A-Za-z0-9_+=,.@-]+)+/$`)
	policyARN   = regexp.MustCompile(`^arn:aws[a-z0-9-]*:iam::(aws|\d{12}):policy/[A-Za-z0-9_+=,.@/-]+$`)
	audience    = regexp.MustCompile(`^[!-~]+$`)
	namespace   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// flags returns all flags, in the order in which help tells of them.
func flags() []flagSpec {
	return slices.Concat(awsFlags(), workFlags(), processFlags())
}

// awsFlags are about what is made in AWS.
func awsFlags() []flagSpec {
	return []flagSpec{
		{
			name: "cluster-name", required: true,
			usage:   "Name of this cluster. It is part of the names, the path and the tags of all roles, so it must differ from that of every other cluster in the AWS account, and must not change.",
			allowed: "1 to 40 lower-case letters, digits, '-' and '.', with a letter or digit at both ends, such as prod-eu",
			set:     matching(clusterName, maxClusterName, func(o *Options) *string { return &o.ClusterName }),
		},
		{
			name: "role-path", defaultText: "/podidentity/<cluster-name>/",
			usage:   "Path of all roles. The operator's IAM policy is limited to it.",
			allowed: "one or more names of letters, digits and _+=,.@- between slashes, with a slash at both ends and at most 512 characters, such as /podidentity/prod-eu/",
			set:     matching(rolePath, maxRolePath, func(o *Options) *string { return &o.RolePath }),
		},
		{
			name:    "permissions-boundary",
			usage:   "ARN of the policy that is forced on every role as its permissions boundary.",
			allowed: "the ARN of an IAM policy, such as arn:aws:iam::123456789012:policy/podidentity-boundary",
			set:     matching(policyARN, 2048, func(o *Options) *string { return &o.PermissionsBoundary }),
		},
		{
			name: "require-guardrail", initial: "false", isBool: true,
			usage:   "Whether to refuse PodIdentities in namespaces that no PodIdentityGuardrail matches. Without it the built-in baseline rules there.",
			allowed: "true or false",
			set:     boolean(func(o *Options) *bool { return &o.RequireGuardrail }),
		},
		{
			name: "oidc-provider", initial: string(OIDCProviderRequire),
			usage:   "What to do if IAM has no OIDC provider for the cluster's issuer: Require says so, Create makes it, which needs config/aws/operator-policy-oidc-provider.json.",
			allowed: "Require or Create",
			set: oneOf([]string{string(OIDCProviderRequire), string(OIDCProviderCreate)}, func(o *Options, v string) {
				o.OIDCProvider = OIDCProviderPolicy(v)
			}),
		},
		{
			name: "oidc-issuer", defaultText: "what the API server says",
			usage:   "URL of the cluster's OIDC issuer.",
			allowed: "an https URL of at most 255 characters without user, query and fragment, such as https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF",
			set: func(o *Options, v string) bool {
				o.OIDCIssuer = v
				return isIssuer(v)
			},
		},
		{
			name: "audience", initial: "sts.amazonaws.com",
			usage:   "Audience of the tokens that the roles trust. The OIDC provider must list it.",
			allowed: "1 to 255 characters without blanks, such as sts.amazonaws.com",
			set:     matching(audience, maxAudience, func(o *Options) *string { return &o.Audience }),
		},
	}
}

// workFlags are about how the operator works.
func workFlags() []flagSpec {
	return []flagSpec{
		{
			name: "drift-check-interval", initial: "10m",
			usage:   "How often all identities are compared with AWS.",
			allowed: "a duration of at least 1s, such as 10m",
			set: duration(func(o *Options) *time.Duration { return &o.DriftCheckInterval }, func(d time.Duration) bool {
				return d >= minInterval
			}),
		},
		{
			name: "iam-propagation-delay", initial: "10s",
			usage:   "How long a new role is given to be known everywhere in AWS before its ServiceAccount is made.",
			allowed: "a duration of at most 1h, such as 10s; 0 gives no time",
			set: duration(func(o *Options) *time.Duration { return &o.IAMPropagationDelay }, func(d time.Duration) bool {
				return d >= 0 && d <= maxGrace
			}),
		},
		{
			name: "max-concurrent-reconciles", initial: "10",
			usage:   "How many identities are worked on at once.",
			allowed: "a number from 1 to 100",
			set: func(o *Options, v string) (ok bool) {
				n, err := strconv.Atoi(v)
				o.MaxConcurrentReconciles = n
				return err == nil && n >= 1 && n <= maxReconciles
			},
		},
		rate("aws-reads-per-second", "10", "reads of", func(o *Options) *float64 { return &o.AWSReadsPerSecond }),
		rate("aws-writes-per-second", "5", "writes to", func(o *Options) *float64 { return &o.AWSWritesPerSecond }),
	}
}

// rate returns the setting of a bound on calls to IAM.
func rate(name, initial, calls string, field func(*Options) *float64) flagSpec {
	return flagSpec{
		name: name, initial: initial,
		usage:   "How many " + calls + " IAM all workers together may make a second. IAM throttles the account as a whole: what the operator takes is missing to others.",
		allowed: "a number from 0.1 to 1000, or 0 for no bound",
		set: func(o *Options, v string) bool {
			n, err := strconv.ParseFloat(v, 64)
			*field(o) = n
			return err == nil && (n == 0 || n >= 0.1 && n <= 1000)
		},
	}
}

// processFlags are about the process and whom it talks to.
func processFlags() []flagSpec {
	return []flagSpec{
		{
			name: "leader-elect", initial: "true", isBool: true,
			usage:   "Whether to elect a leader, so that only one of several replicas works.",
			allowed: "true or false",
			set:     boolean(func(o *Options) *bool { return &o.LeaderElect }),
		},
		{
			name: "leader-election-namespace", defaultText: "the pod's own",
			usage:   "Namespace of the lease by which the leader is elected.",
			allowed: "the name of a namespace",
			set:     matching(namespace, 63, func(o *Options) *string { return &o.LeaderElectionNamespace }),
		},
		{
			name: "leader-election-lease-duration", initial: "15s",
			usage:   "How long a leader that fails without a word keeps the others from taking over. A leader that does not reach the API server for two thirds of it gives up. One that is told to stop hands over at once.",
			allowed: "a duration from 3s to 5m, such as 15s",
			set: duration(func(o *Options) *time.Duration { return &o.LeaseDuration }, func(d time.Duration) bool {
				return d >= minLease && d <= maxLease
			}),
		},
		{
			name: "health-probe-bind-address", initial: ":8081",
			usage:   "Where /healthz and /readyz are served.",
			allowed: "[host]:port, such as :8081, or 0 for nowhere",
			set:     address(func(o *Options) *string { return &o.HealthProbeBindAddress }),
		},
		{
			name: "metrics-bind-address", initial: ":8443",
			usage:   "Where /metrics is served.",
			allowed: "[host]:port, such as :8443, or 0 for nowhere",
			set:     address(func(o *Options) *string { return &o.MetricsBindAddress }),
		},
		{
			name: "metrics-secure", initial: "true", isBool: true,
			usage:   "Whether metrics are served over TLS, to those whom Kubernetes allows to read them.",
			allowed: "true or false",
			set:     boolean(func(o *Options) *bool { return &o.MetricsSecure }),
		},
		{
			name: "log-format", initial: "json",
			usage:   "Form of the log.",
			allowed: "json or text",
			set:     oneOf([]string{"json", "text"}, func(o *Options, v string) { o.LogFormat = v }),
		},
		{
			name: "log-level", initial: "info",
			usage:   "What is logged at least.",
			allowed: "debug, info or error",
			set:     oneOf([]string{"debug", "info", "error"}, func(o *Options, v string) { o.LogLevel = v }),
		},
		{
			name: "version", initial: "false", isBool: true, onlyFlag: true,
			usage:   "Print the version and do nothing else.",
			allowed: "true or false",
			set:     boolean(func(o *Options) *bool { return &o.Version }),
		},
	}
}

// matching allows what has the form and is not too long.
func matching(form *regexp.Regexp, longest int, field func(*Options) *string) func(*Options, string) bool {
	return func(o *Options, v string) bool {
		*field(o) = v
		return len(v) <= longest && form.MatchString(v)
	}
}

// oneOf allows the values.
func oneOf(values []string, put func(*Options, string)) func(*Options, string) bool {
	return func(o *Options, v string) bool {
		put(o, v)
		return slices.Contains(values, v)
	}
}

// boolean allows what strconv.ParseBool does.
func boolean(field func(*Options) *bool) func(*Options, string) bool {
	return func(o *Options, v string) bool {
		b, err := strconv.ParseBool(v)
		*field(o) = b
		return err == nil
	}
}

// duration allows a duration that is within bounds.
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

// isIssuer reports whether v can be the URL of an OIDC issuer in IAM.
func isIssuer(v string) bool {
	u, err := url.Parse(v)
	return err == nil && len(v) <= maxIssuer && u.Scheme == "https" && u.Hostname() != "" && u.User == nil &&
		!strings.ContainsAny(v, "?#") && u.Opaque == ""
}
