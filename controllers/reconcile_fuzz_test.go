package controllers

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// accountRoles are the IAM roles of an account in memory, with all of their parts.
type accountRoles struct {
	roles   map[string]*plan.Observed
	created int
	fail    map[string]error // by action
}

func (a *accountRoles) observed(name string) *plan.Observed {
	role := a.roles[name]
	if role == nil {
		return nil
	}
	clone := *role
	clone.Role = role.Clone()
	return &clone
}

func (a *accountRoles) Observe(_ context.Context, name string) (*plan.Observed, error) {
	return a.observed(name), a.fail["Observe"]
}

func (a *accountRoles) ObserveOwner(_ context.Context, name string) (*plan.Observed, error) {
	role := a.observed(name)
	if role != nil {
		role.Managed, role.Inline = nil, nil
	}
	return role, a.fail["Observe"]
}

func (a *accountRoles) ObserveForTeardown(ctx context.Context, name string) (*plan.Observed, error) {
	return a.Observe(ctx, name)
}

func (a *accountRoles) Quotas(context.Context) plan.Quotas { return plan.DefaultQuotas }

func (a *accountRoles) Apply(_ context.Context, name string, changes []plan.Change) (plan.Applied, error) {
	var applied plan.Applied
	for _, c := range changes {
		role := a.roles[name]
		switch c.(type) {
		case plan.CreateRole:
			if role != nil {
				return applied, plan.ErrRoleExists
			}
		default:
			if role == nil {
				return applied, errors.New("the role does not exist")
			}
		}
		if err := a.fail[c.Action()]; err != nil {
			return applied, err
		}
		switch c.(type) {
		case plan.CreateRole:
			a.created++
			role = &plan.Observed{ARN: unitCluster.RoleARN(name), ID: "AROA" + strings.Repeat("I", a.created), CreatedAt: now}
			a.roles[name] = role
			applied.ARN, applied.ID, applied.CreatedAt = role.ARN, role.ID, role.CreatedAt
		case plan.DeleteRole:
			if len(role.Managed)+len(role.Inline) > 0 {
				return applied, plan.ErrDeleteConflict
			}
			delete(a.roles, name)
		default:
		}
		role.Role = plan.After(role.Role, []plan.Change{c})
		applied.Completed = append(applied.Completed, c)
	}
	return applied, nil
}

// What a life draws from. Names of policies say what the baseline has to say about them.
var (
	lifeSpecs = []string{
		`{}`,
		`{policies: {managed: ["` + s3ReadOnly + `"]}}`,
		`{policies: {managed: ["` + s3ReadOnly + `", "` + lifeAdmin + `"]}}`,
		`{policies: {managed: ["` + s3ReadOnly + `", "arn:aws:iam::123456789012:policy/none"]}}`,
		`{policies: {inline: [{name: p, statements: [{effect: Allow, actions: ["s3:*"], resources: ["*"]}]}]}}`,
		`{policies: {inline: [{name: p, statements: [{effect: Allow, actions: ["sqs:*"], resources: ["*"]}]}, {name: q, statements: [{effect: Deny, actions: ["sqs:Delete*"], resources: ["*"]}]}]}}`,
		`{policies: {inline: [{name: p, statements: [{effect: Allow, actions: ["iam:*"], resources: ["*"]}]}]}}`,
		`{policies: {inline: [{name: p, document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","action":"iam:*","Resource":"*"}}'}]}}`,
		`{policies: {inline: [{name: p, document: "{"}]}}`,
		`{role: {tags: {a: x, A: y}}, policies: {managed: ["` + s3ReadOnly + `"]}}`,
		`{role: {tags: {team: shop}, description: d, maxSessionDurationSeconds: 7200}, trust: {scope: Namespace}}`,
		`{role: {adoptionPolicy: IfTagged}, additionalServiceAccounts: [worker]}`,
	}
	lifeGuardrails = []string{
		`{onViolation: Revoke, actions: {denied: ["s3:*"]}}`,
		`{onViolation: Report, actions: {denied: ["sqs:*"]}}`,
		`{onViolation: Revoke, managedPolicies: {allowed: []}, inlinePolicies: Forbidden}`,
		`{onViolation: Revoke, retention: Forbidden, namespaceTrust: Forbidden}`,
		`{maxIdentities: 1, tagKeys: {allowed: []}}`,
		`{permissionsBoundary: "arn:aws:iam::123456789012:policy/boundary"}`,
	}
	lifeActions = []string{"Observe", "CreateRole", "DeleteRole", "UpdateAssumeRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy", "TagRole", "PutRolePermissionsBoundary"}
)

const lifeAdmin = "arn:aws:iam::123456789012:policy/admin"

// life is an identity to which anything happens, and an operator without a control plane.
type life struct {
	*unit

	rapid *rapid.T
	aws   *accountRoles
	// deleted is the number of objects of that name that were deleted.
	deleted int
}

func newLife(t *testing.T, r *rapid.T) *life {
	t.Helper()
	u, _ := newCluster(t, checkout(), shop())
	u.policies.documents[lifeAdmin] = adminDocument
	l := &life{unit: u, rapid: r, aws: &accountRoles{roles: map[string]*plan.Observed{}, fail: map[string]error{}}}
	l.aws.roles["foreign"] = &plan.Observed{Role: plan.Role{Name: "foreign", Path: unitCluster.RolePath, Trust: policy.DenyAllTrust()}, ID: "AROAFOREIGN"}
	l.restart()
	return l
}

// restart replaces the operator by one that knows nothing.
func (l *life) restart() {
	l.cache = newRoleCache()
	info := l.issuer.clusterInfo
	l.Reconciler = newReconciler(unitConfig, dependencies{
		client: client.WithFieldOwner(l.client, FieldManager), apiReader: l.client, roles: l.aws, cache: l.cache, clock: l.clock,
		clusterInfo: info, guardrails: guardrailReader{client: l.client},
		orphans:      newOrphans(OrphanSeal, l.clock, l.client, l.aws, guardrailReader{client: l.client}),
		policies:     newManagedPolicies(l.unit.policies, l.clock),
		retries:      newRetries(testingclock.NewFakeClock(l.clock.Now())),
		pods:         newPodIndex(),
		checkPending: func() bool { return false },
	})
	l.events = noEvents{}
}

// noEvents drops events.
type noEvents struct{}

func (noEvents) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}

func (l *life) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// step lets one thing happen.
func (l *life) step() {
	draw := func(label string, n int) int { return rapid.IntRange(0, n-1).Draw(l.rapid, label) }
	pi := l.stored()
	switch what := draw("step", 13); {
	case what == 0:
		l.clock.SetTime(l.clock.Now().Add([]time.Duration{time.Second, time.Minute, time.Hour}[draw("time", 3)]))
	case what == 1:
		l.restart()
	case what == 2:
		clear(l.aws.fail)
		l.aws.fail[lifeActions[draw("action", len(lifeActions))]] = []error{
			errors.New("no answer"), fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "denied"),
		}[draw("failure", 2)]
	case what == 3:
		clear(l.aws.fail)
	case what == 4:
		l.setGuardrail(draw("guardrail", len(lifeGuardrails)+1))
	case what == 5:
		l.drift(draw("drift", 6))
	case pi == nil:
		l.must(l.client.Create(l.t.Context(), checkout(func(pi *v1alpha1.PodIdentity) { pi.UID = types.UID(strings.Repeat("1", l.deleted+1)) })))
	case what == 6 && pi.DeletionTimestamp.IsZero():
		l.delete()
	case what == 7:
		pi.Finalizers = slices.DeleteFunc(pi.Finalizers, func(f string) bool { return f == v1alpha1.Finalizer })
		l.must(l.client.Update(l.t.Context(), pi))
		l.noticeGone(pi)
	case what == 8 && pi.DeletionTimestamp.IsZero():
		l.edit(func(pi *v1alpha1.PodIdentity) {
			pi.Spec.Suspend = draw("suspend", 3) == 0
			pi.Spec.Mode = []v1alpha1.Mode{v1alpha1.ModeApply, v1alpha1.ModePlan}[draw("mode", 2)]
			pi.Spec.DeletionPolicy = []v1alpha1.DeletionPolicy{v1alpha1.DeletionDelete, v1alpha1.DeletionRetain}[draw("deletion", 2)]
		})
	case what == 9 && pi.DeletionTimestamp.IsZero():
		l.setSpec(lifeSpecs[draw("spec", len(lifeSpecs))])
	default:
		l.reconcileOnce()
	}
}

func (l *life) delete() {
	pi := l.stored()
	l.must(l.client.Delete(l.t.Context(), pi))
	l.noticeGone(pi)
}

// noticeGone notifies the operator if the object no longer exists.
func (l *life) noticeGone(pi *v1alpha1.PodIdentity) {
	if l.stored() == nil {
		l.deleted++
		l.objectGone(pi)
	}
}

func (l *life) setSpec(text string) {
	l.edit(func(pi *v1alpha1.PodIdentity) {
		before := pi.Spec
		pi.Spec = v1alpha1.PodIdentitySpec{}
		l.must(yaml.UnmarshalStrict([]byte(text), &pi.Spec))
		pi.Spec.Suspend, pi.Spec.Mode, pi.Spec.DeletionPolicy = before.Suspend, before.Mode, before.DeletionPolicy
	})
}

// setGuardrail replaces the guardrail of the namespace; past the last one there is none.
func (l *life) setGuardrail(i int) {
	l.must(l.client.DeleteAllOf(l.t.Context(), &v1alpha1.PodIdentityGuardrail{}))
	if i == len(lifeGuardrails) {
		return
	}
	g := &v1alpha1.PodIdentityGuardrail{}
	g.Name = "tenants"
	l.must(yaml.UnmarshalStrict([]byte(lifeGuardrails[i]), &g.Spec))
	l.must(l.client.Create(l.t.Context(), g))
}

// drift changes the role out of band.
func (l *life) drift(how int) {
	role := l.aws.roles[plan.RoleName("prod", "shop", "checkout")]
	if role == nil {
		return
	}
	switch how {
	case 0:
		delete(l.aws.roles, role.Name)
	case 1:
		role.Role = plan.After(role.Role, []plan.Change{plan.AttachPolicy{ARN: lifeAdmin}})
	case 2:
		role.Trust = foreignTrust
	case 3:
		role.Role = plan.After(role.Role, []plan.Change{plan.PutRolePolicy{Name: "foreign", Policy: plan.InlinePolicy{Document: everythingDocument}}})
	case 4:
		role.Boundary = ""
	default:
		role.Managed = nil
	}
}

var (
	foreignTrust = policy.Policy{Version: policy.Version2012, Statements: []policy.Statement{
		{Effect: policy.Allow, Principals: []policy.Principal{{Type: policy.AWS, ID: "123456789012"}}, Actions: []string{"sts:AssumeRole"}},
	}}.Document()
	everythingDocument = policy.Policy{Version: policy.Version2012, Statements: []policy.Statement{
		{Effect: policy.Allow, Actions: []string{"*"}, Resources: []string{"*"}},
	}}.Document()
)

// reconcileOnce reconciles the object if it exists. The operator gives the role nothing
// that the guardrails reject, and never touches a role of another owner.
func (l *life) reconcileOnce() {
	pi := l.stored()
	if pi == nil {
		return
	}
	name := plan.RoleName("prod", "shop", "checkout")
	before := map[string]*plan.Observed{}
	for role := range l.aws.roles {
		before[role] = l.aws.observed(role)
	}
	set, err := l.guardrails.reader.forNamespace(l.t.Context(), "shop")
	l.must(err)
	_, _ = l.Reconcile(l.t.Context(), pi) // of the result, only the objects and roles count here
	l.noticeGone(pi)
	after := l.aws.roles[name]
	if !slices.Equal(slices.Sorted(maps.Keys(l.aws.roles)), slices.Sorted(maps.Keys(before))) {
		for role := range before {
			if l.aws.roles[role] == nil && role != name {
				l.rapid.Fatalf("role %s is gone", role)
			}
		}
	}
	if foreign := l.aws.roles["foreign"]; foreign == nil || foreign.Trust != before["foreign"].Trust || len(foreign.Tags) > 0 {
		l.rapid.Fatalf("the role of another owner changed: %+v", foreign)
	}
	if after == nil {
		return
	}
	l.checkGranted(set, before[name], after)
}

// checkGranted fails if a role got something that the guardrails reject.
func (l *life) checkGranted(set guardrail.Set, before, after *plan.Observed) {
	had := plan.Role{}
	if before != nil {
		had = before.Role
	}
	var gained plan.Role
	gained.Boundary = after.Boundary
	for _, arn := range after.Managed {
		if !slices.Contains(had.Managed, arn) {
			gained.Managed = append(gained.Managed, arn)
		}
	}
	gained.Inline = map[string]plan.InlinePolicy{}
	for name, in := range after.Inline {
		if had.Inline[name].Document != in.Document {
			gained.Inline[name] = in
		}
	}
	contents := map[string]guardrail.Contents{}
	for arn, document := range l.unit.policies.documents {
		contents[arn] = guardrail.ReadContents(document)
	}
	if len(gained.Managed)+len(gained.Inline) > 0 {
		if err := set.EvaluateRole(gained, "shop", guardrail.Facts{Managed: contents}).Err; err != nil {
			l.rapid.Fatalf("the role got managed policies %v and inline policies %v: %v", gained.Managed, gained.Inline, err)
		}
	}
	generated := strings.Contains(string(after.Trust), "oidc.example.com") && strings.Contains(string(after.Trust), "system:serviceaccount:shop:")
	if after.Trust != had.Trust && after.Trust != policy.DenyAllTrust() && !generated {
		l.rapid.Fatalf("the role got the trust policy %s", after.Trust)
	}
}

// settle reconciles often enough that nothing is left to do.
func (l *life) settle() {
	for range 4 {
		if pi := l.stored(); pi != nil && pi.DeletionTimestamp.IsZero() {
			l.edit(func(pi *v1alpha1.PodIdentity) {
				pi.Annotations = map[string]string{v1alpha1.RequestedAtAnnotation: l.clock.Now().String()}
			})
		}
		l.reconcileOnce()
		l.clock.SetTime(l.clock.Now().Add(time.Hour))
	}
}

// lifeOfAnIdentity draws what happens to an identity: edits, deletions, removed finalizers,
// drift, guardrails, failures of AWS and restarts. Whatever it was, a guardrail that revokes
// then takes all permissions, a valid spec becomes ready without one, and a deletion leaves
// nothing.
func lifeOfAnIdentity(t *testing.T, r *rapid.T) {
	l := newLife(t, r)
	for range rapid.IntRange(1, 15).Draw(r, "steps") {
		l.step()
	}
	name := plan.RoleName("prod", "shop", "checkout")
	clear(l.aws.fail)
	if pi := l.stored(); pi != nil && pi.DeletionTimestamp.IsZero() {
		const denyAll = 2
		l.setGuardrail(denyAll)
		l.settle()
		role := l.aws.roles[name]
		if role != nil && l.ownsRole(role) && len(role.Managed)+len(role.Inline) > 0 {
			r.Fatalf("a guardrail that revokes leaves managed policies %v and inline policies %v", role.Managed, slices.Collect(maps.Keys(role.Inline)))
		}
		l.setGuardrail(len(lifeGuardrails))
		l.edit(func(pi *v1alpha1.PodIdentity) {
			pi.Spec = v1alpha1.PodIdentitySpec{Role: v1alpha1.RoleSpec{AdoptionPolicy: v1alpha1.AdoptionIfTagged}, Policies: checkout().Spec.Policies}
		})
		l.settle()
		if got := l.condition(v1alpha1.ConditionReady); got != "True Succeeded" {
			r.Fatalf("Ready = %s, want True Succeeded: %+v", got, l.stored().Status.Conditions)
		}
		if role = l.aws.roles[name]; role == nil || !slices.Equal(role.Managed, []string{s3ReadOnly}) || len(role.Inline) > 0 || !strings.Contains(string(role.Trust), "shop:checkout") {
			r.Fatalf("the role of a ready identity is %+v", role)
		}
		l.delete()
	}
	l.settle()
	if l.stored() != nil {
		r.Fatalf("the object still exists: %+v", l.stored().Status.Conditions)
	}
}

func (l *life) ownsRole(role *plan.Observed) bool {
	return role.OwnershipBy(plan.OwnerOf(l.stored(), plan.Cluster{Name: "prod", ID: unitClusterID})) == plan.Owned
}

func TestReconcile_AnythingMayHappenToAnIdentity(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) { lifeOfAnIdentity(t, r) })
}

// FuzzReconcile looks for a life of an identity in which a role gets what a guardrail
// rejects, or the desired state is not reached.
func FuzzReconcile(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		rapid.MakeFuzz(func(r *rapid.T) { lifeOfAnIdentity(t, r) })(t, data)
	})
}
