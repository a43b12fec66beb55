package plan

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Cluster holds the facts about this cluster and its AWS account that all identities
// share.
type Cluster struct {
	Name        string   // from the operator's configuration
	ID          string   // UID of the namespace kube-system
	AdoptFrom   string   // ID of another cluster whose roles may be adopted; empty if there is none
	IgnoredTags []string // prefixes of tag keys that the operator ignores
	Partition   string   // aws, aws-cn, aws-us-gov, …
	AccountID   string   // twelve digits
	Issuer      string   // URL of the OIDC issuer, https://…
	Audience    string   // of the tokens, usually sts.amazonaws.com
	RolePath    string   // of every role, with a slash at both ends
	Boundary    string   // ARN of the boundary that every role must have; empty if there is none
}

// ProviderARN returns the ARN of the IAM OIDC provider for the cluster's issuer.
func (c Cluster) ProviderARN() string {
	return "arn:" + c.Partition + ":iam::" + c.AccountID + ":oidc-provider/" + strings.TrimPrefix(c.Issuer, "https://")
}

// RoleARN returns the ARN of the role of that name in the operator's path.
func (c Cluster) RoleARN(name string) string {
	return "arn:" + c.Partition + ":iam::" + c.AccountID + ":role" + c.RolePath + name
}

// State is the desired state: the role and the annotations of the ServiceAccounts.
type State struct {
	Role           Role
	ServiceAccount ServiceAccount
	// Additional names the other trusted ServiceAccounts, sorted. They are
	// annotated, never created.
	Additional []string
}

// ServiceAccounts returns all ServiceAccounts that use the role, starting with the one
// of spec.serviceAccount. All of them get the role, the lifetime and the audience of
// tokens.
func (s State) ServiceAccounts() []ServiceAccount {
	all := []ServiceAccount{s.ServiceAccount}
	for _, name := range s.Additional {
		annotations := map[string]string{}
		for _, key := range []string{AnnotationRoleARN, AnnotationTokenExpiration, AnnotationAudience} {
			if value, ok := s.ServiceAccount.Annotations[key]; ok {
				annotations[key] = value
			}
		}
		all = append(all, ServiceAccount{Name: name, Annotations: annotations})
	}
	return all
}

// ServiceAccount is a ServiceAccount that uses the role.
type ServiceAccount struct {
	Name string
	// Create is true if the operator creates and owns the ServiceAccount.
	Create bool
	// Annotations are those that the operator applies, including the role's ARN.
	Annotations map[string]string
}

// Role is an IAM role with its policies.
type Role struct {
	Name               string
	Path               string
	Description        string
	MaxSessionDuration int32 // seconds
	Boundary           string
	Trust              policy.Document
	Tags               map[string]string
	Managed            []string                // ARNs, sorted
	Inline             map[string]InlinePolicy // by policy name
}

// InlinePolicy is an inline policy of a role.
type InlinePolicy struct {
	// Document is the canonical form, in which policies are compared.
	Document policy.Document
	// Source is the policy as its author wrote it. It is empty for an observed
	// policy, and for one that must be written in canonical form.
	Source string
}

// Text returns the text to write to AWS.
func (p InlinePolicy) Text() string { return cmp.Or(p.Source, string(p.Document)) }

// Clone returns a deep copy of r.
func (r Role) Clone() Role {
	r.Tags = maps.Clone(r.Tags)
	r.Managed = slices.Clone(r.Managed)
	r.Inline = maps.Clone(r.Inline)
	return r
}

// Revoked returns r with a trust policy that denies everyone and without permissions, so
// that existing sessions also lose their access.
func (r Role) Revoked() Role {
	r = r.Clone()
	r.Trust, r.Managed, r.Inline = policy.DenyAllTrust(), nil, nil
	return r
}

// Observed is a role as read from AWS. A nil *Observed means that the role does not
// exist.
type Observed struct {
	Role

	ARN       string
	ID        string // AROA…
	CreatedAt time.Time
	// LastUsedAt is the time at which the role's credentials last signed a request, zero if
	// IAM has no record of one: its records go back 400 days, and are up to four hours old.
	LastUsedAt time.Time
	// InstanceProfiles that contain the role, sorted. They are read only before the
	// role is deleted.
	InstanceProfiles []string
}

// ErrDeleteConflict is the error of deleting a role that has attachments.
var ErrDeleteConflict = errors.New("role still has attached policies or instance profiles")

// ErrRoleExists is the error of creating a role whose name is taken. The role must be
// read to find its owner.
var ErrRoleExists = errors.New("role already exists")

// Applied is the result of applying changes to a role, even if one of them failed.
type Applied struct {
	// Completed are the changes that succeeded, in order.
	Completed []Change
	// ARN, ID and CreatedAt are those of the role, if Completed has a CreateRole.
	ARN       string
	ID        string
	CreatedAt time.Time
}

// ManagedPolicy is a version of a managed policy.
type ManagedPolicy struct {
	Version  string
	Document string // JSON
}

// Provider is an IAM OIDC provider as read from AWS. A nil *Provider means that it
// does not exist.
type Provider struct {
	ARN       string
	Audiences []string // its client IDs
	Tags      map[string]string
}

// Account is the operator's AWS account, and the principal that it uses there.
type Account struct {
	Partition string // aws, aws-cn, aws-us-gov, …
	ID        string // twelve digits
	CallerARN string
}
