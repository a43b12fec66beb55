package plan

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Cluster holds the facts about this cluster and its AWS account that every
// identity shares. They are found out once.
type Cluster struct {
	Name      string // of the cluster, as the operator's configuration gives it
	Partition string // aws, aws-cn, aws-us-gov, …
	AccountID string // twelve digits
	Issuer    string // URL of the OIDC issuer, https://…
	Audience  string // that tokens are issued for, usually sts.amazonaws.com
	RolePath  string // of every role, with a slash at both ends
	Boundary  string // ARN forced on every role; empty if none is
}

// ProviderARN returns the ARN of the IAM OIDC provider for the cluster's issuer.
func (c Cluster) ProviderARN() string {
	return "arn:" + c.Partition + ":iam::" + c.AccountID + ":oidc-provider/" + strings.TrimPrefix(c.Issuer, "https://")
}

// RoleARN returns the ARN of the role of that name in the operator's path.
func (c Cluster) RoleARN(name string) string {
	return "arn:" + c.Partition + ":iam::" + c.AccountID + ":role" + c.RolePath + name
}

// State is what should be: the role and what the ServiceAccounts carry.
type State struct {
	Role           Role
	ServiceAccount ServiceAccount
	// Additional names the other trusted ServiceAccounts, sorted. They are
	// annotated, never created.
	Additional []string
}

// ServiceAccounts returns all ServiceAccounts that should carry the role, the one
// that gets the identity first. What only that one is given, such as the lifetime
// of its tokens, is not on the others.
func (s State) ServiceAccounts() []ServiceAccount {
	all := []ServiceAccount{s.ServiceAccount}
	for _, name := range s.Additional {
		annotations := map[string]string{}
		for _, key := range []string{AnnotationRoleARN, AnnotationAudience} {
			if value, ok := s.ServiceAccount.Annotations[key]; ok {
				annotations[key] = value
			}
		}
		all = append(all, ServiceAccount{Name: name, Annotations: annotations})
	}
	return all
}

// ServiceAccount is a ServiceAccount that should carry the role.
type ServiceAccount struct {
	Name string
	// Create says that the operator makes it, and owns it.
	Create bool
	// Annotations are those the operator applies, the role's ARN among them.
	Annotations map[string]string
}

// Role is an IAM role with everything that hangs on it.
type Role struct {
	Name               string
	Path               string
	Description        string
	MaxSessionDuration int32 // seconds
	Boundary           string
	Trust              policy.Document
	Tags               map[string]string
	Managed            []string                   // ARNs, sorted
	Inline             map[string]policy.Document // by policy name
	// Sources are the inline policies as they were declared, by name. Only a
	// desired role has them; they say nothing that Inline does not.
	Sources map[string]string
}

// Clone returns a deep copy of r.
func (r Role) Clone() Role {
	r.Tags = maps.Clone(r.Tags)
	r.Managed = slices.Clone(r.Managed)
	r.Inline = maps.Clone(r.Inline)
	r.Sources = maps.Clone(r.Sources)
	return r
}

// Revoked returns r without trust and without rights: nobody can assume it, and
// whoever has may do nothing with it.
func (r Role) Revoked() Role {
	r = r.Clone()
	r.Trust, r.Managed, r.Inline, r.Sources = policy.DenyAllTrust(), nil, nil, nil
	return r
}

// Observed is a role as it was found in AWS. A nil *Observed means that there is
// none.
type Observed struct {
	Role

	ARN       string
	ID        string // AROA…
	CreatedAt time.Time
	// InstanceProfiles that the role is in, sorted. Only found out when the role
	// is to be deleted.
	InstanceProfiles []string
}

// ErrDeleteConflict says that a role was not deleted because something hangs on
// it still.
var ErrDeleteConflict = errors.New("something hangs on the role still")

// ErrRoleExists says that a role was not created because one of that name
// exists. Only observing it can tell whose it is.
var ErrRoleExists = errors.New("a role of this name exists")

// Applied is what came of applying changes to a role: it speaks of those that
// were made, also when one of them failed.
type Applied struct {
	// Completed are the changes that were made, in order.
	Completed []Change
	// ARN, ID and CreatedAt are of the role, if CreateRole was among Done.
	ARN       string
	ID        string
	CreatedAt time.Time
}

// Provider is an IAM OIDC provider as it was found. A nil *Provider means that
// there is none.
type Provider struct {
	ARN       string
	Audiences []string // its client IDs
	Tags      map[string]string
}

// Account is the AWS account that the operator works in, and as whom.
type Account struct {
	Partition string // aws, aws-cn, aws-us-gov, …
	ID        string // twelve digits
	CallerARN string
}
