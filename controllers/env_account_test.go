package controllers_test

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// roleView is a role as an administrator sees it.
type roleView struct {
	Path, Description, Boundary string
	MaxSession                  int32
	Managed                     []string
	Inline                      map[string]string // canonical
	Tags                        map[string]string
}

// role looks the role up; the test fails if there is none.
func (s *env) role(name string) roleView {
	s.t.Helper()
	out, err := s.iam.GetRole(s.ctx, &iam.GetRoleInput{RoleName: &name})
	s.must(err)
	view := roleView{
		Path:        aws.ToString(out.Role.Path),
		Description: aws.ToString(out.Role.Description),
		MaxSession:  aws.ToInt32(out.Role.MaxSessionDuration),
		Inline:      map[string]string{},
		Tags:        map[string]string{},
	}
	if b := out.Role.PermissionsBoundary; b != nil {
		view.Boundary = aws.ToString(b.PermissionsBoundaryArn)
	}
	for _, tag := range out.Role.Tags {
		view.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	attached, err := s.iam.ListAttachedRolePolicies(s.ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &name})
	s.must(err)
	for _, p := range attached.AttachedPolicies {
		view.Managed = append(view.Managed, aws.ToString(p.PolicyArn))
	}
	slices.Sort(view.Managed)
	inline, err := s.iam.ListRolePolicies(s.ctx, &iam.ListRolePoliciesInput{RoleName: &name})
	s.must(err)
	for _, policyName := range inline.PolicyNames {
		view.Inline[policyName] = s.inline(name, policyName)
	}
	return view
}

// attached returns the managed policies of a role, also while they change.
func (s *env) attached(role string) []string {
	s.t.Helper()
	out, err := s.iam.ListAttachedRolePolicies(s.ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
	s.must(err)
	var arns []string
	for _, p := range out.AttachedPolicies {
		arns = append(arns, aws.ToString(p.PolicyArn))
	}
	slices.Sort(arns)
	return arns
}

// inlineNames returns the names of the inline policies of a role.
func (s *env) inlineNames(role string) []string {
	s.t.Helper()
	out, err := s.iam.ListRolePolicies(s.ctx, &iam.ListRolePoliciesInput{RoleName: &role})
	s.must(err)
	return out.PolicyNames
}

// inline returns an inline policy in canonical form.
func (s *env) inline(role, name string) string {
	s.t.Helper()
	out, err := s.iam.GetRolePolicy(s.ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
	s.must(err)
	return s.canonical(aws.ToString(out.PolicyDocument))
}

func (s *env) canonical(encoded string) string {
	s.t.Helper()
	raw, err := url.PathUnescape(encoded)
	s.must(err)
	document, err := policy.Parse([]byte(raw))
	s.must(err)
	return string(document)
}

// trust returns the role's trust policy in canonical form.
func (s *env) trust(name string) string {
	s.t.Helper()
	out, err := s.iam.GetRole(s.ctx, &iam.GetRoleInput{RoleName: &name})
	s.must(err)
	return s.canonical(aws.ToString(out.Role.AssumeRolePolicyDocument))
}

// roleExists reports whether there is a role of that name.
func (s *env) roleExists(name string) bool {
	s.t.Helper()
	out, err := s.iam.ListRoles(s.ctx, &iam.ListRolesInput{})
	s.must(err)
	for _, role := range out.Roles {
		if strings.EqualFold(aws.ToString(role.RoleName), name) {
			return true
		}
	}
	return false
}

// assume assumes the role as a pod of the ServiceAccount would.
func (s *env) assume(serviceAccount, roleARN string) error {
	s.t.Helper()
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: serviceAccount}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{"sts.amazonaws.com"}}}
	s.must(user.SubResource("token").Create(s.ctx, sa, request))
	_, err := s.sts.AssumeRoleWithWebIdentity(s.ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &roleARN, RoleSessionName: aws.String("pod"), WebIdentityToken: &request.Status.Token,
	})
	return err
}

// failCalls has every call of an action fail, until clearFaults.
func (s *env) failCalls(action, code string) {
	s.account.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{{Action: action, Error: code}}})
}

// clearFaults ends what failCalls began.
func (s *env) clearFaults() { s.account.SetFaults(awslocal.Faults{}) }

// request requests a reconciliation. A deleted object needs none.
func (s *env) request(name, token string) {
	s.t.Helper()
	pi := s.get(name)
	if pi == nil {
		return
	}
	before := pi.DeepCopy()
	metav1.SetMetaDataAnnotation(&pi.ObjectMeta, v1alpha1.RequestedAtAnnotation, token)
	s.must(client.IgnoreNotFound(user.Patch(s.ctx, pi, client.MergeFrom(before))))
}

// serviceAccount returns a ServiceAccount, which must exist.
func (s *env) serviceAccount(name string) *corev1.ServiceAccount {
	s.t.Helper()
	sa := &corev1.ServiceAccount{}
	s.must(user.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, sa))
	return sa
}

// touchServiceAccount changes something that the operator does not care for.
func (s *env) touchServiceAccount(name string) {
	s.t.Helper()
	sa := s.serviceAccount(name)
	before := sa.DeepCopy()
	metav1.SetMetaDataLabel(&sa.ObjectMeta, "touched", "true")
	s.must(user.Patch(s.ctx, sa, client.MergeFrom(before)))
}

// checkServiceAccount compares all annotations of a ServiceAccount.
func (s *env) checkServiceAccount(name string, want map[string]string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.serviceAccount(name).Annotations); diff != "" {
		s.t.Errorf("annotations of ServiceAccount %s: -want, +got:\n%s", name, diff)
	}
}

// since returns the calls that were made after before.
func since(before, after map[string]int) map[string]int {
	delta := maps.Clone(after)
	for action, n := range before {
		if delta[action] -= n; delta[action] == 0 {
			delete(delta, action)
		}
	}
	return delta
}

// isRead reports whether an action of IAM or STS changes nothing.
func isRead(action string) bool {
	return strings.HasPrefix(action, "Get") || strings.HasPrefix(action, "List")
}
