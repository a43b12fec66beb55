package controllers_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// Status may order work or save work, and never justifies a write. These tests have someone
// other than the operator write each field of it that the code reads, in situations in which
// the operator writes nothing, or only what the unforged identity next to it causes.

// forgeries are the fields, by what they claim. They get the identity, and one that is ready
// and that the claims are about.
var forgeries = map[string]func(pi, other *v1alpha1.PodIdentity){
	"nothing":                func(*v1alpha1.PodIdentity, *v1alpha1.PodIdentity) {}, // the others are compared with this one
	"a role of its own name": forgeRole,
	"a role of its own name in another account": func(pi, _ *v1alpha1.PodIdentity) {
		name := plan.NameOf(pi, "test")
		pi.Status.Role = &v1alpha1.RoleStatus{Name: name, ARN: "arn:aws:iam::999999999999:role/podidentity/test/" + name, ID: "AROAFORGED"}
	},
	"the role of another identity":     func(pi, other *v1alpha1.PodIdentity) { pi.Status.Role = other.Status.Role.DeepCopy() },
	"no role":                          func(pi, _ *v1alpha1.PodIdentity) { pi.Status.Role = nil },
	"its ServiceAccount has the role":  func(pi, _ *v1alpha1.PodIdentity) { pi.Status.ServiceAccount = ownServiceAccount(pi) },
	"the ServiceAccount of another":    func(pi, other *v1alpha1.PodIdentity) { pi.Status.ServiceAccount = ownServiceAccount(other) },
	"pods need a restart":              func(pi, _ *v1alpha1.PodIdentity) { pi.Status.Pods = &v1alpha1.PodsStatus{Outdated: 1000} },
	"an older generation":              func(pi, _ *v1alpha1.PodIdentity) { pi.Status.ObservedGeneration = 0 },
	"a future generation":              func(pi, _ *v1alpha1.PodIdentity) { pi.Status.ObservedGeneration = 1 << 40 },
	"the request was handled":          func(pi, _ *v1alpha1.PodIdentity) { pi.Status.LastHandledReconcileAt = "forged" },
	"another issuer":                   func(pi, _ *v1alpha1.PodIdentity) { pi.Status.Issuer = "https://attacker.example.com" },
	"a guardrail that does not exist":  func(pi, _ *v1alpha1.PodIdentity) { pi.Status.Guardrail = &v1alpha1.GuardrailStatus{Name: "none"} },
	"pending changes":                  func(pi, _ *v1alpha1.PodIdentity) { pi.Status.Plan = []v1alpha1.PlannedChange{{Action: "DeleteRole"}} },
	"it never was reconciled":          func(pi, _ *v1alpha1.PodIdentity) { pi.Status = v1alpha1.PodIdentityStatus{ObservedGeneration: -1} },
	"every condition is True":          func(pi, _ *v1alpha1.PodIdentity) { pi.Status.Conditions = forgedConditions(pi, metav1.ConditionTrue) },
	"every condition is False":         func(pi, _ *v1alpha1.PodIdentity) { pi.Status.Conditions = forgedConditions(pi, metav1.ConditionFalse) },
	"it is ready in every respect":     forgeReady,
	"it is ready with another's parts": func(pi, other *v1alpha1.PodIdentity) { other.Status.DeepCopyInto(&pi.Status) },
}

func ownServiceAccount(pi *v1alpha1.PodIdentity) *v1alpha1.ServiceAccountStatus {
	return &v1alpha1.ServiceAccountStatus{Name: plan.ServiceAccountOf(pi), Mode: v1alpha1.ServiceAccountAnnotate}
}

func forgedConditions(pi *v1alpha1.PodIdentity, status metav1.ConditionStatus) []metav1.Condition {
	var conditions []metav1.Condition
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionIssuerReady, v1alpha1.ConditionRoleReady, v1alpha1.ConditionServiceAccountReady, v1alpha1.ConditionPodsUpToDate} {
		conditions = append(conditions, metav1.Condition{Type: kind, Status: status, Reason: "Forged", Message: "forged", ObservedGeneration: pi.Generation, LastTransitionTime: metav1.Now()})
	}
	return conditions
}

func forgeRole(pi, other *v1alpha1.PodIdentity) {
	name := plan.NameOf(pi, "test")
	pi.Status.Role = &v1alpha1.RoleStatus{Name: name, ARN: strings.ReplaceAll(other.Status.Role.ARN, other.Status.Role.Name, name), ID: "AROAFORGED"}
}

func forgeReady(pi, other *v1alpha1.PodIdentity) {
	forgeRole(pi, other)
	pi.Status.ServiceAccount = ownServiceAccount(pi)
	pi.Status.Conditions = forgedConditions(pi, metav1.ConditionTrue)
	pi.Status.ObservedGeneration = pi.Generation
}

// forgedCase is a situation of identities at the time of the forgery.
type forgedCase struct {
	block    func(s *env)              // before the identities exist
	identity func(s *env, name string) // creates one
	await    func(s *env, name string) // until the operator has seen it
	restart  func(s *env)              // before the operator starts again
	act      func(s *env, name string) // then
	done     func(s *env, name string) // until the operator has seen that
	noWrites bool                      // the unforged identity causes none
}

const annotated = "spec: {serviceAccount: {mode: Annotate}, policies: {managed: [\"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess\"]}}"

// blockedBy returns what waits until an identity is blocked for a reason.
func blockedBy(condition, reason string) func(*env, string) {
	return func(s *env, name string) { s.await(name, condition, metav1.ConditionFalse, reason) }
}

func requestCheck(s *env, name string) { s.request(name, "forged") }

func awaitHandled(s *env, name string) {
	s.eventually("the request of "+name+" to be handled", func() bool {
		pi := s.get(name)
		c := condition(pi, v1alpha1.ConditionReady)
		return pi.Status.LastHandledReconcileAt == "forged" && c != nil && c.Reason != "Forged"
	})
}

var forgedCases = map[string]forgedCase{
	"an identity in sync": {
		identity: func(s *env, name string) { s.apply("metadata: {name: " + name + "}\nspec: {}") },
		await:    func(s *env, name string) { s.awaitReady(name) },
		act:      requestCheck, done: awaitHandled, noWrites: true,
	},
	"a ServiceAccount of another owner, and no role": {
		identity: func(s *env, name string) {
			s.createServiceAccount(name, nil)
			s.apply("metadata: {name: " + name + "}\nspec: {}")
		},
		await: blockedBy(v1alpha1.ConditionReady, v1alpha1.ReasonServiceAccountConflict),
		act:   requestCheck, done: awaitHandled, noWrites: true,
	},
	"no OIDC provider, and no role": {
		block: func(s *env) {
			arn := "arn:aws:iam::123456789012:oidc-provider/" + strings.TrimPrefix(cluster.Issuer, "https://")
			_, err := s.iam.DeleteOpenIDConnectProvider(s.ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
			s.must(err)
			s.stop()
			s.start() // it does not know the provider
		},
		identity: func(s *env, name string) { s.apply("metadata: {name: " + name + "}\nspec: {}") },
		await:    blockedBy(v1alpha1.ConditionReady, v1alpha1.ReasonOIDCProviderNotFound),
		act:      requestCheck, done: awaitHandled, noWrites: true,
	},
	"policies whose contents cannot be read, and no role": {
		block: func(s *env) {
			s.account.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{{Action: "GetPolicy", Error: "AccessDenied"}, {Action: "ListPolicies", Error: "AccessDenied"}}})
		},
		identity: func(s *env, name string) { s.apply("metadata: {name: " + name + "}\n" + annotated) },
		await:    blockedBy(v1alpha1.ConditionReady, v1alpha1.ReasonAccessDenied),
		act:      requestCheck, done: awaitHandled, noWrites: true,
	},
	"a role of another owner, before the first drift check": {
		identity: func(s *env, name string) {
			s.createRole("foreign-"+name, s.config.RolePath, plan.Owner{Cluster: "another", Namespace: "a", Name: "b", UID: "c"})
			s.apply("metadata: {name: " + name + "}\nspec: {role: {name: foreign-" + name + "}}")
		},
		await:    blockedBy(v1alpha1.ConditionReady, v1alpha1.ReasonRoleNotOwned),
		restart:  func(s *env) { s.failCalls(bulkRoles, "ServiceFailure") },
		done:     blockedBy(v1alpha1.ConditionRoleReady, v1alpha1.ReasonRoleNotOwned),
		noWrites: true,
	},
	"a deletion": {
		identity: func(s *env, name string) {
			s.createServiceAccount(name, nil)
			s.apply("metadata: {name: " + name + "}\n" + annotated)
		},
		await: func(s *env, name string) { s.awaitReady(name) },
		act:   (*env).delete, done: (*env).awaitGone,
	},
	"a deletion of an identity whose role name another identity has": {
		identity: func(s *env, name string) {
			s.apply("metadata: {name: " + name + "}\nspec: {role: {name: of-another}, serviceAccount: {mode: Annotate}}")
		},
		await: blockedBy(v1alpha1.ConditionReady, v1alpha1.ReasonRoleNotOwned),
		act:   (*env).delete, done: (*env).awaitGone, noWrites: true,
	},
}

// Whatever someone writes into the status of an identity: AWS and other objects see exactly
// the writes that the identity causes without it.
func TestStatus_ForgedFieldCausesNoWrite(t *testing.T) {
	for reason, tc := range forgedCases {
		t.Run(reason, func(t *testing.T) {
			s := startEnv(t)
			s.createServiceAccount("other", nil)
			s.apply("metadata: {name: other}\nspec: {role: {name: of-another}, serviceAccount: {mode: Annotate}}")
			other := s.awaitReady("other")
			if tc.block != nil {
				tc.block(s)
			}
			names := map[string]string{} // of the identities by what their status claims
			s.stop()                     // so that it sees the ServiceAccounts no later than the identities
			for i, claim := range slices.Sorted(maps.Keys(forgeries)) {
				names[claim] = fmt.Sprintf("forged-%d", i)
				tc.identity(s, names[claim])
			}
			s.start()
			for _, name := range names {
				tc.await(s, name)
			}
			s.stop() // so that it does not correct the status first
			s.unwatch()
			for claim, name := range names {
				s.forge(name, other, forgeries[claim])
			}
			s.writes.reset()
			before := s.partsOf(other, "other")
			calls := s.account.Calls()
			if tc.restart != nil {
				tc.restart(s)
			}

			s.start()
			for _, name := range names {
				if tc.act != nil {
					tc.act(s, name)
				}
			}
			for _, name := range names {
				tc.done(s, name)
			}
			s.stop()
			s.clearFaults()
			s.compareForged(names, tc.noWrites, written(calls, s.account.Calls()))
			if diff := cmp.Diff(before, s.partsOf(other, "other")); diff != "" {
				t.Errorf("the other identity: -before, +after:\n%s", diff)
			}
		})
	}
}

// forge writes the status of an identity as someone other than the operator.
func (s *env) forge(name string, other *v1alpha1.PodIdentity, edit func(pi, other *v1alpha1.PodIdentity)) {
	s.t.Helper()
	pi := s.get(name)
	edit(pi, other)
	s.must(user.Status().Update(s.ctx, pi))
}

// compareForged compares what every identity has, and what the operator wrote for it, with
// the unforged one.
func (s *env) compareForged(names map[string]string, noWrites bool, calls map[string]int) {
	s.t.Helper()
	identity := func(name string) *v1alpha1.PodIdentity {
		return &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}}
	}
	want := s.partsOf(identity(names["nothing"]), names["nothing"])
	for claim, name := range names {
		if diff := cmp.Diff(want, s.partsOf(identity(name), name)); diff != "" {
			s.t.Errorf("the status claims %q: -without that, +with it:\n%s", claim, diff)
		}
	}
	// IAM rejects the creation of a role that exists.
	delete(calls, "CreateRole")
	for action, n := range calls {
		if noWrites || n%len(names) != 0 {
			s.t.Errorf("%d calls of %s for %d identities", n, action, len(names))
		}
	}
}

// parts are what an identity has in AWS and in the cluster, without its own name in them.
type parts struct {
	Role           *roleView
	ServiceAccount map[string]string // annotations
	Writes         []string          // of the operator, to ServiceAccounts
}

func (s *env) partsOf(pi *v1alpha1.PodIdentity, name string) parts {
	s.t.Helper()
	var found parts
	role := plan.NameOf(pi, "test")
	for _, candidate := range []string{role, "foreign-" + name} {
		if s.roleExists(candidate) {
			view := s.role(candidate)
			delete(view.Tags, plan.TagUID)
			delete(view.Tags, plan.TagName)
			found.Role = &view
		}
	}
	var sa corev1.ServiceAccount
	err := user.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, &sa)
	s.must(client.IgnoreNotFound(err))
	if err == nil {
		found.ServiceAccount = map[string]string{}
		for key, value := range sa.Annotations {
			found.ServiceAccount[key] = strings.ReplaceAll(value, role, "ROLE")
		}
	}
	for _, write := range s.writes.all() {
		if path, ok := strings.CutSuffix(write, "/serviceaccounts/"+name); ok {
			found.Writes = append(found.Writes, path)
		}
	}
	return found
}

// A deletion does not remove the annotation of a ServiceAccount of another role, even if the
// status names that role.
func TestStatus_ForgedRoleDoesNotWidenADeletion(t *testing.T) {
	s := startEnv(t)
	s.createServiceAccount("legacy", nil)
	s.apply("metadata: {name: forged}\nspec: {}")
	s.apply("metadata: {name: other}\nspec: {serviceAccount: {name: legacy, mode: Annotate}}")
	s.awaitReady("forged")
	other := s.awaitReady("other")
	role, annotations := s.role(roleName(s, "other")), s.serviceAccount("legacy").Annotations
	s.stop()
	s.unwatch()
	s.writes.reset()
	s.forge("forged", other, func(pi, other *v1alpha1.PodIdentity) { pi.Status.Role = other.Status.Role })
	s.delete("forged")
	s.start()
	s.awaitGone("forged")
	for _, write := range s.writes.all() {
		if strings.HasSuffix(write, "/serviceaccounts/legacy") {
			t.Errorf("the operator wrote to the ServiceAccount of the other identity: %s", write)
		}
	}
	s.checkServiceAccount("legacy", annotations)
	if diff := cmp.Diff(role, s.role(roleName(s, "other"))); diff != "" {
		t.Errorf("role of the other identity: -before, +after:\n%s", diff)
	}
}
