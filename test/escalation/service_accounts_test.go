package escalation_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// A user without permission for ServiceAccounts does not get it through the operator.
func TestServiceAccounts_OperatorDoesNotActForTheUser(t *testing.T) {
	s := open(t, options{})
	author := userWith(t, "author-"+s.namespace, s.namespace, "podidentity-editor-role")
	s.createServiceAccount("web", nil)
	s.before = s.snapshot()
	for name, tc := range map[string]struct{ spec, want string }{
		"create":     {"{}", "is not allowed to create ServiceAccounts"},
		"annotate":   {"serviceAccount: {mode: Annotate, name: web}", "is not allowed to update them"},
		"default":    {"serviceAccount: {mode: Annotate, name: default}", "is not allowed to update them"},
		"additional": {"serviceAccount: {mode: Annotate, name: none}\nadditionalServiceAccounts: [web]", "is not allowed to update them"},
	} {
		s.expect(s.rejectFrom(author, name, tc.spec), "podidentity-service-accounts", tc.want)
	}
	s.unchanged()
}

// An identity gets no ServiceAccount that has another owner.
func TestServiceAccounts_OfAnotherOwner(t *testing.T) {
	s := open(t, options{})
	s.guard("serviceAccounts: {denied: [default]}")
	s.createServiceAccount("existing", nil)
	s.createServiceAccount("annotated", map[string]string{plan.AnnotationRoleARN: "arn:aws:iam::123456789012:role/other"})
	s.apply("first", "serviceAccount: {name: rival}")
	pi := s.awaitReady(s.namespace, "first")
	s.before = s.snapshot()
	for name, tc := range map[string]struct{ spec, want string }{
		"existing": {"{}", "ServiceAccount existing already exists"},
		"rival":    {"serviceAccount: {mode: Annotate, name: rival}", "ServiceAccount rival is already used by the older PodIdentity first"},
		"default":  {"serviceAccount: {mode: Annotate, name: default}", "rejected by PodIdentityGuardrail"},
	} {
		s.expect(s.reject(name, tc.spec), tc.want)
	}
	s.unchanged(roleEntry(pi))
}

// No field of the spec reaches another namespace.
func TestServiceAccounts_OfAnotherNamespace(t *testing.T) {
	s := open(t, options{})
	for _, name := range []string{s.otherNamespace + "/checkout", "../" + s.otherNamespace, "system:serviceaccount:" + s.otherNamespace + ":checkout", "*"} {
		err := s.tenant.Create(s.Context(), s.identity(s.namespace, "path", "serviceAccount: {mode: Annotate, name: '"+name+"'}"))
		if !apierrors.IsInvalid(err) {
			s.Errorf("the API server accepts ServiceAccount %s: %v", name, err)
		}
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "iam.podidentity.io/v1alpha1", "kind": "PodIdentity",
		"metadata": map[string]any{"namespace": s.namespace, "name": "field"},
		"spec": map[string]any{"namespace": s.otherNamespace, "serviceAccount": map[string]any{
			"name": "checkout", "namespace": s.otherNamespace,
		}},
	}}
	s.must(s.tenant.Create(s.Context(), object)) // the API server drops the unknown fields
	pi := s.awaitReady(s.namespace, "field")
	s.cannotAssume(s.otherNamespace, "checkout", pi.Status.Role.ARN)
	s.unchanged(roleEntry(pi), s.accountEntry("checkout"))
}

// The trust policy admits the ServiceAccount of the identity and no other, for one
// audience. An annotation gives a pod no role.
func TestTrust_AdmitsOneServiceAccount(t *testing.T) {
	s := open(t, options{})
	victim := s.victim.Status.Role.ARN
	s.createServiceAccount("checkout", map[string]string{plan.AnnotationRoleARN: victim})
	s.apply("web", "{}")
	pi := s.awaitReady(s.namespace, "web")
	s.cannotAssume(s.namespace, "checkout", victim)
	s.cannotAssume(s.namespace, "web", victim)
	s.cannotAssume(s.namespace, "default", pi.Status.Role.ARN)
	s.cannotAssume(s.namespace, "web", s.granted.Role)
	s.cannotAssume(s.otherNamespace, "default", victim)
	for _, audience := range []string{"https://kubernetes.default.svc", "sts.amazonaws.com.example.com"} {
		if _, err := s.assumeFor(s.namespace, "web", pi.Status.Role.ARN, audience); err == nil {
			s.Errorf("a token for %s is enough", audience)
		}
	}
	if _, err := s.assume(s.namespace, "web", pi.Status.Role.ARN); err != nil {
		s.Errorf("the ServiceAccount of the identity does not get its role: %v", err)
	}
	s.unchanged(roleEntry(pi), s.accountEntry("web"), s.accountEntry("checkout"))
}

// The trust of a whole namespace admits no namespace whose name begins alike.
func TestTrust_OfANamespaceAdmitsNoOther(t *testing.T) {
	s := open(t, options{})
	s.apply("all", "trust: {scope: Namespace}")
	pi := s.awaitReady(s.namespace, "all")
	role := pi.Status.Role.ARN
	if _, err := s.assume(s.namespace, "default", role); err != nil {
		s.Errorf("a ServiceAccount of the namespace does not get the role: %v", err)
	}
	s.cannotAssume(s.otherNamespace, "default", role)
	s.cannotAssume(s.otherNamespace, "checkout", role)
	if _, err := s.assumeFor(s.namespace, "default", role, "https://kubernetes.default.svc"); err == nil {
		s.Error("a token for another audience is enough")
	}
	s.unchanged(roleEntry(pi), s.accountEntry("all"))
}

// No trust policy admits an AWS service, such as EKS Pod Identity with which an association
// hands a role to a pod, or a caller of the account.
func TestTrust_AdmitsNoAWSService(t *testing.T) {
	s := open(t, options{})
	s.apply("web", "{}")
	s.apply("all", "trust: {scope: Namespace}")
	for _, name := range []string{"web", "all"} {
		role := s.awaitReady(s.namespace, name).Status.Role
		out, err := s.iam.GetRole(s.Context(), &iam.GetRoleInput{RoleName: &role.Name})
		s.must(err)
		trust, err := policy.Parse([]byte(aws.ToString(out.Role.AssumeRolePolicyDocument)))
		s.must(err)
		for _, caller := range []policy.Principal{
			{Type: policy.Service, ID: "pods.eks.amazonaws.com"},
			{Type: policy.Service, ID: "ec2.amazonaws.com"},
			{Type: policy.AWS, ID: accountID},
			{Type: policy.Federated, ID: "cognito-identity.amazonaws.com"},
		} {
			for _, action := range []string{"sts:AssumeRole", "sts:TagSession", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"} {
				request := policy.Request{Principals: []policy.Principal{caller}, Action: action}
				if got := policy.Evaluate(request, trust.Policy()); got == policy.Allowed {
					s.Errorf("%s is allowed %s on the role of %s", caller.ID, action, name)
				}
			}
		}
		if _, err := s.sts.AssumeRole(s.Context(), &sts.AssumeRoleInput{RoleArn: &role.ARN, RoleSessionName: aws.String("administrator")}); err == nil {
			s.Errorf("an administrator of the account assumes the role of %s", name)
		}
	}
	web, all := s.get(s.namespace, "web"), s.get(s.namespace, "all")
	s.unchanged(roleEntry(web), roleEntry(all), s.accountEntry("web"), s.accountEntry("all"))
}

// Tenants have no access to the namespace of the operator, and cannot change what
// guardrails select.
func TestTenant_HasNoAccessToTheOperator(t *testing.T) {
	s := open(t, options{})
	const operatorNamespace = "podidentity-system"
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "x"}, Spec: corev1.PodSpec{
		ServiceAccountName: "podidentity-controller-manager", Containers: []corev1.Container{{Name: "c", Image: "i"}},
	}}
	label := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace, Labels: map[string]string{"tenant": "other"}}}
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "SecretList"}}
	for what, err := range map[string]error{
		"creates a pod of the operator":    s.tenant.Create(s.Context(), pod),
		"changes labels of its namespace":  s.tenant.Update(s.Context(), label),
		"lists secrets of the operator":    s.tenant.List(s.Context(), list, inNamespace(operatorNamespace)),
		"creates an identity in another":   s.tenant.Create(s.Context(), s.identity(s.otherNamespace, "x", "{}")),
		"deletes an identity of another":   s.tenant.Delete(s.Context(), s.victim),
		"creates a guardrail":              s.tenant.Create(s.Context(), guardrail(`{namespaceSelector: {}, actions: {allowed: ["*"]}}`)),
		"deletes the guardrails of others": s.tenant.DeleteAllOf(s.Context(), guardrail(`{}`)),
	} {
		if !apierrors.IsForbidden(err) {
			s.Errorf("a tenant %s: %v", what, err)
		}
	}
	s.unchanged()
}

// The installation has no admission webhook that could be intercepted or be down.
func TestInstallation_HasNoWebhook(t *testing.T) {
	s := open(t, options{})
	for _, kind := range []string{"ValidatingWebhookConfigurationList", "MutatingWebhookConfigurationList"} {
		list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind}}
		s.must(admin.List(s.Context(), list))
		for _, item := range list.Items {
			if strings.Contains(item.GetName(), "podidentity") {
				s.Errorf("%s %s", strings.TrimSuffix(kind, "List"), item.GetName())
			}
		}
	}
}
