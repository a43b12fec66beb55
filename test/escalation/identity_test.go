package escalation_test

import (
	"context"
	"regexp"
	"strings"
	"time"
	"unicode"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// identity returns a PodIdentity with a spec in YAML.
func (s *scenario) identity(namespace, name, spec string) *v1alpha1.PodIdentity {
	s.Helper()
	pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	s.must(yaml.UnmarshalStrict([]byte(strings.ReplaceAll(spec, "\t", "  ")), &pi.Spec))
	return pi
}

// apply creates an identity as the tenant.
func (s *scenario) apply(name, spec string) *v1alpha1.PodIdentity {
	s.Helper()
	pi := s.identity(s.namespace, name, spec)
	s.must(s.tenant.Create(s.Context(), pi))
	return pi
}

// edit changes an identity as the tenant.
func (s *scenario) edit(name string, change func(*v1alpha1.PodIdentity)) {
	s.Helper()
	pi := s.get(s.namespace, name)
	before := pi.DeepCopy()
	change(pi)
	s.must(s.tenant.Patch(s.Context(), pi, client.MergeFrom(before)))
}

// get returns an identity, nil if it does not exist.
func (s *scenario) get(namespace, name string) *v1alpha1.PodIdentity {
	s.Helper()
	pi := &v1alpha1.PodIdentity{}
	err := admin.Get(s.Context(), client.ObjectKey{Namespace: namespace, Name: name}, pi)
	if apierrors.IsNotFound(err) {
		return nil
	}
	s.must(err)
	return pi
}

// awaitReady waits until an identity is ready at its newest generation.
func (s *scenario) awaitReady(namespace, name string) *v1alpha1.PodIdentity {
	s.Helper()
	return s.await(namespace, name, func(ready metav1.Condition) bool { return ready.Status == metav1.ConditionTrue })
}

// await waits until the condition Ready of the newest generation is as wanted.
func (s *scenario) await(namespace, name string, wanted func(metav1.Condition) bool) *v1alpha1.PodIdentity {
	s.Helper()
	var pi *v1alpha1.PodIdentity
	err := wait.PollUntilContextTimeout(s.Context(), 20*time.Millisecond, timeout, true, func(context.Context) (bool, error) {
		if pi = s.get(namespace, name); pi == nil {
			return false, nil
		}
		ready := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.ObservedGeneration == pi.Generation && wanted(*ready), nil
	})
	if err != nil {
		var out []byte
		if pi != nil {
			out, _ = yaml.Marshal(pi.Status)
		}
		s.Fatalf("timed out waiting for condition Ready of %s/%s; its status is:\n%s", namespace, name, out)
	}
	return pi
}

// reject applies an identity as the tenant, and returns what the tenant reads: the
// answer of the API server or, if that accepts the object, the message of Ready.
func (s *scenario) reject(name, spec string) string {
	s.Helper()
	return s.rejectFrom(s.tenant, name, spec)
}

// rejectFrom is reject for another user.
func (s *scenario) rejectFrom(user client.Client, name, spec string) string {
	s.Helper()
	err := user.Create(s.Context(), s.identity(s.namespace, name, spec))
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
		return err.Error()
	}
	s.must(err)
	return s.rejection(name)
}

// rejection waits until the operator has rejected an identity of the tenant, and returns
// the message.
func (s *scenario) rejection(name string) string {
	s.Helper()
	pi := s.await(s.namespace, name, func(ready metav1.Condition) bool { return ready.Status == metav1.ConditionFalse })
	for _, c := range pi.Status.Conditions {
		s.checkText(strings.ReplaceAll(c.Message, pi.Spec.Role.Name, "")) // the tenant wrote that
	}
	return meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady).Message
}

// requestID is the form of AWS's request IDs, and of UIDs.
var requestID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// maxText is the length of the longest message.
const maxText = 2048

// checkText fails the test if a text reveals what a tenant must not know, or cannot be
// displayed.
func (s *scenario) checkText(text string) {
	s.Helper()
	if found := requestID.FindString(text); found != "" {
		s.Errorf("the message reveals %s: %s", found, text)
	}
	if strings.Contains(text, s.otherNamespace) {
		s.Errorf("the message names another namespace: %s", text)
	}
	if len(text) > maxText {
		s.Errorf("the message has %d bytes", len(text))
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }); i >= 0 {
		s.Errorf("the message has a control character at %d: %q", i, text)
	}
}

// expect fails the test if a text does not contain all parts.
func (s *scenario) expect(text string, parts ...string) {
	s.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			s.Errorf("the tenant reads %q, want it to contain %q", text, part)
		}
	}
}

// guard creates a guardrail for the tenant's namespace.
func (s *scenario) guard(limits string) {
	s.Helper()
	g := &v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{GenerateName: s.namespace + "-"}}
	s.must(yaml.UnmarshalStrict([]byte(`spec: {namespaceSelector: {matchLabels: {tenant: `+s.namespace+`}}, `+limits+`}`), g))
	s.must(admin.Create(s.Context(), g))
	s.Cleanup(func() {
		if err := admin.Delete(context.WithoutCancel(s.Context()), g); err != nil {
			s.Error(err)
		}
	})
}

// guardrail returns a guardrail with a spec in YAML.
func guardrail(spec string) *v1alpha1.PodIdentityGuardrail {
	g := &v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{Name: "of-a-tenant"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &g.Spec); err != nil {
		panic(err)
	}
	return g
}

func inNamespace(namespace string) client.ListOption { return client.InNamespace(namespace) }
