package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// newCluster returns a unit whose account trusts the issuer of the cluster.
func newCluster(t *testing.T, objects ...client.Object) (*unit, *fakeProviders) {
	t.Helper()
	u := newUnit(t, objects...)
	providers := &fakeProviders{found: &plan.Provider{Audiences: []string{plan.DefaultAudience}}}
	u.issuer.clusterInfo = &clusterInfo{
		config: unitConfig, clock: u.clock, apiReader: u.client, providers: providers,
		account:  fakeAccount{account: plan.Account{Partition: "aws", ID: "123456789012"}},
		discover: func(context.Context) (string, error) { return unitCluster.Issuer, nil },
	}
	return u, providers
}

// reconcile reconciles checkout as the API server has it.
func (u *unit) reconcile() (ctrl.Result, error) {
	u.t.Helper()
	u.roles.calls = nil
	return u.Reconcile(u.t.Context(), u.stored())
}

// condition returns a condition of checkout as status and reason, empty if there is none.
func (u *unit) condition(kind string) string {
	u.t.Helper()
	if c := meta.FindStatusCondition(u.stored().Status.Conditions, kind); c != nil {
		return string(c.Status) + " " + c.Reason
	}
	return ""
}

// edit edits checkout as a user does.
func (u *unit) edit(edit func(*v1alpha1.PodIdentity)) {
	u.t.Helper()
	pi := u.stored()
	pi.Generation++
	edit(pi)
	if err := u.client.Update(u.t.Context(), pi); err != nil {
		u.t.Fatal(err)
	}
}

// newReady returns a unit with an identity that is ready, and its role.
func newReady(t *testing.T) (*unit, *fakeProviders, *plan.Observed) {
	t.Helper()
	u, providers := newCluster(t, checkout())
	for range 2 {
		if _, err := u.reconcile(); err != nil {
			t.Fatal(err)
		}
		u.clock.SetTime(u.clock.Now().Add(unitConfig.IAMPropagationDelay))
	}
	if got := u.condition(v1alpha1.ConditionReady); got != "True Succeeded" {
		t.Fatalf("Ready = %s, want True Succeeded", got)
	}
	for u.event() != "" {
		continue
	}
	return u, providers, u.roles.roles[u.stored().Status.Role.Name]
}

func TestReconcile_NewIdentity(t *testing.T) {
	many := func(pi *v1alpha1.PodIdentity) {
		for i := range 30 {
			pi.Spec.Policies.Managed = append(pi.Spec.Policies.Managed, v1alpha1.PolicyARN(fmt.Sprintf("%s%d", s3ReadOnly, i)))
		}
	}
	noAnswer := errors.New("no answer")
	creates := []string{"CreateRole", "AttachRolePolicy"}
	for reason, tc := range map[string]struct {
		edit       func(*v1alpha1.PodIdentity)
		existing   []client.Object
		noProvider bool
		fail       map[string]error
		want       string // status and reason of Ready
		failed     string // the condition that has the same reason
		calls      []string
		finalizer  bool
		retried    bool // with backoff
	}{
		"it waits for its role to propagate": {want: "Unknown RolePropagating", failed: v1alpha1.ConditionRoleReady, calls: creates, finalizer: true},
		"mode Plan changes nothing": {
			edit: func(pi *v1alpha1.PodIdentity) { pi.Spec.Mode = v1alpha1.ModePlan },
			want: "Unknown ChangesPending", failed: v1alpha1.ConditionRoleReady, calls: []string{"Observe"},
		},
		"a suspended one gets nothing": {
			edit: func(pi *v1alpha1.PodIdentity) { pi.Spec.Suspend = true }, want: "", // it has no condition but Suspended
		},
		"the baseline rejects its policies": {
			edit: func(pi *v1alpha1.PodIdentity) {
				pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Statements: []v1alpha1.Statement{{Effect: "Allow", Actions: []v1alpha1.Action{"iam:*"}, Resources: []v1alpha1.Resource{"*"}}}}}
			},
			want: "False GuardrailViolated", failed: v1alpha1.ConditionRoleReady,
		},
		"a policy of the spec does not exist": {
			edit: func(pi *v1alpha1.PodIdentity) { pi.Spec.Policies.Managed[0] = "arn:aws:iam::123456789012:policy/none" },
			want: "False PolicyNotFound", failed: v1alpha1.ConditionRoleReady,
		},
		"an inline policy is no JSON": {
			edit: func(pi *v1alpha1.PodIdentity) {
				pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: "{"}}
			},
			want: "False InvalidSpec",
		},
		"it exceeds a quota of the account": {edit: many, want: "False QuotaExceeded", failed: v1alpha1.ConditionRoleReady},
		"IAM does not trust the issuer":     {noProvider: true, want: "False OIDCProviderNotFound", failed: v1alpha1.ConditionIssuerReady},
		"its ServiceAccount has another owner": {
			existing: []client.Object{annotated("checkout", "")}, want: "False ServiceAccountConflict", failed: v1alpha1.ConditionServiceAccountReady,
		},
		"an older one is all that the guardrail allows": {
			existing: limited(), want: "False GuardrailViolated", failed: v1alpha1.ConditionRoleReady,
		},
		"AWS denies the role": {
			fail: map[string]error{"CreateRole": fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "denied")},
			want: "False AccessDenied", failed: v1alpha1.ConditionRoleReady, calls: creates[:1], finalizer: true,
		},
		"AWS does not answer": {
			fail: map[string]error{"CreateRole": noAnswer}, retried: true,
			want: "Unknown ProgressingWithRetry", failed: v1alpha1.ConditionRoleReady, calls: creates[:1], finalizer: true,
		},
	} {
		t.Run(reason, func(t *testing.T) {
			pi := checkout()
			if tc.edit != nil {
				tc.edit(pi)
			}
			u, providers := newCluster(t, append(tc.existing, pi)...)
			for _, arn := range pi.Spec.Policies.Managed {
				if strings.HasPrefix(string(arn), s3ReadOnly) {
					u.policies.documents[string(arn)] = readOnlyDocument
				}
			}
			if tc.noProvider {
				providers.found = nil
			}
			u.roles.fail = tc.fail
			result, err := u.reconcile()
			if errors.Is(err, noAnswer) != tc.retried {
				t.Errorf("Reconcile = %v, %v, want a retry with backoff: %t", result, err, tc.retried)
			}
			if got := u.condition(v1alpha1.ConditionReady); got != tc.want {
				t.Errorf("Ready = %s, want %s", got, tc.want)
			}
			if tc.failed != "" && u.condition(tc.failed) != tc.want {
				t.Errorf("%s = %s, want %s", tc.failed, u.condition(tc.failed), tc.want)
			}
			u.expectCalls(tc.calls...)
			if got := controllerutil.ContainsFinalizer(u.stored(), v1alpha1.Finalizer); got != tc.finalizer {
				t.Errorf("finalizer: %t, want %t: it comes before the first write to AWS, and not earlier", got, tc.finalizer)
			}
		})
	}
}

// limited are the namespace of checkout, a guardrail that allows one identity in it, and an
// older identity.
func limited() []client.Object {
	guardrail := &v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{Name: "tenants"}}
	guardrail.Spec.MaxIdentities = new(int32(1))
	older := checkout(func(pi *v1alpha1.PodIdentity) {
		pi.Name, pi.UID, pi.Finalizers = "older", "0", []string{v1alpha1.Finalizer}
	})
	return []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, guardrail, older}
}

func TestReconcile_ANameThatIsTakenCostsOneReadPerAttempt(t *testing.T) {
	u, _ := newCluster(t, checkout())
	u.addRole(func(o *plan.Observed) { o.Tags = nil })
	for _, calls := range [][]string{{"CreateRole", "ObserveOwner"}, {"ObserveOwner"}} {
		_, _ = u.reconcile() // of the result, only the status counts here
		u.expectCalls(calls...)
		if got := u.condition(v1alpha1.ConditionReady); got != "False RoleNotOwned" {
			t.Errorf("Ready = %s, want False RoleNotOwned", got)
		}
	}
}

func TestReconcile_AfterARestart(t *testing.T) {
	for reason, tc := range map[string]struct {
		checkPending bool
		edit         func(*v1alpha1.PodIdentity)
		want         []string // the calls
	}{
		"the first drift check reads a role that was in sync": {checkPending: true},
		"a role is read if no drift check will read it":       {want: []string{"Observe"}},
		"a role is read if the spec has changed":              {checkPending: true, edit: func(*v1alpha1.PodIdentity) {}, want: []string{"Observe"}},
		"a role is read if its ServiceAccount is to be edited": {checkPending: true, edit: func(pi *v1alpha1.PodIdentity) {
			pi.Generation--
			pi.Spec.AdditionalServiceAccounts = []v1alpha1.ServiceAccountName{"worker"}
		}, want: []string{"Observe", "UpdateAssumeRolePolicy"}},
	} {
		t.Run(reason, func(t *testing.T) {
			u, _, _ := newReady(t)
			u.role.cache = newRoleCache()
			u.role.checkPending = func() bool { return tc.checkPending }
			if tc.edit != nil {
				u.edit(tc.edit)
			}
			_, _ = u.reconcile() // of the result, only the calls count here
			u.expectCalls(tc.want...)
		})
	}
}

func TestReconcile_ReadyIdentityCostsNoCall(t *testing.T) {
	u, _, _ := newReady(t)
	before := u.stored()
	if result, err := u.reconcile(); err != nil || result.RequeueAfter == 0 {
		t.Errorf("Reconcile = %v, %v, want a later one", result, err)
	}
	u.expectCalls()
	if after := u.stored(); after.ResourceVersion != before.ResourceVersion || u.event() != "" {
		t.Errorf("something was written: resourceVersion %s, before %s", after.ResourceVersion, before.ResourceVersion)
	}
}

func TestReconcile_RestoresTheFinalizerOfAnIdentityWithARole(t *testing.T) {
	u, _, _ := newReady(t)
	u.edit(func(pi *v1alpha1.PodIdentity) { pi.Finalizers = nil })
	if _, err := u.reconcile(); err != nil || !controllerutil.ContainsFinalizer(u.stored(), v1alpha1.Finalizer) {
		t.Errorf("finalizers = %v, %v, want that of the operator", u.stored().Finalizers, err)
	}
}

// A user who removes the finalizer while the role is new, so that the status does not show
// it, does not keep the role from a guardrail that revokes.
func TestReconcile_RevokesARoleThatNeitherFinalizerNorStatusShows(t *testing.T) {
	for reason, restarted := range map[string]bool{"the operator created it": false, "the operator has restarted since": true} {
		t.Run(reason, func(t *testing.T) {
			u, _, role := newReady(t)
			for _, obj := range []client.Object{shop(), revoking()} {
				if err := u.client.Create(t.Context(), obj); err != nil {
					t.Fatal(err)
				}
			}
			u.edit(func(pi *v1alpha1.PodIdentity) { pi.Finalizers, pi.Spec.Suspend = nil, true })
			pi := u.stored()
			pi.Status = v1alpha1.PodIdentityStatus{}
			if err := u.client.Status().Update(t.Context(), pi); err != nil {
				t.Fatal(err)
			}
			if restarted {
				u.cache = newRoleCache()
				u.role.cache = u.cache
			}
			_, _ = u.reconcile() // of the result, only the objects and roles count here
			if !restarted && !hasFinalizer(u.stored()) {
				t.Error("the operator does not restore the finalizer of an object whose role it has created")
			}
			_, _ = u.reconcile()
			if len(role.Managed) > 0 || role.Trust != policy.DenyAllTrust() {
				t.Errorf("the role still has policies %v and trust %s", role.Managed, role.Trust)
			}
		})
	}
}

// A role that exists in no way costs one read, not one for each reconcile.
func TestReconcile_LooksOnceForARoleOfARejectedIdentity(t *testing.T) {
	u, _ := newCluster(t, checkout(), shop(), revoking())
	for i, want := range [][]string{{"Observe"}, nil} {
		_, _ = u.reconcile() // of the result, only the calls count here
		u.expectCalls(want...)
		if t.Failed() {
			t.Fatalf("at reconcile %d", i+1)
		}
	}
}

// Whatever blocks an identity that has a role, the permissions that others attach to it are
// removed, and its own stay.
func TestReconcile_RevertsDriftWhateverBlocksTheIdentity(t *testing.T) {
	for reason, tc := range map[string]struct {
		edit  func(*v1alpha1.PodIdentity)
		block func(*unit, *fakeProviders)
		want  string // status and reason of Ready
		// foreign is the policy that another user attaches; by default one that the
		// guardrails accept.
		foreign string
		stays   bool
	}{
		"nothing blocks it": {want: "True Succeeded"},
		"IAM no longer trusts the issuer": {block: func(u *unit, providers *fakeProviders) {
			providers.found = nil
			u.issuer.clusterInfo.provider = ttlCache[struct{}]{}
		}, want: "False OIDCProviderNotFound"},
		"the spec has become invalid": {edit: func(pi *v1alpha1.PodIdentity) {
			pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: "{"}}
		}, want: "False InvalidSpec"},
		"a new policy does not exist": {edit: func(pi *v1alpha1.PodIdentity) {
			pi.Spec.Policies.Managed = append(pi.Spec.Policies.Managed, "arn:aws:iam::123456789012:policy/none")
		}, want: "False PolicyNotFound"},
		"the spec has become invalid, and the operator has restarted": {
			edit: func(pi *v1alpha1.PodIdentity) {
				pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: "{"}}
			},
			block:   func(u *unit, _ *fakeProviders) { u.role.cache = newRoleCache() },
			foreign: "arn:aws:iam::123456789012:policy/admin", want: "False InvalidSpec",
		},
		"a suspended one is left alone":  {edit: func(pi *v1alpha1.PodIdentity) { pi.Spec.Suspend = true }, want: "True Succeeded", stays: true},
		"mode Plan only lists the drift": {edit: func(pi *v1alpha1.PodIdentity) { pi.Spec.Mode = v1alpha1.ModePlan }, want: "Unknown ChangesPending", stays: true},
	} {
		t.Run(reason, func(t *testing.T) {
			u, providers, role := newReady(t)
			foreign := cmp.Or(tc.foreign, sqsFullAccess)
			u.policies.documents["arn:aws:iam::123456789012:policy/admin"] = `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
			role.Managed = append(role.Managed, foreign)
			u.edit(func(pi *v1alpha1.PodIdentity) {
				metav1.SetMetaDataAnnotation(&pi.ObjectMeta, v1alpha1.RequestedAtAnnotation, "now")
				if tc.edit != nil {
					tc.edit(pi)
				}
			})
			if tc.block != nil {
				tc.block(u, providers)
			}
			_, _ = u.reconcile() // of the result, only the status counts here
			if got := u.condition(v1alpha1.ConditionReady); got != tc.want {
				t.Errorf("Ready = %s, want %s", got, tc.want)
			}
			if got := slices.Contains(role.Managed, foreign); got != tc.stays {
				t.Errorf("the foreign policy is attached: %t, want %t; calls %v", got, tc.stays, u.roles.calls)
			}
			if !slices.Contains(role.Managed, s3ReadOnly) {
				t.Errorf("the identity's own policy is not attached; calls %v", u.roles.calls)
			}
		})
	}
}

// What a policy of a tenant says is in no line of the log, whatever happens to the identity.
func TestReconcile_LogsNoPolicyDocument(t *testing.T) {
	const marker = "quarterly-figures"
	lines := 0
	log := funcr.New(func(prefix, args string) {
		if lines++; strings.Contains(prefix+args, marker) {
			t.Errorf("the log has a part of a policy: %s", args)
		}
	}, funcr.Options{Verbosity: 10})
	for reason, fail := range map[string]map[string]error{
		"all succeeds":                 nil,
		"AWS denies the policy":        {"PutRolePolicy": fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "denied")},
		"AWS does not answer":          {"PutRolePolicy": errors.New("no answer")},
		"AWS does not delete the role": {"DeleteRole": errors.New("no answer")},
	} {
		t.Run(reason, func(t *testing.T) {
			u, _, _ := newReady(t)
			u.roles.fail = fail
			reconcile := func() {
				_, _ = u.Reconcile(logf.IntoContext(t.Context(), log), u.stored()) // of the result, only the log counts here
			}
			for _, action := range []v1alpha1.Action{"s3:GetObject", "s3:PutObject", "iam:CreateUser"} {
				u.edit(func(pi *v1alpha1.PodIdentity) {
					pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Statements: []v1alpha1.Statement{{
						Effect: "Allow", Actions: []v1alpha1.Action{action}, Resources: []v1alpha1.Resource{"arn:aws:s3:::" + marker},
					}}}}
				})
				reconcile()
			}
			if err := u.client.Delete(t.Context(), u.stored()); err != nil {
				t.Fatal(err)
			}
			reconcile()
		})
	}
	if lines == 0 {
		t.Error("nothing was logged: the test is of no use")
	}
}
