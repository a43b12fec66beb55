package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Annotations that AWS's pod identity webhook reads on a ServiceAccount
// (https://github.com/aws/amazon-eks-pod-identity-webhook#eks-walkthrough).
const (
	AnnotationRoleARN              = "eks.amazonaws.com/role-arn"
	AnnotationTokenExpiration      = "eks.amazonaws.com/token-expiration" //nolint:gosec // a name, no credential
	AnnotationSTSRegionalEndpoints = "eks.amazonaws.com/sts-regional-endpoints"
	AnnotationAudience             = "eks.amazonaws.com/audience"
)

// DefaultAudience is the webhook's default audience of tokens.
const DefaultAudience = "sts.amazonaws.com"

// DefaultMaxSessionDuration is the session duration of a role that sets none, in seconds.
const DefaultMaxSessionDuration = 3600

// Desired returns the desired state of pi in cluster. Its error is terminal: it names
// every invalid field and what is allowed there.
func Desired(pi *v1alpha1.PodIdentity, cluster Cluster) (State, error) {
	var problems []error
	role := Role{
		Name:               NameOf(pi, cluster.Name),
		Path:               cluster.RolePath,
		Description:        pi.Spec.Role.Description,
		MaxSessionDuration: cmp.Or(pi.Spec.Role.MaxSessionDurationSeconds, DefaultMaxSessionDuration),
		Trust:              TrustOf(pi, cluster),
	}
	for _, part := range []func(*Role, *v1alpha1.PodIdentity, Cluster) error{
		checkName, setBoundary, setTags, setManaged, setInline,
	} {
		problems = append(problems, part(&role, pi, cluster))
	}
	if err := errors.Join(problems...); err != nil {
		return State{}, fault.Errorf(fault.Terminal, v1alpha1.ReasonInvalidSpec, "%s", oneLine(err))
	}
	return State{
		Role:           role,
		ServiceAccount: serviceAccount(pi, cluster, role.Name),
		Additional:     additional(pi),
	}, nil
}

// OwnerOf returns the owner of pi's role.
func OwnerOf(pi *v1alpha1.PodIdentity, cluster Cluster) Owner {
	return Owner{
		Cluster: cluster.Name, Namespace: pi.Namespace, Name: pi.Name, UID: string(pi.UID),
		ClusterID: cluster.ID, AdoptFromClusterID: cluster.AdoptFrom,
	}
}

// NameOf returns the name of pi's role: spec.role.name, or the generated one.
func NameOf(pi *v1alpha1.PodIdentity, clusterName string) string {
	return cmp.Or(pi.Spec.Role.Name, RoleName(clusterName, pi.Namespace, pi.Name))
}

// ServiceAccountOf returns the name of the ServiceAccount of spec.serviceAccount.
func ServiceAccountOf(pi *v1alpha1.PodIdentity) string {
	return cmp.Or(string(pi.Spec.ServiceAccount.Name), pi.Name)
}

// ServiceAccountsOf returns the names of all ServiceAccounts that pi trusts by name,
// starting with that of spec.serviceAccount.
func ServiceAccountsOf(pi *v1alpha1.PodIdentity) []string {
	return append([]string{ServiceAccountOf(pi)}, additional(pi)...)
}

// additional returns the sorted names of the other ServiceAccounts.
func additional(pi *v1alpha1.PodIdentity) []string {
	var names []string
	for _, name := range pi.Spec.AdditionalServiceAccounts {
		if string(name) != ServiceAccountOf(pi) {
			names = append(names, string(name))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TrustOf returns the trust policy of pi's role.
func TrustOf(pi *v1alpha1.PodIdentity, cluster Cluster) policy.Document {
	return policy.Trust(policy.TrustSpec{
		ProviderARN:     cluster.ProviderARN(),
		Issuer:          strings.TrimPrefix(cluster.Issuer, "https://"),
		Audience:        cluster.Audience,
		Namespace:       pi.Namespace,
		ServiceAccounts: ServiceAccountsOf(pi),
		WholeNamespace:  pi.Spec.Trust.Scope == v1alpha1.TrustNamespace,
	})
}

// OwnServiceAccount returns the desired ServiceAccount of spec.serviceAccount.
func OwnServiceAccount(pi *v1alpha1.PodIdentity, cluster Cluster) ServiceAccount {
	return serviceAccount(pi, cluster, NameOf(pi, cluster.Name))
}

func serviceAccount(pi *v1alpha1.PodIdentity, cluster Cluster, role string) ServiceAccount {
	sa := ServiceAccount{
		Name:        ServiceAccountOf(pi),
		Create:      pi.Spec.ServiceAccount.Mode != v1alpha1.ServiceAccountAnnotate,
		Annotations: map[string]string{AnnotationRoleARN: cluster.RoleARN(role)},
	}
	if s := pi.Spec.ServiceAccount.TokenExpirationSeconds; s != 0 {
		sa.Annotations[AnnotationTokenExpiration] = strconv.Itoa(int(s))
	}
	if cluster.Audience != DefaultAudience {
		sa.Annotations[AnnotationAudience] = cluster.Audience
	}
	if sa.Create {
		// The global endpoint is unreachable in private clusters and slower in all others
		// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html).
		sa.Annotations[AnnotationSTSRegionalEndpoints] = "true"
	}
	return sa
}

// checkName rejects a name that the operator generates for another identity: it
// would take the name from that identity.
func checkName(_ *Role, pi *v1alpha1.PodIdentity, cluster Cluster) error {
	name := pi.Spec.Role.Name
	if !looksGenerated(name) || strings.EqualFold(name, RoleName(cluster.Name, pi.Namespace, pi.Name)) {
		return nil
	}
	return fmt.Errorf("spec.role.name: %s has the form of a generated name; names that end in _ and eight hexadecimal digits are reserved, choose another or omit it", name)
}

// setBoundary sets the boundary that the operator or a guardrail requires, else that
// of the spec.
func setBoundary(role *Role, pi *v1alpha1.PodIdentity, cluster Cluster) error {
	role.Boundary = cmp.Or(cluster.Boundary, string(pi.Spec.Role.PermissionsBoundary))
	if cluster.Boundary != "" {
		return nil
	}
	return checkPolicyARN("spec.role.permissionsBoundary", role.Boundary, cluster)
}

// setTags sets the tags of the spec and the ownership tags.
func setTags(role *Role, pi *v1alpha1.PodIdentity, cluster Cluster) error {
	owner := OwnerOf(pi, cluster).Tags()
	role.Tags = map[string]string{}
	seen := map[string]string{}
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(pi.Spec.Role.Tags)) {
		lower := strings.ToLower(key)
		switch first, taken := seen[lower]; {
		case taken:
			problems = append(problems, fmt.Errorf("spec.role.tags[%s]: duplicate of %s (IAM tag keys are case-insensitive); remove one of them", key, first))
		case strings.HasPrefix(lower, TagPrefix) || strings.HasPrefix(lower, "aws:"):
			problems = append(problems, fmt.Errorf("spec.role.tags[%s]: prefixes aws: and %s are reserved; use a different key", key, TagPrefix))
		case slices.ContainsFunc(cluster.IgnoredTags, func(prefix string) bool { return strings.HasPrefix(key, prefix) }):
			problems = append(problems, fmt.Errorf("spec.role.tags[%s]: the operator ignores tags with this prefix (--ignore-tag-prefixes); use another key", key))
		default:
			seen[lower] = key
			role.Tags[key] = string(pi.Spec.Role.Tags[key])
		}
	}
	maps.Copy(role.Tags, owner)
	return errors.Join(problems...)
}

func setManaged(role *Role, pi *v1alpha1.PodIdentity, cluster Cluster) error {
	var problems []error
	for i, arn := range pi.Spec.Policies.Managed {
		problems = append(problems, checkPolicyARN(fmt.Sprintf("spec.policies.managed[%d]", i), string(arn), cluster))
		role.Managed = append(role.Managed, string(arn))
	}
	slices.Sort(role.Managed)
	role.Managed = slices.Compact(role.Managed)
	return errors.Join(problems...)
}

// checkPolicyARN rejects the ARN of a managed policy that IAM cannot attach to a role of
// the cluster's account.
func checkPolicyARN(field, arn string, cluster Cluster) error {
	part := strings.SplitN(arn, ":", 6)
	if len(part) < 6 {
		return nil // empty; the API accepts no other ARN
	}
	partition, account := part[1], part[4]
	switch {
	case partition != cluster.Partition:
		return fmt.Errorf("%s: %s is in partition %s, but the cluster's AWS account is in partition %s",
			field, arn, partition, cluster.Partition)
	case account != "aws" && account != cluster.AccountID:
		return fmt.Errorf("%s: %s belongs to account %s, but IAM attaches only policies of the role's own account %s or of AWS; create the policy in account %s",
			field, arn, account, cluster.AccountID, cluster.AccountID)
	case account == "aws" && strings.HasPrefix(part[5], "policy/aws-service-role/"):
		return fmt.Errorf("%s: %s is a policy for service-linked roles, and IAM attaches it to no other role; use a different policy",
			field, arn)
	default:
		return nil
	}
}

func setInline(role *Role, pi *v1alpha1.PodIdentity, cluster Cluster) error {
	var problems []error
	role.Inline = map[string]InlinePolicy{}
	for _, in := range pi.Spec.Policies.Inline {
		p, err := inlinePolicy(in, cluster)
		if err != nil {
			problems = append(problems, fmt.Errorf("spec.policies.inline[%s].%w", in.Name, err))
			continue
		}
		role.Inline[in.Name] = p
	}
	return errors.Join(problems...)
}

// oneLine joins the lines of err, which is how errors.Join prints.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
