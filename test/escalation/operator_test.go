package escalation_test

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/test/installation"
)

const trustsAccount = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}`

// thief is who has the credentials of the operator.
type thief struct {
	iam *iam.Client
	sts *sts.Client

	own, victim, platform, other string // names of roles
	granted                      struct{ policy, boundary string }
}

// The operator's IAM policy denies an attacker with its credentials everything beyond its
// own roles, with and without a boundary.
func TestOperator_StolenCredentials(t *testing.T) {
	for name, bounded := range map[string]bool{"Bounded": true, "WithoutBoundary": false} {
		t.Run(name, func(t *testing.T) {
			s := open(t, options{boundary: bounded})
			s.createRole("platform", "/", nil)
			s.createRole("other", "/podidentity/other/", map[string]string{plan.TagCluster: "other", plan.TagManagedBy: "podidentity-operator"})
			_, err := s.iam.CreateInstanceProfile(s.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("nodes")})
			s.must(err)
			_, err = s.iam.AddRoleToInstanceProfile(s.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("nodes"), RoleName: aws.String("platform")})
			s.must(err)
			s.stop()
			s.before = s.snapshot()
			th := thief{own: "podidentity-operator-" + clusterName, victim: s.victim.Status.Role.Name, platform: "platform", other: "other"}
			th.granted.policy, th.granted.boundary = s.granted.Policy, s.granted.Boundary
			th.iam, th.sts = s.awsAs(credentials.StaticCredentialsProvider{Value: s.operator})
			calls := th.calls()
			if bounded {
				maps.Copy(calls, th.boundedCalls())
			}
			for what, call := range calls {
				if err := call(t.Context()); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
					t.Errorf("%s: %v, want AccessDenied", what, err)
				}
			}
			s.unchanged()
		})
	}
}

// calls are denied in any case.
func (th thief) calls() map[string]func(context.Context) error {
	tags := tagList(map[string]string{plan.TagCluster: clusterName, plan.TagManagedBy: "podidentity-operator"})
	calls := map[string]func(context.Context) error{
		"create a role outside the path":            th.createRole("/", tags, &th.granted.boundary),
		"create a role in the path of another":      th.createRole("/podidentity/other/", tags, &th.granted.boundary),
		"create a role of another cluster":          th.createRole(rolePath, tagList(map[string]string{plan.TagCluster: "other", plan.TagManagedBy: "podidentity-operator"}), &th.granted.boundary),
		"create a role without tags":                th.createRole(rolePath, nil, &th.granted.boundary),
		"attach AdministratorAccess":                th.attach(th.victim, "arn:aws:iam::aws:policy/AdministratorAccess"),
		"attach IAMFullAccess":                      th.attach(th.victim, "arn:aws:iam::aws:policy/IAMFullAccess"),
		"attach PowerUserAccess":                    th.attach(th.victim, "arn:aws:iam::aws:policy/PowerUserAccess"),
		"attach its own policy":                     th.attach(th.victim, th.granted.policy),
		"attach the boundary as a policy":           th.attach(th.victim, th.granted.boundary),
		"remove the tag of the cluster":             th.untag(plan.TagCluster),
		"remove the tag of the cluster, other case": th.untag("IAM.podidentity.io/Cluster"),
		"remove the ID of the cluster":              th.untag(plan.TagClusterID),
		"remove the tags of the owner":              th.untag(plan.TagNamespace, plan.TagName, plan.TagUID),
		"give a role to another cluster": func(ctx context.Context) error {
			_, err := th.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: &th.victim, Tags: tagList(map[string]string{plan.TagCluster: "other"})})
			return err
		},
		"tag a role outside the path": func(ctx context.Context) error {
			_, err := th.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: &th.platform, Tags: tags})
			return err
		},
		"trust a role of the platform": func(ctx context.Context) error {
			_, err := th.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &th.platform, PolicyDocument: aws.String(trustsAccount)})
			return err
		},
		"assume a role of the platform": func(ctx context.Context) error {
			_, err := th.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::123456789012:role/" + th.platform), RoleSessionName: aws.String("thief")})
			return err
		},
		"take nodes their role": func(ctx context.Context) error {
			_, err := th.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: aws.String("nodes"), RoleName: &th.platform})
			return err
		},
		"pass a role": func(ctx context.Context) error {
			_, err := th.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("nodes"), RoleName: &th.victim})
			return err
		},
		"create a policy": func(ctx context.Context) error {
			_, err := th.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("x"), PolicyDocument: aws.String(allowAll)})
			return err
		},
		"trust another issuer": func(ctx context.Context) error {
			_, err := th.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://issuer.example.com"), ClientIDList: []string{"x"}})
			return err
		},
		"stop to trust the issuer": func(ctx context.Context) error {
			_, err := th.iam.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String("arn:aws:iam::123456789012:oidc-provider/" + strings.TrimPrefix(cluster.Issuer, "https://"))})
			return err
		},
	}
	for what, role := range map[string]string{"its own role": th.own, "a role of the platform": th.platform, "a role of another cluster": th.other} {
		calls["write a policy of "+what] = th.putPolicy(role)
		calls["attach a policy to "+what] = th.attach(role, "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
		calls["delete "+what] = func(ctx context.Context) error {
			_, err := th.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &role})
			return err
		}
	}
	for what, arn := range map[string]string{"its own policy": th.granted.policy, "the boundary": th.granted.boundary} {
		calls["change "+what] = func(ctx context.Context) error {
			_, err := th.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: aws.String(allowAll), SetAsDefault: true})
			return err
		}
		calls["delete "+what] = func(ctx context.Context) error {
			_, err := th.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn})
			return err
		}
	}
	return calls
}

// boundedCalls are denied if a boundary is applied to every role.
func (th thief) boundedCalls() map[string]func(context.Context) error {
	tags := tagList(map[string]string{plan.TagCluster: clusterName, plan.TagManagedBy: "podidentity-operator"})
	bound := func(role, arn string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := th.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: &role, PermissionsBoundary: &arn})
			return err
		}
	}
	return map[string]func(context.Context) error{
		"create a role without a boundary":       th.createRole(rolePath, tags, nil),
		"create a role with another boundary":    th.createRole(rolePath, tags, aws.String("arn:aws:iam::aws:policy/AdministratorAccess")),
		"replace the boundary":                   bound(th.victim, "arn:aws:iam::aws:policy/AdministratorAccess"),
		"replace the boundary by its own policy": bound(th.victim, th.granted.policy),
		"remove the boundary": func(ctx context.Context) error {
			_, err := th.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &th.victim})
			return err
		},
	}
}

func (th thief) createRole(path string, tags []iamtypes.Tag, boundary *string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := th.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("x"), Path: &path, Tags: tags, PermissionsBoundary: boundary, AssumeRolePolicyDocument: aws.String(trustsAccount)})
		return err
	}
}

func (th thief) attach(role, arn string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := th.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &arn})
		return err
	}
}

func (th thief) putPolicy(role string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := th.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: aws.String("x"), PolicyDocument: aws.String(allowAll)})
		return err
	}
}

func (th thief) untag(keys ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := th.iam.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &th.victim, TagKeys: keys})
		return err
	}
}

// A boundary is the wall that holds when the operator does not: a role with every
// permission gets nothing beyond it.
func TestBoundary_HoldsWithoutTheOperator(t *testing.T) {
	s := open(t, options{boundary: true})
	s.createRole("platform", "/", nil)
	s.stop()
	operator, _ := s.awsAs(credentials.StaticCredentialsProvider{Value: s.operator})
	name := s.victim.Status.Role.Name
	_, err := operator.PutRolePolicy(s.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("money"), PolicyDocument: aws.String(allowAll)})
	s.must(err)
	s.before = s.snapshot()
	session, err := s.assume(s.otherNamespace, "checkout", s.victim.Status.Role.ARN)
	s.must(err)
	pod, podSTS := s.awsAs(credentials.StaticCredentialsProvider{Value: session})
	if _, err := pod.CreatePolicy(s.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("x"), PolicyDocument: aws.String(allowAll)}); err == nil {
		s.Error("the role administers IAM")
	}
	for _, role := range []string{"platform", "podidentity-operator-" + clusterName} {
		arn := "arn:aws:iam::123456789012:role/" + role
		if _, err := podSTS.AssumeRole(s.Context(), &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: aws.String("pod")}); err == nil {
			s.Errorf("the role assumes %s", role)
		}
	}
	s.unchanged()
}

// A tenant does not choose the boundary of a role, and a role that loses it gets it again.
func TestBoundary_IsNotTheTenants(t *testing.T) {
	s := open(t, options{boundary: true, driftInterval: time.Second})
	own := s.createPolicy("own", allowAll)
	for name, arn := range map[string]string{"own": own, "administrator": "arn:aws:iam::aws:policy/AdministratorAccess"} {
		s.apply(name, "role: {permissionsBoundary: '"+arn+"'}")
	}
	var except []string
	for _, name := range []string{"own", "administrator"} {
		pi := s.awaitReady(s.namespace, name)
		except = append(except, roleEntry(pi), s.accountEntry(name))
		bound := func() bool {
			out, err := s.iam.GetRole(s.Context(), &iam.GetRoleInput{RoleName: &pi.Status.Role.Name})
			s.must(err)
			return out.Role.PermissionsBoundary != nil && aws.ToString(out.Role.PermissionsBoundary.PermissionsBoundaryArn) == s.granted.Boundary
		}
		if !bound() {
			s.Errorf("the role of %s does not have the boundary of the operator", name)
		}
		_, err := s.iam.DeleteRolePermissionsBoundary(s.Context(), &iam.DeleteRolePermissionsBoundaryInput{RoleName: &pi.Status.Role.Name})
		s.must(err)
		s.eventually("the boundary to be restored", bound)
	}
	s.unchanged(except...)
}

// What the API server denies to an attacker with a token of the operator's ServiceAccount.
func TestOperator_StolenToken(t *testing.T) {
	s := open(t, options{})
	thief := clientOf(t, installation.User())
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.otherNamespace, Name: "checkout"}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.otherNamespace, Name: "x"}, Spec: corev1.PodSpec{
		ServiceAccountName: "checkout", Containers: []corev1.Container{{Name: "c", Image: "i"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "x-" + s.namespace}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: installation.Namespace, Name: installation.ServiceAccount}},
	}
	label := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"tenant":"other"}}}`))
	for what, err := range map[string]error{
		"requests a token of another ServiceAccount": thief.SubResource("token").Create(s.Context(), account, &authenticationv1.TokenRequest{}),
		"lists Secrets":                    thief.List(s.Context(), &corev1.SecretList{}),
		"creates a pod":                    thief.Create(s.Context(), pod),
		"becomes cluster-admin":            thief.Create(s.Context(), binding),
		"extends its own role":             thief.Patch(s.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "podidentity-manager-role"}}, label),
		"changes labels of a namespace":    thief.Patch(s.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.otherNamespace}}, label),
		"creates a guardrail":              thief.Create(s.Context(), guardrail(`{namespaceSelector: {}, actions: {allowed: ["*"]}}`)),
		"deletes guardrails":               thief.DeleteAllOf(s.Context(), guardrail(`{}`)),
		"creates an identity":              thief.Create(s.Context(), s.identity(s.otherNamespace, "x", "{}")),
		"deletes an identity":              thief.Delete(s.Context(), s.victim),
		"deletes the admission policies":   thief.DeleteAllOf(s.Context(), &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}),
		"writes to the operator's Secrets": thief.Create(s.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: installation.Namespace, Name: "x"}}),
	} {
		if !apierrors.IsForbidden(err) {
			s.Errorf("the operator %s: %v", what, err)
		}
	}
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "impersonate", Resource: "users"},
	}}
	if s.must(thief.Create(s.Context(), review)); review.Status.Allowed {
		s.Error("the operator impersonates users")
	}
	s.unchanged()
}

// A change behind the operator's back is reverted, and reported.
func TestDrift_IsRevertedAndReported(t *testing.T) {
	s := open(t, options{driftInterval: time.Second})
	name := s.victim.Status.Role.Name
	_, err := s.iam.UpdateAssumeRolePolicy(s.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: aws.String(trustsAccount)})
	s.must(err)
	_, err = s.iam.AttachRolePolicy(s.Context(), &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
	s.must(err)
	s.eventually("the drift to be reverted", func() bool {
		return s.snapshot()[roleEntry(s.victim)] == s.before[roleEntry(s.victim)]
	})
	s.eventually("an event", func() bool {
		var events eventsv1.EventList
		s.must(admin.List(s.Context(), &events, inNamespace(s.otherNamespace)))
		for i := range events.Items {
			if events.Items[i].Reason == "CorrectedDrift" {
				return true
			}
		}
		return false
	})
	s.unchanged("PodIdentity checkout")
}
