// Package options turns the command line and the environment into Options.
package options

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// Options configure the operator. Those that Parse returns are valid.
type Options struct {
	// ClusterName is part of the names, the path and the tags of all roles.
	ClusterName string
	// RolePath of all roles, with a slash at both ends.
	RolePath string
	// PermissionsBoundary is the ARN of the boundary applied to every role; empty if
	// there is none.
	PermissionsBoundary string

	// IgnoreTagPrefixes are the prefixes of tag keys on roles that the operator neither
	// reads nor changes.
	IgnoreTagPrefixes []string
	// OrphanedRoles defines what to do with a role whose PodIdentity does not exist:
	// Seal, Delete or Report.
	OrphanedRoles string
	// AdoptFromClusterID is the ID of another cluster whose roles may be adopted; empty
	// if there is none.
	AdoptFromClusterID string

	// RequireGuardrail rejects PodIdentities in namespaces that no PodIdentityGuardrail
	// selects.
	RequireGuardrail bool

	// OIDCProvider defines what to do if the IAM OIDC provider does not exist.
	OIDCProvider OIDCProviderPolicy
	// OIDCIssuer is the cluster's issuer; if empty, it is discovered from the API server.
	OIDCIssuer string
	// Audience of the tokens that AWS accepts.
	Audience string

	// DriftCheckInterval is the time between two drift checks of all managed roles.
	DriftCheckInterval time.Duration
	// EventQueueURL is the URL of the SQS queue with CloudTrail's events about IAM; empty if
	// there is none.
	EventQueueURL string
	// IAMPropagationDelay is the time that a new role needs to propagate through IAM.
	IAMPropagationDelay time.Duration
	// MaxConcurrentReconciles is the maximum number of PodIdentities reconciled
	// concurrently.
	MaxConcurrentReconciles int
	// AWSReadsPerSecond and AWSWritesPerSecond limit the rate of IAM calls across all
	// workers; 0 means unlimited.
	AWSReadsPerSecond, AWSWritesPerSecond float64

	LeaderElect bool
	// LeaderElectionNamespace holds the Lease; if empty, the operator's namespace does.
	LeaderElectionNamespace string
	// LeaseDuration is the time after which a standby replica replaces an unresponsive
	// leader.
	LeaseDuration time.Duration
	// HealthProbeBindAddress and MetricsBindAddress are host:port; 0 disables the server.
	HealthProbeBindAddress string
	MetricsBindAddress     string
	// MetricsSecure serves metrics over TLS with Kubernetes authentication and
	// authorization.
	MetricsSecure bool

	// OTLPEndpoint is the URL of the collector of traces; empty if there is none.
	OTLPEndpoint string

	LogFormat string // json or text
	LogLevel  string // debug, info or error

	// Version requests the version only; the other options are not set then.
	Version bool
}

// OIDCProviderPolicy defines what to do if the IAM OIDC provider does not exist.
type OIDCProviderPolicy string

// The policies for a missing provider: report an error, or create it.
const (
	OIDCProviderRequire OIDCProviderPolicy = "Require"
	OIDCProviderCreate  OIDCProviderPolicy = "Create"
)

// envPrefix is the prefix of the environment variables: --role-path falls back to
// PODIDENTITY_ROLE_PATH.
const envPrefix = "PODIDENTITY_"

// Parse returns the Options from args. A flag that is not in args takes its value
// from the environment, if the variable is not empty. The error lists all problems,
// one per line. If args request help, Parse prints it to standard output and returns
// flag.ErrHelp, as package flag does.
func Parse(args []string, getenv func(string) string) (Options, error) {
	values, problems := parseArgs(args)
	if values["help"] != "" {
		fmt.Fprint(os.Stdout, Usage())
		return Options{}, flag.ErrHelp
	}
	if values["version"] == "true" {
		return Options{Version: true}, nil
	}
	var o Options
	for _, s := range flags() {
		value, source := s.value(values, getenv)
		switch {
		case value == "" && s.required:
			problems = append(problems, fmt.Errorf("%s is required: %s", source, s.allowed))
		case value == "" && s.defaultValue == "":
		case !s.set(&o, value):
			problems = append(problems, fmt.Errorf("invalid value %q for %s: must be %s", value, source, s.allowed))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return Options{}, err
	}
	if o.DriftCheckInterval == 0 {
		o.DriftCheckInterval = defaultDriftCheckInterval
		if o.EventQueueURL != "" {
			o.DriftCheckInterval = defaultIntervalWithQueue
		}
	}
	o.RolePath = cmp.Or(o.RolePath, "/podidentity/"+o.ClusterName+"/")
	return o, nil
}

// value returns the flag's value, and its source for messages.
func (s flagSpec) value(values map[string]string, getenv func(string) string) (value, source string) {
	source = "--" + s.name
	if value, ok := values[s.name]; ok {
		return value, source
	}
	if s.env() != "" {
		if value := getenv(s.env()); value != "" {
			return value, source + " (from " + s.env() + ")"
		}
	}
	return s.defaultValue, source
}

// env returns the name of the environment variable, or "" if there is none.
func (s flagSpec) env() string {
	if s.flagOnly {
		return ""
	}
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// parseArgs returns the values of the flags in args by name, and the problems in
// args. Like package flag it accepts one dash or two, a value after = or in the next
// argument, and no value for true. Unlike package flag it continues after a mistake,
// to report all of them.
func parseArgs(args []string) (values map[string]string, problems []error) {
	values = map[string]string{}
	known := map[string]flagSpec{}
	for _, s := range flags() {
		known[s.name] = s
	}
	for i := 0; i < len(args); i++ {
		text, ok := strings.CutPrefix(args[i], "-")
		if !ok || text == "" {
			problems = append(problems, fmt.Errorf("unexpected argument %q; see --help", args[i]))
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(text, "-"), "=")
		s, ok := known[name]
		switch {
		case name == "help" || name == "h":
			values["help"] = "true"
		case !ok:
			problems = append(problems, fmt.Errorf("unknown flag %s; see --help", args[i]))
		case hasValue:
			values[name] = value
		case s.isBool:
			values[name] = "true"
		case i+1 == len(args):
			problems = append(problems, fmt.Errorf("flag --%s requires a value: %s", name, s.allowed))
			values[name] = s.defaultValue // one problem per flag is enough
		default:
			i++
			values[name] = args[i]
		}
	}
	return values, problems
}

// Usage returns the help: for every flag its purpose, allowed values, default and
// environment variable.
func Usage() string {
	var b strings.Builder
	b.WriteString("The PodIdentity operator gives the pods of a ServiceAccount an AWS identity.\n\nFlags (environment variable in parentheses):\n")
	for _, s := range flags() {
		fmt.Fprintf(&b, "\n  --%s", s.name)
		if env := s.env(); env != "" {
			fmt.Fprintf(&b, " (%s)", env)
		}
		fmt.Fprintf(&b, "\n        %s\n", s.usage)
		switch {
		case s.required:
			b.WriteString("        Required.")
		case s.defaultText != "":
			fmt.Fprintf(&b, "        Default: %s.", s.defaultText)
		case s.defaultValue != "":
			fmt.Fprintf(&b, "        Default: %s.", s.defaultValue)
		default:
			b.WriteString("        Default: none.")
		}
		fmt.Fprintf(&b, " Must be %s.\n", s.allowed)
	}
	b.WriteString("\nAWS settings use the standard SDK environment variables: AWS_REGION, AWS_ENDPOINT_URL, AWS_CA_BUNDLE, …\n")
	return b.String()
}
