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

// DefaultAudience is what the webhook has tokens issued for unless told
// otherwise.
const DefaultAudience = "sts.amazonaws.com"

// defaultMaxSessionDuration is IAM's own default, in seconds.
const defaultMaxSessionDuration = 3600

// Desired returns what should be for pi in cluster. Its error is terminal: it
// names every field that is wrong, and what is allowed there.
func Desired(pi *v1alpha1.PodIdentity, cluster Cluster) (State, error) {
	var problems []error
	role := Role{
		Name:               NameOf(pi, cluster),
		Path:               cluster.RolePath,
		Description:        pi.Spec.Role.Description,
		MaxSessionDuration: cmp.Or(pi.Spec.Role.MaxSessionDurationSeconds, defaultMaxSessionDuration),
		Trust:              trust(pi, cluster),
	}
	for _, part := range []func(*Role, *v1alpha1.PodIdentity, Cluster) error{
		setBoundary, setTags, setManaged, setInline,
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

// OwnerOf returns the owner that the role of pi belongs to.
func OwnerOf(pi *v1alpha1.PodIdentity, cluster Cluster) Owner {
	return Owner{Cluster: cluster.Name, Namespace: pi.Namespace, Name: pi.Name, UID: string(pi.UID)}
}

// NameOf returns the name of pi's role, given or generated.
func NameOf(pi *v1alpha1.PodIdentity, cluster Cluster) string {
	return cmp.Or(pi.Spec.Role.Name, RoleName(cluster.Name, pi.Namespace, pi.Name))
}

// ServiceAccountOf returns the name of the ServiceAccount that gets pi's identity.
func ServiceAccountOf(pi *v1alpha1.PodIdentity) string {
	return cmp.Or(string(pi.Spec.ServiceAccount.Name), pi.Name)
}

// ServiceAccountsOf returns the names of all ServiceAccounts that pi trusts by
// name, the one that gets the identity first.
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

func trust(pi *v1alpha1.PodIdentity, cluster Cluster) policy.Document {
	return policy.Trust(policy.TrustSpec{
		ProviderARN:     cluster.ProviderARN(),
		Issuer:          strings.TrimPrefix(cluster.Issuer, "https://"),
		Audience:        cluster.Audience,
		Namespace:       pi.Namespace,
		ServiceAccounts: ServiceAccountsOf(pi),
		WholeNamespace:  pi.Spec.Trust.Scope == v1alpha1.TrustNamespace,
	})
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
		// The global endpoint is out of reach in private clusters, and slower in
		// all others (https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html).
		sa.Annotations[AnnotationSTSRegionalEndpoints] = "true"
	}
	return sa
}

// setBoundary takes the boundary that the operator forces before that of the
// spec.
func setBoundary(role *Role, pi *v1alpha1.PodIdentity, cluster Cluster) error {
	role.Boundary = cmp.Or(cluster.Boundary, string(pi.Spec.Role.PermissionsBoundary))
	if cluster.Boundary != "" {
		return nil
	}
	return checkPartition("spec.role.permissionsBoundary", role.Boundary, cluster)
}

// setTags puts the tags that say whose the role is over all others.
func setTags(role *Role, pi *v1alpha1.PodIdentity, cluster Cluster) error {
	owner := OwnerOf(pi, cluster).Tags()
	role.Tags = map[string]string{}
	seen := map[string]string{}
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(pi.Spec.Role.Tags)) {
		lower := strings.ToLower(key)
		switch first, taken := seen[lower]; {
		case taken:
			problems = append(problems, fmt.Errorf("spec.role.tags[%s]: differs from %s only in case; IAM tells tag keys apart without regard to case: keep one of the two", key, first))
		case strings.HasPrefix(lower, TagPrefix) || strings.HasPrefix(lower, "aws:"):
			problems = append(problems, fmt.Errorf("spec.role.tags[%s]: keys must not begin with aws: or %s, which are reserved", key, TagPrefix))
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
		problems = append(problems, checkPartition(fmt.Sprintf("spec.policies.managed[%d]", i), string(arn), cluster))
		role.Managed = append(role.Managed, string(arn))
	}
	slices.Sort(role.Managed)
	role.Managed = slices.Compact(role.Managed)
	return errors.Join(problems...)
}

// checkPartition refuses an ARN of a partition that this account is not in.
func checkPartition(field, arn string, cluster Cluster) error {
	if arn == "" {
		return nil
	}
	if partition := strings.SplitN(arn+"::", ":", 3)[1]; partition != cluster.Partition {
		return fmt.Errorf("%s: %s is in partition %s; this cluster's AWS account is in partition %s, so the ARN begins with arn:%s:…",
			field, arn, partition, cluster.Partition, cluster.Partition)
	}
	return nil
}

func setInline(role *Role, pi *v1alpha1.PodIdentity, _ Cluster) error {
	var problems []error
	role.Inline, role.Sources = map[string]policy.Document{}, map[string]string{}
	for _, in := range pi.Spec.Policies.Inline {
		document, err := inlineDocument(in)
		if err == nil {
			role.Inline[in.Name] = document
			role.Sources[in.Name], err = sourceText(in)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("spec.policies.inline[%s].%w", in.Name, err))
		}
	}
	return errors.Join(problems...)
}

// inlineDocument returns the policy of in; its error begins with the field.
func inlineDocument(in v1alpha1.InlinePolicy) (policy.Document, error) {
	if (in.Document != "") == (len(in.Statements) > 0) {
		return "", errors.New("statements: exactly one of statements and document must be set")
	}
	if in.Document == "" {
		declared, err := policyOf(in.Statements)
		if err != nil {
			return "", fmt.Errorf("statements%w", err)
		}
		if err := declared.CheckIdentity(); err != nil {
			return "", fmt.Errorf("statements: %w", err)
		}
		return declared.Document(), nil
	}
	document, err := policy.Parse([]byte(in.Document))
	if err != nil {
		return "", fmt.Errorf("document: %w", err)
	}
	if err := document.Policy().CheckIdentity(); err != nil {
		return "", fmt.Errorf("document: %w", err)
	}
	return document, nil
}

// oneLine joins the lines of err, which is how errors.Join prints.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
