package controllers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

const (
	s3ReadOnly       = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
	readOnlyDocument = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"*"}}`
	adminDocument    = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
)

// fakePolicies are managed policies in memory, each with a version that its document
// stands for.
type fakePolicies struct {
	documents map[string]string // by ARN
	unlisted  bool              // ListPolicies shows none of them
	calls     []string
	err       error // of the next calls
}

func (f *fakePolicies) call(name, arn string) error {
	f.calls = append(f.calls, name)
	if f.err != nil {
		return f.err
	}
	if arn != "" && f.documents[arn] == "" {
		return fault.Errorf(fault.Blocked, v1alpha1.ReasonPolicyNotFound, "managed policy %s not found", arn)
	}
	return nil
}

func (f *fakePolicies) ManagedPolicyVersion(_ context.Context, arn string) (string, error) {
	err := f.call("GetPolicy", arn)
	return f.documents[arn], err
}

func (f *fakePolicies) ManagedPolicy(_ context.Context, arn, version string) (plan.ManagedPolicy, error) {
	err := f.call("GetPolicyVersion", arn)
	if err == nil && f.documents[arn] != version {
		err = errors.New("no such version")
	}
	return plan.ManagedPolicy{Version: version, Document: version}, err
}

func (f *fakePolicies) ManagedPolicyVersions(context.Context) (map[string]string, error) {
	if err := f.call("ListPolicies", ""); err != nil || f.unlisted {
		return nil, err
	}
	return f.documents, nil
}

// expect checks the calls since the last time.
func (f *fakePolicies) expect(t *testing.T, reason string, want ...string) {
	t.Helper()
	if got := strings.Join(f.calls, " "); got != strings.Join(want, " ") {
		t.Errorf("%s\ncalls = %s, want %s", reason, got, strings.Join(want, " "))
	}
	f.calls = nil
}

func TestManagedPolicies_AreReadOnceForAll(t *testing.T) {
	f := &fakePolicies{documents: map[string]string{s3ReadOnly: readOnlyDocument}}
	clock := testingclock.NewFakePassiveClock(now)
	m := newManagedPolicies(f, clock)
	arns := []string{s3ReadOnly}
	for range 3 {
		if err := m.contents(t.Context(), arns, false)[s3ReadOnly].Err(); err != nil {
			t.Fatal(err)
		}
	}
	f.expect(t, "The first use costs two reads, and the others none.", "GetPolicy", "GetPolicyVersion")

	m.contents(t.Context(), arns, true)
	f.expect(t, "A request right after a read costs none.")
	clock.SetTime(now.Add(policyRequestInterval + time.Second))
	m.contents(t.Context(), arns, true)
	f.expect(t, "A later request reads which version is the default one; its contents cannot have changed.", "GetPolicy")

	changed, err := m.refresh(t.Context(), arns)
	if err != nil || len(changed) > 0 {
		t.Errorf("refresh = %v, %v, want no change", changed, err)
	}
	f.expect(t, "A drift check costs one call for all.", "ListPolicies")

	f.documents[s3ReadOnly] = adminDocument
	changed, err = m.refresh(t.Context(), arns)
	if err != nil || len(changed) != 1 {
		t.Errorf("refresh = %v, %v, want the policy with a new version", changed, err)
	}
	m.contents(t.Context(), arns, false)
	f.expect(t, "The new version, which is known, costs one read.", "ListPolicies", "GetPolicyVersion")

	f.unlisted = true
	f.documents[s3ReadOnly] = readOnlyDocument
	if changed, err = m.refresh(t.Context(), arns); err != nil || len(changed) != 1 {
		t.Errorf("refresh = %v, %v, want the policy that is attached nowhere", changed, err)
	}
	f.expect(t, "A policy that is attached nowhere is not listed.", "ListPolicies", "GetPolicy")
}

func TestManagedPolicies_FailuresAreRetried(t *testing.T) {
	denied := fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "denied")
	f := &fakePolicies{documents: map[string]string{s3ReadOnly: readOnlyDocument}, err: denied}
	clock := testingclock.NewFakePassiveClock(now)
	m := newManagedPolicies(f, clock)
	for range 3 {
		if err := m.contents(t.Context(), []string{s3ReadOnly}, false)[s3ReadOnly].Err(); !errors.Is(err, denied) {
			t.Errorf("error = %v, want %v", err, denied)
		}
	}
	f.expect(t, "A failure is not repeated by every identity.", "GetPolicy")
	f.err = nil
	clock.SetTime(now.Add(policyRetryInterval))
	if err := m.contents(t.Context(), []string{s3ReadOnly}, false)[s3ReadOnly].Err(); err != nil {
		t.Errorf("after %s: %v", policyRetryInterval, err)
	}

	f.err = fault.Errorf(fault.Transient, v1alpha1.ReasonAWSUnavailable, "unavailable")
	if changed, err := m.refresh(t.Context(), []string{s3ReadOnly}); err == nil || len(changed) > 0 {
		t.Errorf("refresh = %v, %v: a check that AWS did not answer changes nothing", changed, err)
	}
}

func TestManagedPolicies_ForgetsWhatNoIdentityUses(t *testing.T) {
	f := &fakePolicies{documents: map[string]string{s3ReadOnly: readOnlyDocument}}
	m := newManagedPolicies(f, testingclock.NewFakePassiveClock(now))
	m.contents(t.Context(), []string{s3ReadOnly}, false)
	m.retain(map[string][]*v1alpha1.PodIdentity{s3ReadOnly: {checkout()}})
	if len(m.entries) != 1 {
		t.Error("a policy that an identity uses was dropped")
	}
	m.retain(nil)
	if len(m.entries) != 0 {
		t.Error("a policy that no identity uses is still cached")
	}
}

// shop is the namespace of checkout.
func shop() *corev1.Namespace { return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}} }

// revoking is a guardrail that allows SQS only, and revokes.
func revoking() *v1alpha1.PodIdentityGuardrail {
	return &v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{Name: "g"}, Spec: v1alpha1.PodIdentityGuardrailSpec{
		Actions: v1alpha1.PermissionLimit{Allowed: []v1alpha1.Pattern{"sqs:*"}}, OnViolation: v1alpha1.ViolationRevoke,
	}}
}

func TestGuardrailsPhase_RequiresAGuardrail(t *testing.T) {
	u := newUnit(t, shop())
	u.guardrails.require = true
	expectFault(t, u.guardrails.enforce(t.Context(), u.scopeOf(checkout())), fault.Blocked, v1alpha1.ReasonGuardrailMissing)
	if err := u.client.Create(t.Context(), &v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{Name: "g"}}); err != nil {
		t.Fatal(err)
	}
	if err := u.guardrails.enforce(t.Context(), u.scopeOf(checkout())); err != nil {
		t.Errorf("with a guardrail: %v", err)
	}
}

func TestGuardrailsPhase_EvaluatesContents(t *testing.T) {
	u := newUnit(t)
	s := u.scopeOf(checkout())
	if err := u.guardrails.enforce(t.Context(), s); err != nil || s.unread != nil {
		t.Fatalf("a harmless policy: %v, %v", err, s.unread)
	}
	u = newUnit(t)
	u.policies.documents[s3ReadOnly] = adminDocument
	expectFault(t, u.guardrails.enforce(t.Context(), u.scopeOf(checkout())), fault.Terminal, v1alpha1.ReasonGuardrailViolated)

	u = newUnit(t)
	u.policies.err = fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "denied")
	s = u.scopeOf(checkout())
	if err := u.guardrails.enforce(t.Context(), s); err != nil {
		t.Errorf("contents that cannot be read are not a violation: %v", err)
	}
	expectFault(t, u.guardrails.requireContents(t.Context(), s), fault.Blocked, v1alpha1.ReasonAccessDenied)
}

// A role that this reconcile has not brought in sync is held against a guardrail
// that revokes, as it is.
func TestGuardrailsPhase_EnforcesOnTheRole(t *testing.T) {
	name := plan.RoleName("prod", "shop", "checkout")
	invalid := fault.Errorf(fault.Terminal, v1alpha1.ReasonInvalidSpec, "spec.role.tags[a]: duplicate of A")
	for reason, tc := range map[string]struct {
		objects    []client.Object
		edit       func(*plan.Observed)
		err        error // of the phases
		inSync     bool
		wantRevoke bool
		want       string // the reason of the result, empty if there is no error
	}{
		"a suspended role is revoked":                     {objects: []client.Object{revoking()}, wantRevoke: true, want: v1alpha1.ReasonGuardrailViolated},
		"a role with an invalid spec is revoked":          {objects: []client.Object{revoking()}, err: invalid, wantRevoke: true, want: v1alpha1.ReasonGuardrailViolated},
		"a role that is in sync needs no second look":     {objects: []client.Object{revoking()}, inSync: true},
		"without a guardrail that revokes the role stays": {err: invalid, want: v1alpha1.ReasonInvalidSpec},
		"a role of another owner stays":                   {objects: []client.Object{revoking()}, edit: func(o *plan.Observed) { o.Tags = nil }, err: invalid, want: v1alpha1.ReasonInvalidSpec},
		"a role outside the path stays":                   {objects: []client.Object{revoking()}, edit: func(o *plan.Observed) { o.Path = "/" }},
		"a role within the guardrail stays":               {objects: []client.Object{revoking()}, edit: func(o *plan.Observed) { o.Managed = nil }},
		"AWS did not answer, so the operator retries":     {objects: []client.Object{revoking()}, err: errors.New("throttled"), want: "-"},
	} {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t, append(tc.objects, shop())...)
			pi := checkout(func(pi *v1alpha1.PodIdentity) { pi.Finalizers = []string{v1alpha1.Finalizer} })
			role := &plan.Observed{Role: plan.Role{
				Name: name, Path: unitCluster.RolePath, Managed: []string{s3ReadOnly},
				Tags: plan.Owner{Cluster: "prod", Namespace: "shop", Name: "checkout", UID: "1"}.Tags(),
			}}
			if tc.edit != nil {
				tc.edit(role)
			}
			u.roles.roles[name] = role
			s := newScope(pi, "prod")
			s.roleInSync = tc.inSync
			pi.Spec = v1alpha1.PodIdentitySpec{} // it asks for nothing any longer
			if err := u.guardrails.enforce(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			err := u.guardrails.enforceOnRole(t.Context(), s, tc.err)
			if got := fault.ReasonOf(err, "-"); tc.want == "" && err != nil || tc.want != "" && got != tc.want {
				t.Errorf("error = %v, want reason %q", err, tc.want)
			}
			if got := len(role.Managed) == 0 && tc.edit == nil; got != tc.wantRevoke {
				t.Errorf("revoked = %t, want %t", got, tc.wantRevoke)
			}
			u.roles.calls = nil
			if tc.wantRevoke {
				s := newScope(pi, "prod")
				s.guardrails, _ = u.guardrails.reader.forNamespace(t.Context(), "shop")
				if err := u.guardrails.enforceOnRole(t.Context(), s, nil); err != nil {
					t.Errorf("a revoked role violates nothing: %v", err)
				}
				u.expectCalls() // it is cached
			}
		})
	}
}
