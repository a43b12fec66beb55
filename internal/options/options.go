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
	// PermissionsBoundary is the ARN that is forced on every role; empty if none is.
	PermissionsBoundary string

	// RequireGuardrail refuses namespaces that no PodIdentityGuardrail matches.
	RequireGuardrail bool

	// OIDCProvider says what to do about a missing IAM OIDC provider.
	OIDCProvider OIDCProviderPolicy
	// OIDCIssuer is the cluster's issuer; if empty, the API server is asked.
	OIDCIssuer string
	// Audience of the tokens that AWS is to accept.
	Audience string

	// DriftCheckInterval is how often all identities are compared with AWS.
	DriftCheckInterval time.Duration
	// IAMPropagationDelay is how long a new role is given to be known everywhere.
	IAMPropagationDelay time.Duration
	// MaxConcurrentReconciles is how many identities are worked on at once.
	MaxConcurrentReconciles int
	// AWSReadsPerSecond and AWSWritesPerSecond bound the calls to IAM of all
	// workers together; 0 means no bound.
	AWSReadsPerSecond, AWSWritesPerSecond float64

	LeaderElect bool
	// LeaderElectionNamespace holds the lease; if empty, the pod's own does.
	LeaderElectionNamespace string
	// LeaseDuration is how long a leader that has failed keeps others from taking over.
	LeaseDuration time.Duration
	// HealthProbeBindAddress and MetricsBindAddress are host:port; 0 is nowhere.
	HealthProbeBindAddress string
	MetricsBindAddress     string
	// MetricsSecure serves metrics over TLS, to those whom Kubernetes allows it.
	MetricsSecure bool

	LogFormat string // json or text
	LogLevel  string // debug, info or error

	// Version asks for the version, and for nothing else: then nothing else is valid.
	Version bool
}

// OIDCProviderPolicy says what to do about an IAM OIDC provider that is missing.
type OIDCProviderPolicy string

// The policies for a missing provider: to say so, or to make it.
const (
	OIDCProviderRequire OIDCProviderPolicy = "Require"
	OIDCProviderCreate  OIDCProviderPolicy = "Create"
)

// envPrefix begins the names of the environment variables: --role-path falls
// back on PODIDENTITY_ROLE_PATH.
const envPrefix = "PODIDENTITY_"

// Parse returns the Options that args ask for; a flag that is not in args takes
// its value from the environment, if it is set there to anything. The error
// tells all that is wrong, a line each. If args ask for help, Parse prints it to
// standard output and returns flag.ErrHelp, as package flag does.
func Parse(args []string, getenv func(string) string) (Options, error) {
	given, problems := parseArgs(args)
	if given["help"] != "" {
		fmt.Fprint(os.Stdout, Usage())
		return Options{}, flag.ErrHelp
	}
	if given["version"] == "true" {
		return Options{Version: true}, nil
	}
	var o Options
	for _, s := range flags() {
		value, source := s.value(given, getenv)
		switch {
		case value == "" && s.required:
			problems = append(problems, fmt.Errorf("%s: must be set, to %s", source, s.allowed))
		case value == "" && s.initial == "":
		case !s.set(&o, value):
			problems = append(problems, fmt.Errorf("%s: %q is not allowed: must be %s", source, value, s.allowed))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return Options{}, err
	}
	o.RolePath = cmp.Or(o.RolePath, "/podidentity/"+o.ClusterName+"/")
	return o, nil
}

// value returns the setting's value and where it comes from, for messages.
func (s flagSpec) value(given map[string]string, getenv func(string) string) (value, source string) {
	source = "--" + s.name
	if value, ok := given[s.name]; ok {
		return value, source
	}
	if s.env() != "" {
		if value := getenv(s.env()); value != "" {
			return value, source + " (from " + s.env() + ")"
		}
	}
	return s.initial, source
}

// env returns the name of the environment variable, or "" if there is none.
func (s flagSpec) env() string {
	if s.onlyFlag {
		return ""
	}
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// parseArgs returns the values of the flags in args by name, and what is wrong with
// args. It takes what package flag takes: one dash or two, a value after = or in
// the next argument, none for true. Unlike package flag it goes on after a
// mistake, to tell all of them.
func parseArgs(args []string) (given map[string]string, problems []error) {
	given = map[string]string{}
	known := map[string]flagSpec{}
	for _, s := range flags() {
		known[s.name] = s
	}
	for i := 0; i < len(args); i++ {
		text, ok := strings.CutPrefix(args[i], "-")
		if !ok || text == "" {
			problems = append(problems, fmt.Errorf("%q: not a flag; all that the operator takes are flags, see --help", args[i]))
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(text, "-"), "=")
		s, ok := known[name]
		switch {
		case name == "help" || name == "h":
			given["help"] = "true"
		case !ok:
			problems = append(problems, fmt.Errorf("%s: there is no such flag; see --help", args[i]))
		case hasValue:
			given[name] = value
		case s.isBool:
			given[name] = "true"
		case i+1 == len(args):
			problems = append(problems, fmt.Errorf("--%s: needs a value: %s", name, s.allowed))
			given[name] = s.initial // which is no mistake beside this one
		default:
			i++
			given[name] = args[i]
		}
	}
	return given, problems
}

// Usage returns the help, which tells of every flag what it does, what it may
// be, its default and its environment variable.
func Usage() string {
	var b strings.Builder
	b.WriteString("The PodIdentity operator gives the pods of a ServiceAccount an AWS identity.\n\nFlags, each with the environment variable that it falls back on:\n")
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
		case s.initial != "":
			fmt.Fprintf(&b, "        Default: %s.", s.initial)
		default:
			b.WriteString("        Default: none.")
		}
		fmt.Fprintf(&b, " Must be %s.\n", s.allowed)
	}
	b.WriteString("\nAWS is configured as for every AWS tool: AWS_REGION, AWS_ENDPOINT_URL, AWS_CA_BUNDLE, …\n")
	return b.String()
}
