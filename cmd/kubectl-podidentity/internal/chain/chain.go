// Package chain walks from a pod to its AWS permissions, link by link as AWS does,
// and names the first broken link. It is pure: the facts are gathered elsewhere.
package chain

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
)

// Facts are what is known about one pod. A field that has a problem is empty
// if there is nothing to know, or if the problem states why it is not known.
type Facts struct {
	Pod *corev1.Pod `json:"pod"`
	// Container limits the walk to one container; empty means all.
	Container      string                 `json:"container,omitempty"`
	ServiceAccount *corev1.ServiceAccount `json:"serviceAccount,omitempty"`
	// NewPod is what the API server makes of a new pod of the ServiceAccount, with
	// all admission webhooks.
	NewPod        *corev1.Pod `json:"newPod,omitempty"`
	NewPodProblem string      `json:"newPodProblem,omitempty"`
	// Identity is the PodIdentity that names the ServiceAccount, if there is one.
	Identity *v1alpha1.PodIdentity `json:"identity,omitempty"`
	// Issuer is the URL of the cluster's OIDC issuer.
	Issuer        string `json:"issuer,omitempty"`
	IssuerProblem string `json:"issuerProblem,omitempty"`

	// AWS is nil until AWS was called. Without it the walk ends before AWS.
	AWS *AWS `json:"aws,omitempty"`
	// Request is what the pod asks of AWS, nil if only the identity matters.
	Request *Request `json:"request,omitempty"`
}

// AWS is what the account of the role holds.
type AWS struct {
	// AccountID is the account that was read: that of the user's credentials.
	AccountID       string         `json:"accountID"`
	Provider        *role.Provider `json:"provider,omitempty"`
	ProviderProblem string         `json:"providerProblem,omitempty"`
	Role            *role.Role     `json:"role,omitempty"`
	RoleProblem     string         `json:"roleProblem,omitempty"`
	PoliciesProblem string         `json:"policiesProblem,omitempty"`
	// Simulation is what IAM's policy simulator answers, nil if it was not called.
	Simulation *Simulation `json:"simulation,omitempty"`
}

// Request is an action on a resource.
type Request struct {
	Action   string `json:"action"`
	Resource string `json:"resource"`
	// Context holds condition keys of the request that the walk cannot know. A key
	// without values is absent from the request.
	Context map[string][]string `json:"context,omitempty"`
}

// Simulation is an answer of IAM's policy simulator.
type Simulation struct {
	Decision   string   `json:"decision"` // allowed, implicitDeny or explicitDeny
	Statements []string `json:"statements,omitempty"`
	// DeniedBy names what else denies: Organizations or the boundary.
	DeniedBy string `json:"deniedBy,omitempty"`
	Problem  string `json:"problem,omitempty"`
}

// Link is one link of the chain.
type Link struct {
	Name    string      `json:"link"`
	State   check.State `json:"state"`
	Message string      `json:"message"`
	Fix     string      `json:"fix,omitempty"`
}

// The links, in the order of the walk.
const (
	LinkServiceAccount = "serviceaccount"
	LinkAnnotation     = "annotation"
	LinkWebhook        = "webhook"
	LinkVariables      = "variables"
	LinkCredentials    = "credentials"
	LinkToken          = "token"
	LinkIssuer         = "issuer"
	LinkRole           = "role"
	LinkProvider       = "provider"
	LinkAudience       = "audience"
	LinkTrust          = "trust"
	LinkDeny           = "deny"
	LinkBoundary       = "boundary"
	LinkPermissions    = "permissions"
	LinkSimulation     = "simulation"
)

// Result is the outcome of a walk.
type Result struct {
	Links []Link `json:"links"`
	// Broken is the name of the first broken link, empty if none is.
	Broken string `json:"broken,omitempty"`
	// Incomplete reports that a link could not be checked.
	Incomplete bool `json:"incomplete,omitempty"`
	// NotEvaluated lists what also decides about a request, and is not in the walk.
	NotEvaluated []string `json:"notEvaluated,omitempty"`
}

// step checks one link. It returns nil if the link does not exist for this pod.
type step func(Facts) *Link

// Walk checks the links in order, up to and including the first broken one.
func Walk(f Facts) Result {
	steps := []step{serviceAccount, annotation, webhook, variables, credentials, token, issuer}
	if f.AWS != nil {
		steps = append(steps, provider, audience, roleExists, trust)
		if f.Request != nil {
			steps = append(steps, explicitDeny, permissions, boundary, simulation)
		}
	}
	if usesEKSPodIdentity(f) {
		steps = []step{serviceAccount, eksPodIdentity}
	}
	var r Result
	for _, take := range steps {
		link := take(f)
		if link == nil {
			continue
		}
		r.Links = append(r.Links, *link)
		if link.State == check.Unknown {
			r.Incomplete = true
		}
		if link.State == check.Broken {
			r.Broken = link.Name
			break
		}
	}
	if f.AWS != nil && f.Request != nil && r.Broken == "" {
		r.NotEvaluated = []string{"policies of the resource, such as a bucket or key policy", "policies of a VPC endpoint"}
		if f.AWS.Simulation == nil {
			r.NotEvaluated = append(r.NotEvaluated, "service control policies (--aws asks IAM's simulator)")
		}
	}
	return r
}

// Unchecked returns the first link that could not be checked, nil if there is none.
func (r Result) Unchecked() *Link {
	for i := range r.Links {
		if r.Links[i].State == check.Unknown {
			return &r.Links[i]
		}
	}
	return nil
}

// Target is what the pod presents to AWS, and the role that it wants.
type Target struct {
	RoleARN  string
	Role     role.ARN
	Audience string
	Subject  string
	HostPath string // of the issuer, as AWS writes it
}

// ProviderARN returns the ARN of the OIDC provider that must exist.
func (t Target) ProviderARN() string { return t.Role.ProviderARN(t.HostPath) }

// TargetOf returns what the pod presents to AWS. It returns false if the pod wants
// no role, or something that is none.
func TargetOf(f Facts) (Target, bool) {
	arn := wantedRole(f)
	parsed, ok := role.ParseARN(arn)
	if !ok {
		return Target{}, false
	}
	return Target{
		RoleARN: arn, Role: parsed,
		Audience: audienceOf(f),
		Subject:  subjectOf(f),
		HostPath: hostPath(f.Issuer),
	}, true
}
