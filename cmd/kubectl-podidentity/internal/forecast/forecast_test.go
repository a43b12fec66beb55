package forecast

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

func identity(name string, created time.Duration) v1alpha1.PodIdentity {
	pi := v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name)}}
	if created > 0 {
		pi.CreationTimestamp = metav1.NewTime(time.Unix(0, 0).Add(created))
	}
	return pi
}

func messages(findings []Finding) string {
	var all []string
	for _, f := range findings {
		all = append(all, fmt.Sprintf("%s %s: %s", f.State, f.Check, f.Message))
	}
	return strings.Join(all, "\n")
}

func facts() Facts {
	pi := identity("checkout", 0)
	return Facts{Cluster: ClusterFor(&pi, plan.Cluster{Name: "test", ID: "c"}), NamespaceLabels: NamespaceLabels("shop", nil), Quotas: plan.DefaultQuotas}
}

// A finding corresponds to the reason that the operator would report in a condition.
func TestEvaluate_FindsWhatTheOperatorWouldReport(t *testing.T) {
	const readOnly = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	broad := guardrail.ReadContents(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	selectsNone := v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{Name: "g"}}
	selectsNone.Spec.NamespaceSelector.MatchExpressions = []v1alpha1.NamespaceRequirement{{Key: "a", Operator: "Near"}}
	revokes := v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{Name: "g"}}
	revokes.Spec.ManagedPolicies.Allowed, revokes.Spec.OnViolation = []v1alpha1.Pattern{}, v1alpha1.ViolationRevoke
	cases := map[string]struct {
		reason string
		edit   func(*v1alpha1.PodIdentity, *Facts)
		want   string // part of the messages; empty if there are none
	}{
		"Fine":     {"Nothing is wrong.", func(*v1alpha1.PodIdentity, *Facts) {}, ""},
		"Unread":   {"Contents that are not known lead to no finding.", func(*v1alpha1.PodIdentity, *Facts) {}, ""},
		"Contents": {"The contents exceed the baseline.", func(_ *v1alpha1.PodIdentity, f *Facts) { f.Managed = map[string]guardrail.Contents{readOnly: broad} }, "broken guardrail: rejected by the built-in baseline"},
		"Selector": {"A guardrail that cannot be evaluated rejects everything.", func(_ *v1alpha1.PodIdentity, f *Facts) { f.Guardrails = []v1alpha1.PodIdentityGuardrail{selectsNone} }, "all PodIdentities are rejected until it is fixed"},
		"Revokes":  {"The message states that pods lose their permissions.", func(_ *v1alpha1.PodIdentity, f *Facts) { f.Guardrails = []v1alpha1.PodIdentityGuardrail{revokes} }, "the guardrail revokes the permissions of an existing role"},
		"Boundaries": {"Two guardrails require different boundaries.", func(_ *v1alpha1.PodIdentity, f *Facts) {
			f.Cluster.Boundary = "arn:aws:iam::000000000000:policy/a"
			g := v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{Name: "g"}}
			g.Spec.PermissionsBoundary = "arn:aws:iam::000000000000:policy/b"
			f.Guardrails = []v1alpha1.PodIdentityGuardrail{g}
		}, "conflicting permissions boundaries"},
		"Reserved": {"The operator's planner rejects it.", func(pi *v1alpha1.PodIdentity, _ *Facts) {
			pi.Spec.Role.Tags = map[string]v1alpha1.TagValue{"AWS:x": "y"}
		}, "broken spec: spec.role.tags[AWS:x]"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			pi, f := identity("checkout", 0), facts()
			pi.Spec.Policies.Managed = []v1alpha1.PolicyARN{readOnly}
			tc.edit(&pi, &f)
			_, findings := Evaluate(&pi, f)
			if got := messages(findings); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("Evaluate(): %q, want %q", got, tc.want)
			}
		})
	}
}

func TestRoleConflicts_RejectsTheRoleOfAnotherOwner(t *testing.T) {
	pi, cluster := identity("checkout", 0), facts().Cluster
	owner := plan.OwnerOf(&pi, cluster)
	stranger := owner
	stranger.UID = "other"
	desired := plan.Role{Name: "r", Path: cluster.RolePath}
	cases := map[string]struct {
		reason string
		role   *role.Role
		adopt  v1alpha1.AdoptionPolicy
		want   string
	}{
		"None":      {"The role does not exist.", nil, "", ""},
		"Owned":     {"The tags name the object.", &role.Role{Path: cluster.RolePath, Tags: owner.Tags()}, "", ""},
		"Untagged":  {"Another tool created the role.", &role.Role{Path: cluster.RolePath}, v1alpha1.AdoptionIfTagged, "is owned by an unknown owner"},
		"Adoptable": {"The spec does not allow adoption.", &role.Role{Path: cluster.RolePath, Tags: stranger.Tags()}, "", "set spec.role.adoptionPolicy: IfTagged"},
		"Adopted":   {"The spec allows adoption.", &role.Role{Path: cluster.RolePath, Tags: stranger.Tags()}, v1alpha1.AdoptionIfTagged, ""},
		"Path":      {"IAM cannot move a role.", &role.Role{Path: "/", Tags: owner.Tags()}, "", "the operator only manages roles under " + cluster.RolePath},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			pi.Spec.Role.AdoptionPolicy = tc.adopt
			got := messages(RoleConflicts(&pi, owner, Observed(tc.role, nil), desired))
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("RoleConflicts(): %q, want %q", got, tc.want)
			}
		})
	}
}

func TestServiceAccountChanges_ApplyAnnotateRelease(t *testing.T) {
	pi := identity("checkout", time.Hour)
	annotate := *pi.DeepCopy()
	annotate.Spec.ServiceAccount.Mode = v1alpha1.ServiceAccountAnnotate
	former := *pi.DeepCopy()
	former.Spec.AdditionalServiceAccounts = []v1alpha1.ServiceAccountName{"former"}
	arn := facts().Cluster.RoleARN(plan.NameOf(&pi, "test"))
	account := func(has string, owned bool) *corev1.ServiceAccount {
		sa := &corev1.ServiceAccount{}
		if has != "" {
			sa.Annotations = map[string]string{plan.AnnotationRoleARN: has, plan.AnnotationSTSRegionalEndpoints: "true"}
		}
		if owned {
			sa.OwnerReferences = []metav1.OwnerReference{{UID: pi.UID, Controller: new(true)}}
		}
		return sa
	}
	cases := map[string]struct {
		reason   string
		pi       v1alpha1.PodIdentity
		live     *v1alpha1.PodIdentity
		existing map[string]*corev1.ServiceAccount
		want     []string
		finding  string
	}{
		"Create":     {"The ServiceAccount does not exist.", pi, nil, nil, []string{"checkout create"}, ""},
		"InSync":     {"The ServiceAccount has the role.", pi, nil, map[string]*corev1.ServiceAccount{"checkout": account(arn, true)}, nil, ""},
		"Repair":     {"The annotation was removed.", pi, nil, map[string]*corev1.ServiceAccount{"checkout": account("", true)}, []string{"checkout annotate"}, ""},
		"NotOwned":   {"Another tool created the ServiceAccount.", pi, nil, map[string]*corev1.ServiceAccount{"checkout": account("", false)}, nil, "broken conflict: ServiceAccount checkout already exists"},
		"Annotate":   {"The identity annotates the ServiceAccount.", annotate, nil, map[string]*corev1.ServiceAccount{"checkout": account("", false)}, []string{"checkout annotate"}, ""},
		"Missing":    {"Another tool creates the ServiceAccount later.", annotate, nil, nil, nil, "warning conflict: ServiceAccount checkout does not exist"},
		"OtherRole":  {"During a migration, the user changes the annotation.", annotate, nil, map[string]*corev1.ServiceAccount{"checkout": account("arn:aws:iam::000000000000:role/old", false)}, nil, "warning conflict: ServiceAccount checkout has role arn:aws:iam::000000000000:role/old"},
		"NoLonger":   {"The spec no longer names the ServiceAccount.", pi, &former, map[string]*corev1.ServiceAccount{"checkout": account(arn, true), "former": account(arn, false)}, []string{"former release"}, ""},
		"NeverHadIt": {"The ServiceAccount has another role.", pi, &former, map[string]*corev1.ServiceAccount{"checkout": account(arn, true), "former": account("x", false)}, nil, ""},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			desired, findings := Evaluate(&tc.pi, facts())
			if len(findings) > 0 {
				t.Fatal(messages(findings))
			}
			changes, findings := ServiceAccountChanges(&tc.pi, tc.live, desired, tc.existing)
			var got []string
			for _, c := range changes {
				got = append(got, strings.TrimPrefix(c.On, "ServiceAccount ")+" "+c.Action)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("changes: -want, +got:\n%s", diff)
			}
			if text := messages(findings); (text == "") != (tc.finding == "") || !strings.Contains(text, tc.finding) {
				t.Errorf("findings: %q, want %q", text, tc.finding)
			}
		})
	}
}

// Of two identities, the older one has the ServiceAccount, and one that does not exist
// yet is the youngest.
func TestServiceAccountConflicts_OlderIdentityWins(t *testing.T) {
	all := []v1alpha1.PodIdentity{identity("a", 1*time.Hour), identity("b", 2*time.Hour), identity("c", 3*time.Hour)}
	for i := range all {
		all[i].Spec.ServiceAccount.Name = "same"
	}
	fresh := identity("d", 0)
	fresh.Spec.ServiceAccount.Name = "same"
	for _, tc := range []struct {
		pi    v1alpha1.PodIdentity
		older int
	}{{all[0], 0}, {all[1], 1}, {all[2], 2}, {fresh, 3}} {
		if got := Older(&tc.pi, all); got != tc.older {
			t.Errorf("Older(%s) = %d, want %d", tc.pi.Name, got, tc.older)
		}
		if got := len(ServiceAccountConflicts(&tc.pi, all)); got != tc.older {
			t.Errorf("ServiceAccountConflicts(%s) has %d findings, want %d", tc.pi.Name, got, tc.older)
		}
	}
}

func TestEvaluate_ReportsPlaceholders(t *testing.T) {
	cases := map[string]struct{ reason, resource, found string }{
		"Shell":       {"envsubst replaces it.", "arn:aws:s3:::${BUCKET}/*", "${BUCKET}"},
		"Documented":  {"Examples contain it.", "arn:aws:s3:::<bucket>/*", "<bucket>"},
		"Helm":        {"A template was not rendered.", "arn:aws:s3:::{{ .Values.bucket }}", "{{ .Values.bucket }}"},
		"Kubernetes":  {"It is a variable of a container.", "arn:aws:s3:::$(BUCKET)", "$(BUCKET)"},
		"Catalog":     {"It is the account of this project's catalog.", "arn:aws:sqs:eu-west-1:111122223333:q", "111122223333"},
		"Variable":    {"It is a policy variable of IAM.", "arn:aws:s3:::${aws:username}/*", ""},
		"Escaped":     {"It is how IAM escapes *.", "arn:aws:s3:::a/${*}", ""},
		"AccountLike": {"It is a longer number than an account ID.", "arn:aws:s3:::1111222233334", ""},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			pi := identity("checkout", 0)
			pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{
				{Name: "s", Statements: []v1alpha1.Statement{{Effect: "Allow", Resources: []v1alpha1.Resource{v1alpha1.Resource(tc.resource)}}}},
				{Name: "d", Document: fmt.Sprintf(`{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":%q}]}`, tc.resource)},
			}
			want := ""
			if tc.found != "" {
				want = "warning placeholder: spec.policies.inline[s].statements[0] and 1 more: the placeholder " + tc.found + " is left over; replace it with a value"
			}
			if got := messages(Placeholders(&pi)); got != want {
				t.Errorf("Placeholders(): %q, want %q", got, want)
			}
		})
	}
}
