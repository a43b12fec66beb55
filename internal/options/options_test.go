package options

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// defaults are the Options of a cluster named prod.
func defaults() Options {
	return Options{
		ClusterName:             "prod",
		RolePath:                "/podidentity/prod/",
		OrphanedRoles:           "Seal",
		OIDCProvider:            OIDCProviderRequire,
		Audience:                "sts.amazonaws.com",
		DriftCheckInterval:      10 * time.Minute,
		IAMPropagationDelay:     10 * time.Second,
		MaxConcurrentReconciles: 20,
		AWSReadsPerSecond:       10,
		AWSWritesPerSecond:      5,
		LeaderElect:             true,
		LeaseDuration:           15 * time.Second,
		HealthProbeBindAddress:  ":8081",
		MetricsBindAddress:      ":8443",
		MetricsSecure:           true,
		LogFormat:               "json",
		LogLevel:                "info",
	}
}

const collectors = "an http or https URL with a host and a port, such as http://otel-collector.monitoring:4317"

func TestParse_FlagsAndEnvironment(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		env    map[string]string
		want   func(*Options)
	}{
		"Defaults": {
			reason: "Only the name of the cluster has no default.",
			args:   []string{"--cluster-name=prod"},
			want:   func(*Options) {},
		},
		"Everything": {
			reason: "Each flag reaches its option.",
			args: []string{
				"--cluster-name", "prod.eu-1", "--role-path=/platform/eu/", "--permissions-boundary=arn:aws-cn:iam::123456789012:policy/team/b",
				"--require-guardrail", "--ignore-tag-prefixes=org:,costs/", "--orphaned-roles=Delete", "--adopt-from-cluster-id=0f8fad5b-d9cb-469f-a165-70867728950e", "--oidc-provider=Create", "--oidc-issuer=https://oidc.example.com:8443/id/1", "--audience=https://kubernetes.default.svc",
				"--drift-check-interval=1s", "--event-queue-url=https://sqs.us-east-1.amazonaws.com/123456789012/podidentity-prod", "--iam-propagation-delay=0", "--max-concurrent-reconciles=100",
				"--aws-reads-per-second=0.5", "--aws-writes-per-second=0",
				"--leader-elect=false", "--leader-election-namespace=podidentity-system", "--leader-election-lease-duration=5m",
				"--health-probe-bind-address=0", "--metrics-bind-address=127.0.0.1:0", "--metrics-secure=false",
				"--otlp-endpoint=https://otel.example.com:4317", "--log-format=text", "--log-level=debug",
			},
			want: func(o *Options) {
				*o = Options{
					ClusterName: "prod.eu-1", RolePath: "/platform/eu/", PermissionsBoundary: "arn:aws-cn:iam::123456789012:policy/team/b",
					IgnoreTagPrefixes: []string{"org:", "costs/"}, OrphanedRoles: "Delete", AdoptFromClusterID: "0f8fad5b-d9cb-469f-a165-70867728950e",
					RequireGuardrail: true, OIDCProvider: OIDCProviderCreate, OIDCIssuer: "https://oidc.example.com:8443/id/1", Audience: "https://kubernetes.default.svc",
					DriftCheckInterval: time.Second, EventQueueURL: "https://sqs.us-east-1.amazonaws.com/123456789012/podidentity-prod", MaxConcurrentReconciles: 100, AWSReadsPerSecond: 0.5,
					LeaderElectionNamespace: "podidentity-system", LeaseDuration: 5 * time.Minute,
					HealthProbeBindAddress: "0", MetricsBindAddress: "127.0.0.1:0", OTLPEndpoint: "https://otel.example.com:4317",
					LogFormat: "text", LogLevel: "debug",
				}
			},
		},
		"Environment": {
			reason: "The environment variable of a flag is used if the flag is not set.",
			env:    map[string]string{"PODIDENTITY_CLUSTER_NAME": "prod", "PODIDENTITY_METRICS_BIND_ADDRESS": "0", "PODIDENTITY_LEADER_ELECT": "false"},
			want:   func(o *Options) { o.MetricsBindAddress, o.LeaderElect = "0", false },
		},
		"EventQueue": {
			reason: "With an event queue, the default interval is an hour.",
			args:   []string{"--cluster-name=prod", "--event-queue-url=https://sqs.eu-west-1.amazonaws.com/123456789012/q"},
			want: func(o *Options) {
				o.EventQueueURL, o.DriftCheckInterval = "https://sqs.eu-west-1.amazonaws.com/123456789012/q", time.Hour
			},
		},
		"EventQueueAndInterval": {
			reason: "An interval that is set is used.",
			args:   []string{"--cluster-name=prod", "--drift-check-interval=5m", "--event-queue-url=https://sqs.eu-west-1.amazonaws.com/123456789012/q"},
			want: func(o *Options) {
				o.EventQueueURL, o.DriftCheckInterval = "https://sqs.eu-west-1.amazonaws.com/123456789012/q", 5*time.Minute
			},
		},
		"FlagBeforeEnvironment": {
			reason: "A flag has precedence over its environment variable.",
			args:   []string{"--cluster-name=prod", "--leader-elect"},
			env:    map[string]string{"PODIDENTITY_CLUSTER_NAME": "test", "PODIDENTITY_LEADER_ELECT": "false"},
			want:   func(*Options) {},
		},
		"EmptyEnvironment": {
			reason: "An empty variable counts as not set.",
			args:   []string{"--cluster-name=prod"},
			env:    map[string]string{"PODIDENTITY_AUDIENCE": ""},
			want:   func(*Options) {},
		},
		"EmptyOptional": {
			reason: "A template may leave the value of an optional flag empty.",
			args:   []string{"--cluster-name=prod", "--permissions-boundary=", "--oidc-issuer=", "--role-path="},
			want:   func(*Options) {},
		},
		"OneDash": {
			reason: "One dash is accepted, as package flag accepted it.",
			args:   []string{"-cluster-name", "prod"},
			want:   func(*Options) {},
		},
		"LastOneCounts": {
			reason: "A flag appended to the command overrides the one before.",
			args:   []string{"--cluster-name=test", "--cluster-name=prod"},
			want:   func(*Options) {},
		},
		"Version": {
			reason: "The version needs no other option.",
			args:   []string{"--version", "--drift-check-interval=x"},
			want:   func(o *Options) { *o = Options{Version: true} },
		},
		"NotTheVersion": {
			reason: "A variable with that name may have another purpose.",
			args:   []string{"--cluster-name=prod", "--version=false"},
			env:    map[string]string{"PODIDENTITY_VERSION": "true"},
			want:   func(*Options) {},
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got, err := Parse(tc.args, func(name string) string { return tc.env[name] })
			if err != nil {
				t.Fatalf("Parse(...): %v", err)
			}
			want := defaults()
			tc.want(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Parse(...): -want, +got:\n%s", diff)
			}
		})
	}
}

func TestParse_RejectsInvalidValues(t *testing.T) {
	const (
		name   = `1 to 40 lower-case letters, digits, '-' and '.', with a letter or digit at both ends, such as prod-eu`
		path   = `one or more names of letters, digits and _+=,.@- between slashes, with a slash at both ends and at most 512 characters, such as /podidentity/prod-eu/`
		issuer = `an https URL of at most 255 characters without user, query and fragment, such as https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF`
		arn    = `the ARN of an IAM policy, such as arn:aws:iam::123456789012:policy/podidentity-boundary`
	)
	rejected := func(name, value, allowed string) string {
		return fmt.Sprintf("invalid value %q for --%s: must be %s", value, name, allowed)
	}
	long := strings.Repeat("a", 600)

	cases := map[string]struct {
		reason string
		args   []string // after --cluster-name=prod
		env    map[string]string
		want   []string
	}{
		"NoClusterName":     {reason: "The cluster name has no default.", args: []string{"--cluster-name="}, want: []string{"--cluster-name is required: " + name}},
		"UpperCase":         {reason: "IAM compares names without regard to case.", args: []string{"--cluster-name=Prod"}, want: []string{rejected("cluster-name", "Prod", name)}},
		"Underscore":        {reason: "An underscore separates the parts of a role name.", args: []string{"--cluster-name=a_b"}, want: []string{rejected("cluster-name", "a_b", name)}},
		"LongName":          {reason: "A longer name would leave no room in a role name.", args: []string{"--cluster-name=" + long[:41]}, want: []string{rejected("cluster-name", long[:41], name)}},
		"DashAtEnd":         {reason: "A dash at the end would not be visible in a role name.", args: []string{"--cluster-name=a-"}, want: []string{rejected("cluster-name", "a-", name)}},
		"PathOpen":          {reason: "An IAM path has a slash at both ends.", args: []string{"--role-path=/a"}, want: []string{rejected("role-path", "/a", path)}},
		"PathRoot":          {reason: "The operator's own role must be outside its path.", args: []string{"--role-path=/"}, want: []string{rejected("role-path", "/", path)}},
		"PathWildcard":      {reason: "The path becomes part of the operator's policy.", args: []string{"--role-path=/*/"}, want: []string{rejected("role-path", "/*/", path)}},
		"PathLong":          {reason: "IAM accepts no longer path.", args: []string{"--role-path=/" + long + "/"}, want: []string{rejected("role-path", "/"+long+"/", path)}},
		"BoundaryName":      {reason: "A name is not an ARN.", args: []string{"--permissions-boundary=b"}, want: []string{rejected("permissions-boundary", "b", arn)}},
		"BoundaryRole":      {reason: "A role is not a policy.", args: []string{"--permissions-boundary=arn:aws:iam::123456789012:role/b"}, want: []string{rejected("permissions-boundary", "arn:aws:iam::123456789012:role/b", arn)}},
		"IgnoreOwnTags":     {reason: "Without its ownership tags the operator does not know its roles.", args: []string{"--ignore-tag-prefixes=iam."}, want: []string{rejected("ignore-tag-prefixes", "iam.", "prefixes of 1 to 128 characters, separated by commas, without aws: and iam.podidentity.io/, such as org:,costs/")}},
		"Provider":          {reason: "The values are Require and Create.", args: []string{"--oidc-provider=create"}, want: []string{rejected("oidc-provider", "create", "Require or Create")}},
		"IssuerHTTP":        {reason: "IAM requires https.", args: []string{"--oidc-issuer=http://a"}, want: []string{rejected("oidc-issuer", "http://a", issuer)}},
		"IssuerHost":        {reason: "A host is not a URL.", args: []string{"--oidc-issuer=a.example.com"}, want: []string{rejected("oidc-issuer", "a.example.com", issuer)}},
		"IssuerNoHost":      {reason: "A URL needs a host.", args: []string{"--oidc-issuer=https:///a"}, want: []string{rejected("oidc-issuer", "https:///a", issuer)}},
		"IssuerQuery":       {reason: "IAM accepts no query.", args: []string{"--oidc-issuer=https://a?"}, want: []string{rejected("oidc-issuer", "https://a?", issuer)}},
		"IssuerFragment":    {reason: "IAM accepts no fragment.", args: []string{"--oidc-issuer=https://a#b"}, want: []string{rejected("oidc-issuer", "https://a#b", issuer)}},
		"IssuerUser":        {reason: "IAM accepts no user.", args: []string{"--oidc-issuer=https://u@a"}, want: []string{rejected("oidc-issuer", "https://u@a", issuer)}},
		"IssuerLong":        {reason: "IAM accepts no longer URL.", args: []string{"--oidc-issuer=https://a/" + long}, want: []string{rejected("oidc-issuer", "https://a/"+long, issuer)}},
		"Audience":          {reason: "An audience with spaces is a mistake.", args: []string{"--audience=a b"}, want: []string{rejected("audience", "a b", "1 to 255 characters without whitespace, such as sts.amazonaws.com")}},
		"EmptyAudience":     {reason: "The audience must not be empty.", args: []string{"--audience="}, want: []string{rejected("audience", "", "1 to 255 characters without whitespace, such as sts.amazonaws.com")}},
		"IntervalShort":     {reason: "More frequent checks would be throttled by AWS.", args: []string{"--drift-check-interval=999ms"}, want: []string{rejected("drift-check-interval", "999ms", "a duration of at least 1s, such as 10m")}},
		"IntervalUnit":      {reason: "A duration needs a unit.", args: []string{"--drift-check-interval=10"}, want: []string{rejected("drift-check-interval", "10", "a duration of at least 1s, such as 10m")}},
		"Grace":             {reason: "A delay must not be negative.", args: []string{"--iam-propagation-delay=-1s"}, want: []string{rejected("iam-propagation-delay", "-1s", "a duration of at most 1h, such as 10s; 0 disables the wait")}},
		"ReconcilesNone":    {reason: "At least one worker is needed.", args: []string{"--max-concurrent-reconciles=0"}, want: []string{rejected("max-concurrent-reconciles", "0", "a number from 1 to 100")}},
		"ReconcilesWord":    {reason: "The value must be a number.", args: []string{"--max-concurrent-reconciles=many"}, want: []string{rejected("max-concurrent-reconciles", "many", "a number from 1 to 100")}},
		"Boolean":           {reason: "The value must be true or false.", args: []string{"--leader-elect=yes"}, want: []string{rejected("leader-elect", "yes", "true or false")}},
		"Namespace":         {reason: "Kubernetes allows no such namespace.", args: []string{"--leader-election-namespace=A"}, want: []string{rejected("leader-election-namespace", "A", "the name of a namespace")}},
		"LeaseShort":        {reason: "One slow answer of the API server would end the leadership.", args: []string{"--leader-election-lease-duration=2s"}, want: []string{rejected("leader-election-lease-duration", "2s", "a duration from 3s to 5m, such as 15s")}},
		"LeaseLong":         {reason: "Without a leader, no replica would be active for that long.", args: []string{"--leader-election-lease-duration=6m"}, want: []string{rejected("leader-election-lease-duration", "6m", "a duration from 3s to 5m, such as 15s")}},
		"Address":           {reason: "A port alone is not an address.", args: []string{"--health-probe-bind-address=8081"}, want: []string{rejected("health-probe-bind-address", "8081", "[host]:port, such as :8081, or 0")}},
		"CollectorPath":     {reason: "The URL of OTLP over HTTP has a path, which that of gRPC does not have.", args: []string{"--otlp-endpoint=http://otel:4318/v1/traces"}, want: []string{rejected("otlp-endpoint", "http://otel:4318/v1/traces", collectors)}},
		"CollectorUser":     {reason: "A password on the command line is visible in the process list.", args: []string{"--otlp-endpoint=http://u:p@otel:4317"}, want: []string{rejected("otlp-endpoint", "http://u:p@otel:4317", collectors)}},
		"CollectorNoScheme": {reason: "The scheme determines whether TLS is used.", args: []string{"--otlp-endpoint=otel:4317"}, want: []string{rejected("otlp-endpoint", "otel:4317", collectors)}},
		"Port":              {reason: "65535 is the highest port.", args: []string{"--metrics-bind-address=:65536"}, want: []string{rejected("metrics-bind-address", ":65536", "[host]:port, such as :8443, or 0")}},
		"Format":            {reason: "The values are json and text.", args: []string{"--log-format=xml"}, want: []string{rejected("log-format", "xml", "json or text")}},
		"Level":             {reason: "The values are debug, info and error.", args: []string{"--log-level=warn"}, want: []string{rejected("log-level", "warn", "debug, info or error")}},
		"UnknownFlag":       {reason: "The flag may be misspelled.", args: []string{"--cluster=x"}, want: []string{"unknown flag --cluster=x; see --help"}},
		"Argument":          {reason: "The argument may be the value of a boolean flag.", args: []string{"--leader-elect", "false"}, want: []string{`unexpected argument "false"; see --help`}},
		"NoValue":           {reason: "The value of the flag is missing.", args: []string{"--audience"}, want: []string{"flag --audience requires a value: 1 to 255 characters without whitespace, such as sts.amazonaws.com"}},
		"NotEvenAFlag":      {reason: "The name of the flag is missing.", args: []string{"--=x", "--log-level=x"}, want: []string{"unknown flag --=x; see --help", rejected("log-level", "x", "debug, info or error")}},
		"WrongInEnviroment": {reason: "The message names the environment variable.", env: map[string]string{"PODIDENTITY_LOG_LEVEL": "x"}, want: []string{`invalid value "x" for --log-level (from PODIDENTITY_LOG_LEVEL): must be debug, info or error`}},
		"Several": {
			reason: "All errors are reported together, in the order of the help.",
			args:   []string{"--nonsense", "--log-level=x", "--audience", "a b", "--cluster-name=A", "word"},
			want: []string{
				"unknown flag --nonsense; see --help",
				`unexpected argument "word"; see --help`,
				rejected("cluster-name", "A", name),
				rejected("audience", "a b", "1 to 255 characters without whitespace, such as sts.amazonaws.com"),
				rejected("log-level", "x", "debug, info or error"),
			},
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got, err := Parse(append([]string{"--cluster-name=prod"}, tc.args...), func(name string) string { return tc.env[name] })
			if diff := cmp.Diff(strings.Join(tc.want, "\n"), fmt.Sprint(err)); diff != "" {
				t.Errorf("Parse(...): -want, +got:\n%s", diff)
			}
			if diff := cmp.Diff(Options{}, got); diff != "" {
				t.Errorf("Parse(...): nothing may be half-configured: -want, +got:\n%s", diff)
			}
		})
	}
}

func TestHelp_ListsFlagsAndVariables(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"-h"}, {"--nonsense", "--help"}} {
		if _, err := Parse(args, func(string) string { return "" }); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("Parse(%q): %v, want flag.ErrHelp", args, err)
		}
	}
	usage := Usage()
	for _, s := range flags() {
		for _, want := range []string{"--" + s.name, s.usage, s.allowed, s.defaultValue, s.defaultText, s.env()} {
			if !strings.Contains(usage, want) {
				t.Errorf("the help on --%s lacks %q", s.name, want)
			}
		}
	}
}

// The examples in the help are valid values.
func TestHelp_ExamplesAreValid(t *testing.T) {
	for _, s := range flags() {
		_, example, ok := strings.Cut(s.allowed, "such as ")
		if !ok {
			continue
		}
		example, _, _ = strings.Cut(example, ";")
		example, _, _ = strings.Cut(example, ", or")
		if !s.set(&Options{}, example) {
			t.Errorf("--%s: its own example %q is not allowed", s.name, example)
		}
	}
}
