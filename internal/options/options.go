// Package options turns the command line into Options.
package options

import "time"

// Options configure the operator.
type Options struct {
	ClusterName         string
	RolePath            string
	PermissionsBoundary string
	OIDCProvider        ProviderPolicy
	OIDCIssuer          string
	Audience            string

	DriftInterval           time.Duration
	PropagationGrace        time.Duration
	MaxConcurrentReconciles int

	LeaderElect             bool
	LeaderElectionNamespace string
	HealthProbeBindAddress  string
	MetricsBindAddress      string
	MetricsSecure           bool

	LogFormat string
	LogLevel  string
	Version   bool
}

// ProviderPolicy says what to do about an IAM OIDC provider that is missing.
type ProviderPolicy string

// The policies for a missing provider.
const (
	Require ProviderPolicy = "Require"
	Create  ProviderPolicy = "Create"
)

// Parse returns the Options that args and the environment ask for.
func Parse(args []string, getenv func(string) string) (Options, error) { return Options{}, nil }
