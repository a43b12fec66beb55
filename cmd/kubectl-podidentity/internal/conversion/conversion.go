// Package conversion turns IAM roles into PodIdentities, and lists what a PodIdentity
// cannot express. It is pure. Everything that it returns is accepted by the API server
// and by the operator's planner: it tries each part with both.
package conversion

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/origin"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/schema"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Identity is a PodIdentity for a role.
type Identity struct {
	Source   string                `json:"source"`
	RoleARN  string                `json:"roleARN,omitempty"`
	Identity *v1alpha1.PodIdentity `json:"identity"`
	// Losses list what the identity does not express.
	Losses []string `json:"notExpressed,omitempty"`
	// Notes list what is omitted because it is not part of an identity.
	Notes []string `json:"notes,omitempty"`
	// Adopt are the commands that let the operator take the role over; empty if it
	// creates a second one.
	Adopt []string `json:"adopt,omitempty"`
	// Remove is the command that deletes the old role once no pod uses it.
	Remove string `json:"remove,omitempty"`
}

// Converter converts roles.
type Converter struct {
	schema *schema.Validator
	// cluster is what is known of the cluster; its zero value if nothing is.
	cluster plan.Cluster
	issuer  string // without https://
	adopt   bool
}

// New returns a converter for a cluster, of which nothing needs to be known. To adopt
// roles, everything must be.
func New(cluster plan.Cluster, adopt bool) (*Converter, error) {
	validator, err := schema.New()
	return &Converter{schema: validator, cluster: cluster, issuer: strings.TrimPrefix(cluster.Issuer, "https://"), adopt: adopt}, err
}

// ErrNoServiceAccount reports that a role is not for pods of this cluster.
var ErrNoServiceAccount = errors.New("trusts no ServiceAccount of this cluster that a PodIdentity can name")

// Role returns the identities for a role, one for each namespace that it trusts. The
// error is ErrNoServiceAccount with the reasons.
func (c *Converter) Role(r origin.Role) ([]Identity, error) {
	t := readTrust(r.Trust, c.issuer)
	if len(t.accounts) == 0 {
		return nil, fmt.Errorf("%s: %w: %s", r.Source, ErrNoServiceAccount, strings.Join(t.losses, "; "))
	}
	var all []Identity
	namespaces := slices.Sorted(maps.Keys(t.accounts))
	for i, namespace := range namespaces {
		b := c.begin(r, t.losses)
		if len(namespaces) > 1 && c.adopt {
			b.lose("the role trusts %d namespaces, and a PodIdentity is in one: only that of namespace %s adopts it", len(namespaces), namespaces[0])
		}
		names := slices.Sorted(slices.Values(t.accounts[namespace]))
		all = append(all, b.build(namespace, names, c.adopt && i == 0))
	}
	return all, nil
}

// ServiceAccount returns the identity for a ServiceAccount with a role.
func (c *Converter) ServiceAccount(sa *corev1.ServiceAccount, r origin.Role) Identity {
	t := readTrust(r.Trust, c.issuer)
	names := t.accounts[sa.Namespace]
	b := c.begin(r, t.losses)
	if !slices.Contains(names, sa.Name) && !slices.Contains(names, everyName) {
		b.lose("the trust policy of the role does not admit this ServiceAccount, so its pods cannot use the role now")
	}
	others := slices.DeleteFunc(slices.Sorted(slices.Values(names)), func(name string) bool { return name == sa.Name })
	for _, namespace := range slices.Sorted(maps.Keys(t.accounts)) {
		if namespace != sa.Namespace {
			b.lose("the role also trusts namespace %s, which needs a PodIdentity of its own: kubectl podidentity import role %s", namespace, r.Name)
		}
	}
	b.account = sa
	return b.build(sa.Namespace, append([]string{sa.Name}, others...), c.adopt)
}

func (c *Converter) begin(r origin.Role, losses []string) *builder {
	b := &builder{Converter: c, role: r}
	b.result = Identity{Source: r.Source, RoleARN: r.ARN, Remove: r.Remove, Losses: slices.Concat(r.Losses, losses)}
	return b
}

// builder builds one identity.
type builder struct {
	*Converter

	role    origin.Role
	account *corev1.ServiceAccount // nil if it is not known
	pi      *v1alpha1.PodIdentity
	result  Identity
}

func (b *builder) lose(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(b.result.Losses, text) {
		b.result.Losses = append(b.result.Losses, text)
	}
}

// build returns the identity. The first name is that of spec.serviceAccount.
func (b *builder) build(namespace string, names []string, adopt bool) Identity {
	whole := slices.Contains(names, everyName)
	names = slices.DeleteFunc(names, func(name string) bool { return name == everyName })
	if len(names) == 0 {
		names = []string{"default"}
		b.lose("the role trusts every ServiceAccount of the namespace: set spec.serviceAccount.name to the one to annotate")
	}
	b.pi = &v1alpha1.PodIdentity{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "PodIdentity"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: names[0]},
	}
	b.pi.Spec.ServiceAccount = v1alpha1.ServiceAccountSpec{Name: v1alpha1.ServiceAccountName(names[0]), Mode: v1alpha1.ServiceAccountAnnotate}
	if whole {
		b.pi.Spec.Trust.Scope = v1alpha1.TrustNamespace
	} else {
		b.additional(names[1:])
	}
	if adopt {
		b.adoptRole()
	}
	b.token()
	b.settings()
	b.tags()
	b.managed()
	b.inline()
	b.result.Identity = b.pi
	return b.result
}

func (b *builder) additional(names []string) {
	for _, name := range names {
		b.try("ServiceAccount "+name, func(s *v1alpha1.PodIdentitySpec) {
			s.AdditionalServiceAccounts = append(s.AdditionalServiceAccounts, v1alpha1.ServiceAccountName(name))
		})
	}
}

// token reads the annotations of AWS's webhook on the ServiceAccount.
func (b *builder) token() {
	if b.account == nil {
		return
	}
	if value := b.account.Annotations[plan.AnnotationTokenExpiration]; value != "" {
		var seconds int32
		if err := json.Unmarshal([]byte(value), &seconds); err != nil {
			b.lose("annotation %s: %s is not a number", plan.AnnotationTokenExpiration, value)
		} else {
			b.try("annotation "+plan.AnnotationTokenExpiration, func(s *v1alpha1.PodIdentitySpec) {
				s.ServiceAccount.TokenExpirationSeconds = seconds
			})
		}
	}
	if value := b.account.Annotations[plan.AnnotationAudience]; value != "" && value != plan.DefaultAudience && value != b.cluster.Audience {
		b.lose("annotation %s is %s; the operator sets its own audience", plan.AnnotationAudience, value)
	}
}

func (b *builder) settings() {
	if text := b.role.Description; text != "" {
		b.try("the description", func(s *v1alpha1.PodIdentitySpec) { s.Role.Description = text })
	}
	if seconds := b.role.MaxSession; seconds != 0 && seconds != plan.DefaultMaxSessionDuration {
		b.try("the session duration", func(s *v1alpha1.PodIdentitySpec) { s.Role.MaxSessionDurationSeconds = seconds })
	}
	if arn := b.role.Boundary; arn != "" {
		b.try("the permissions boundary "+arn, func(s *v1alpha1.PodIdentitySpec) { s.Role.PermissionsBoundary = v1alpha1.PolicyARN(arn) })
		if b.cluster.Boundary != "" && arn != b.cluster.Boundary {
			b.lose("the permissions boundary %s: the operator sets %s instead (--permissions-boundary)", arn, b.cluster.Boundary)
		}
	} else if b.cluster.Boundary != "" {
		b.lose("the role has no permissions boundary; the operator sets %s (--permissions-boundary)", b.cluster.Boundary)
	}
}

func (b *builder) tags() {
	var ofAWS []string
	for _, key := range slices.Sorted(maps.Keys(b.role.Tags)) {
		switch {
		case strings.HasPrefix(key, plan.TagPrefix):
			continue // the operator sets its own
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			ofAWS = append(ofAWS, key)
			continue
		}
		b.try("tag "+key, func(s *v1alpha1.PodIdentitySpec) {
			if s.Role.Tags == nil {
				s.Role.Tags = map[string]v1alpha1.TagValue{}
			}
			s.Role.Tags[key] = v1alpha1.TagValue(b.role.Tags[key])
		})
	}
	if len(ofAWS) > 0 {
		b.result.Notes = append(b.result.Notes, "Omitted, because only AWS sets them: the tags "+strings.Join(ofAWS, ", "))
	}
}

func (b *builder) managed() {
	for _, arn := range slices.Sorted(slices.Values(b.role.Managed)) {
		b.try("managed policy "+arn, func(s *v1alpha1.PodIdentitySpec) {
			s.Policies.Managed = append(s.Policies.Managed, v1alpha1.PolicyARN(arn))
		})
	}
}
