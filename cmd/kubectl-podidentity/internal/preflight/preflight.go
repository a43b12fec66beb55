// Package preflight checks whether a cluster and an AWS account are ready for the
// operator. It is pure: the facts are gathered elsewhere.
package preflight

import (
	"time"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/chain"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/operator"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
)

// Facts are what is known. A field that has a problem is empty if there is
// nothing, or if the problem states why it is not known.
type Facts struct {
	// Version of the API server, such as v1.37.2.
	Version string `json:"version"`
	// Served are the kinds of the operator's API that the cluster serves.
	Served []string `json:"served,omitempty"`
	// ClockSkew is how far the API server's clock is ahead of that of AWS; nil if one
	// of the two is not known.
	ClockSkew *Duration `json:"clockSkew,omitempty"`

	// ClusterID is the UID of namespace kube-system; ClusterIDProblem states why it is not
	// known.
	ClusterID        string `json:"clusterID,omitempty"`
	ClusterIDProblem string `json:"clusterIDProblem,omitempty"`

	Operator        *operator.Installation `json:"operator,omitempty"`
	OperatorProblem string                 `json:"operatorProblem,omitempty"`
	// Leader holds the Lease of the operator.
	Leader       string `json:"leader,omitempty"`
	LeaderAlive  bool   `json:"leaderAlive,omitempty"`
	LeaseProblem string `json:"leaseProblem,omitempty"`
	// Identity is the walk from the operator's ServiceAccount to its role.
	Identity        *chain.Result `json:"identity,omitempty"`
	IdentityProblem string        `json:"identityProblem,omitempty"`

	Issuer        string   `json:"issuer,omitempty"`
	IssuerProblem string   `json:"issuerProblem,omitempty"`
	Keys          []string `json:"keys,omitempty"` // thumbprints, of the API server
	KeysProblem   string   `json:"keysProblem,omitempty"`
	// Published are the keys that the issuer publishes.
	Published        []string `json:"published,omitempty"`
	PublishedProblem string   `json:"publishedProblem,omitempty"`

	// Webhooks are the names of the configurations of pod identity webhooks.
	Webhooks        []string `json:"webhooks,omitempty"`
	WebhooksProblem string   `json:"webhooksProblem,omitempty"`

	Guardrails        []v1alpha1.PodIdentityGuardrail `json:"guardrails,omitempty"`
	Namespaces        []Namespace                     `json:"namespaces,omitempty"`
	GuardrailsProblem string                          `json:"guardrailsProblem,omitempty"`
	// Identities are the UIDs of all PodIdentities, read after AWS.Roles.
	Identities        []string `json:"identities,omitempty"`
	IdentitiesProblem string   `json:"identitiesProblem,omitempty"`

	// AWS is nil if the account could not be read; AWSProblem states why.
	AWS        *AWS   `json:"aws,omitempty"`
	AWSProblem string `json:"awsProblem,omitempty"`
}

// Namespace is a namespace with its labels.
type Namespace struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
}

// AWS is what is known about the account.
type AWS struct {
	AccountID string `json:"accountID"`
	Partition string `json:"partition"`

	Provider        *role.Provider `json:"provider,omitempty"`
	ProviderProblem string         `json:"providerProblem,omitempty"`
	// OperatorRole is the operator's own, with its policies.
	OperatorRole        *role.Role `json:"operatorRole,omitempty"`
	OperatorRoleProblem string     `json:"operatorRoleProblem,omitempty"`
	// Roles are those below the operator's path, and those that carry the cluster's
	// tag elsewhere.
	Roles        []role.Role `json:"roles,omitempty"`
	RolesProblem string      `json:"rolesProblem,omitempty"`
	// Queue is the operator's event queue; nil if it has none.
	Queue *Queue `json:"queue,omitempty"`
	// Summary is IAM's GetAccountSummary.
	Summary        map[string]int32 `json:"summary,omitempty"`
	SummaryProblem string           `json:"summaryProblem,omitempty"`
}

// Duration is a time.Duration that is written like 1m30s.
type Duration struct{ time.Duration }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	return err
}

// Check is the outcome of one check.
type Check struct {
	Name    string      `json:"check"`
	State   check.State `json:"state"`
	Message string      `json:"message"`
	Fix     string      `json:"fix,omitempty"`
}

// Run returns the outcome of all checks, in the order of the way from the cluster to
// AWS.
func Run(f Facts) []Check {
	var checks []Check
	for _, one := range []func(Facts) Check{
		apiVersion, crds, operatorRuns, leader, options, identity, permissions, events,
		issuer, keys, provider, audience, webhook, clock,
		otherClusters, guardrails, quotas, orphans,
	} {
		checks = append(checks, one(f))
	}
	return checks
}

func ok(name, message string) Check { return Check{name, check.OK, message, ""} }

func unknown(name, problem string) Check { return Check{name, check.Unknown, problem, ""} }
