package escalation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// granted is a spec that the baseline allows.
const granted = `policies: {managed: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"], inline: [{name: p, statements: [{effect: Allow, actions: ["s3:*"], resources: ["*"]}]}]}`

// revoked waits until the role of an identity has neither trust nor permissions.
func (s *scenario) revoked(pi *v1alpha1.PodIdentity) {
	s.Helper()
	name := &pi.Status.Role.Name
	s.eventually("the role of "+pi.Name+" to lose its permissions", func() bool {
		attached, err := s.iam.ListAttachedRolePolicies(s.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: name})
		s.must(err)
		inline, err := s.iam.ListRolePolicies(s.Context(), &iam.ListRolePoliciesInput{RoleName: name})
		s.must(err)
		return len(attached.AttachedPolicies)+len(inline.PolicyNames) == 0
	})
	s.cannotAssume(s.namespace, pi.Name, pi.Status.Role.ARN)
}

// cannotAssume fails the test if a pod of a ServiceAccount gets the role.
func (s *scenario) cannotAssume(namespace, serviceAccount, role string) {
	s.Helper()
	if _, err := s.assume(namespace, serviceAccount, role); err == nil {
		s.Errorf("a pod of ServiceAccount %s/%s assumes %s", namespace, serviceAccount, role)
	}
}

// Nothing that a tenant sets in the object postpones a guardrail that revokes.
func TestRevoke_CannotBePostponed(t *testing.T) {
	s := open(t, options{})
	postpone := map[string]func(*v1alpha1.PodIdentity){
		"suspended": func(pi *v1alpha1.PodIdentity) { pi.Spec.Suspend = true },
		"plan":      func(pi *v1alpha1.PodIdentity) { pi.Spec.Mode = v1alpha1.ModePlan },
		"tags":      func(pi *v1alpha1.PodIdentity) { pi.Spec.Role.Tags = map[string]v1alpha1.TagValue{"A": "1", "a": "2"} },
		"document": func(pi *v1alpha1.PodIdentity) {
			pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","action":"s3:*","Resource":"*"}}`}}
		},
		"harmless-spec": func(pi *v1alpha1.PodIdentity) { pi.Spec.Suspend, pi.Spec.Policies = true, v1alpha1.PoliciesSpec{} },
	}
	roles := map[string]*v1alpha1.PodIdentity{}
	var except []string
	for name := range postpone {
		s.apply(name, granted)
	}
	for name, change := range postpone {
		roles[name] = s.awaitReady(s.namespace, name)
		except = append(except, roleEntry(roles[name]), s.accountEntry(name))
		s.edit(name, change)
	}
	s.guard(`onViolation: Revoke, actions: {denied: ["s3:*"]}`)
	for name, pi := range roles {
		s.revoked(pi)
		if name != "harmless-spec" { // that has nothing left to reject, once the role is revoked
			s.expect(s.blocked(name), "rejected by PodIdentityGuardrail")
		}
	}
	s.unchanged(except...)
}

// blocked waits until the identity has a condition that a guardrail rejects it, and
// returns the message.
func (s *scenario) blocked(name string) string {
	s.Helper()
	var message string
	s.eventually("identity "+name+" to be rejected", func() bool {
		for _, c := range s.get(s.namespace, name).Status.Conditions {
			if c.Reason == v1alpha1.ReasonGuardrailViolated {
				message = c.Message
			}
		}
		return message != ""
	})
	s.checkText(message)
	return message
}

// A guardrail can forbid to keep a role, and then the deletion of the object deletes
// it.
func TestRetain_CanBeForbidden(t *testing.T) {
	s := open(t, options{})
	s.apply("web", granted+"\ndeletionPolicy: Retain")
	role := s.awaitReady(s.namespace, "web").Status.Role
	s.guard(`retention: Forbidden`)
	s.expect(s.rejection("web"), "spec.deletionPolicy")
	s.must(s.tenant.Delete(s.Context(), s.get(s.namespace, "web")))
	s.eventually("the object to be deleted", func() bool { return s.get(s.namespace, "web") == nil })
	if s.roleExists(role.Name) {
		s.Errorf("role %s remains", role.Name)
	}
	s.unchanged(s.accountEntry("web"))
}

func (s *scenario) roleExists(name string) bool {
	s.Helper()
	_, exists := s.snapshot()["role "+name]
	return exists
}

// A tenant who removes the finalizer leaves a role behind, which no pod can assume after
// two drift checks.
func TestOrphans_RemovedFinalizer(t *testing.T) {
	s := open(t, options{driftInterval: time.Second})
	s.createServiceAccount("web", nil)
	s.apply("first", "serviceAccount: {mode: Annotate, name: web}\n"+granted)
	pi := s.awaitReady(s.namespace, "first")
	s.leak("first")
	s.sealed(pi)
	s.cannotAssume(s.namespace, "web", pi.Status.Role.ARN)
	s.unchanged(roleEntry(pi), s.accountEntry("web"))
}

// leak deletes an identity of the tenant without its finalizer. The operator is down at
// that moment, for otherwise it may be faster, and then the role is deleted.
func (s *scenario) leak(name string) {
	s.Helper()
	s.stop()
	s.edit(name, func(pi *v1alpha1.PodIdentity) { pi.Finalizers = nil })
	s.must(s.tenant.Delete(s.Context(), s.get(s.namespace, name)))
	s.start()
}

// sealed waits until the trust policy of a role admits no one.
func (s *scenario) sealed(pi *v1alpha1.PodIdentity) {
	s.Helper()
	name := &pi.Status.Role.Name
	s.eventually("role "+*name+" to be sealed", func() bool {
		out, err := s.iam.GetRole(s.Context(), &iam.GetRoleInput{RoleName: name})
		s.must(err)
		return !strings.Contains(aws.ToString(out.Role.AssumeRolePolicyDocument), "oidc-provider")
	})
}

// A namespace of the same name that is created later gets nothing of a leaked role.
func TestOrphans_NamespaceCreatedAgain(t *testing.T) {
	s := open(t, options{driftInterval: time.Second})
	s.apply("web", granted)
	pi := s.awaitReady(s.namespace, "web")
	s.leak("web")
	s.must(admin.Delete(s.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}))
	s.eventually("the namespace to be deleted", func() bool { return s.get(s.namespace, "web") == nil && s.namespaceGone() })
	createNamespace(s.T, s.namespace, nil)
	s.must(admin.Create(s.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}}))
	s.sealed(pi)
	s.cannotAssume(s.namespace, "web", pi.Status.Role.ARN)
	s.unchanged(roleEntry(pi), s.accountEntry("web"), s.accountEntry("default"))
}

func (s *scenario) namespaceGone() bool {
	return admin.Get(s.Context(), keyOf(s.namespace), &corev1.Namespace{}) != nil
}

// A finalizer of the tenant keeps the object after its deletion. Without the operator's
// finalizer its role is deleted all the same, whatever the operator remembers of it.
func TestOrphans_OwnFinalizerDoesNotKeepTheRole(t *testing.T) {
	s := open(t, options{})
	const own = "tenant.example.com/keep"
	for _, name := range []string{"known", "restarted"} {
		s.apply(name, granted)
		s.awaitReady(s.namespace, name)
		s.edit(name, func(pi *v1alpha1.PodIdentity) { pi.Finalizers = append(pi.Finalizers, own) })
	}
	remove := func(name string) {
		pi := s.get(s.namespace, name)
		s.must(s.tenant.Delete(s.Context(), pi))
		s.edit(name, func(pi *v1alpha1.PodIdentity) { pi.Finalizers = []string{own} })
	}
	remove("known")
	s.stop()
	remove("restarted")
	s.start()
	for _, name := range []string{"known", "restarted"} {
		role := s.get(s.namespace, name).Status.Role
		s.eventually("the role of "+name+" to be deleted", func() bool { return !s.roleExists(role.Name) })
		s.edit(name, func(pi *v1alpha1.PodIdentity) { pi.Finalizers = nil })
	}
	s.unchanged(s.accountEntry("known"), s.accountEntry("restarted"))
}

// A role that the tenant retains counts towards maxIdentities from the deletion of its
// object on, not only once a drift check finds it.
func TestMaxIdentities_CountsRetainedRoles(t *testing.T) {
	s := open(t, options{})
	s.guard("maxIdentities: 1")
	s.apply("first", "deletionPolicy: Retain")
	pi := s.awaitReady(s.namespace, "first")
	s.must(s.tenant.Delete(s.Context(), pi))
	s.eventually("the object to be deleted", func() bool { return s.get(s.namespace, "first") == nil })
	for _, name := range []string{"second", "third"} {
		s.expect(s.reject(name, "deletionPolicy: Retain"), "namespace limit of 1 PodIdentities reached")
		s.must(s.tenant.Delete(s.Context(), s.get(s.namespace, name)))
	}
	s.apply("first", "role: {adoptionPolicy: IfTagged}") // the role that exists is no further one
	s.awaitReady(s.namespace, "first")
	s.unchanged(roleEntry(pi), s.accountEntry("first"))
}

// maxIdentities holds however fast the tenant creates identities.
func TestMaxIdentities_HoldsForConcurrentCreates(t *testing.T) {
	s := open(t, options{})
	s.guard("maxIdentities: 1")
	s.apply("first", "{}")
	pi := s.awaitReady(s.namespace, "first")
	for i := range 5 {
		s.expect(s.reject(fmt.Sprintf("more-%d", i), "{}"), "namespace limit of 1 PodIdentities reached")
	}
	s.unchanged(roleEntry(pi), s.accountEntry("first"))
}
