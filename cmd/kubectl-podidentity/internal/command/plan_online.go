package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/account"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/cluster"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/forecast"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/operator"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// planner plans the objects of an input with a cluster and an account.
type planner struct {
	cluster *cluster.Cluster
	account *account.Account
	facts   forecast.Facts
	input   forecast.Input
	batch   forecast.Batch
	created map[string]int // new identities, by namespace
	notes   []string

	validate bool
	// boundaryUnknown reports that it is unknown which boundary the operator applies.
	boundaryUnknown bool
}

func planOnline(ctx context.Context, s *session, in forecast.Input, o planOptions) ([]string, error) {
	c, err := s.cluster()
	if err != nil {
		return nil, err
	}
	a, err := s.account(ctx)
	if err != nil {
		return nil, err
	}
	p := &planner{cluster: c, account: a, input: in, validate: o.validate, created: map[string]int{}}
	installed, err := s.clusterFacts(ctx, o)
	if err != nil {
		return nil, err
	}
	p.facts.Cluster, p.facts.RequireGuardrail = installed.Cluster, installed.requireGuardrail
	if installed.assumed {
		p.facts.Cluster.Boundary = o.boundary
		if p.boundaryUnknown = o.boundary == ""; p.boundaryUnknown {
			p.note("the permissions boundary: it is unknown which one the operator applies; set --permissions-boundary if it applies one")
		}
	}
	if err := p.readGuardrails(ctx); err != nil {
		return nil, err
	}
	for i := range in.Objects {
		if err := p.plan(ctx, &in.Objects[i]); err != nil {
			return nil, err
		}
	}
	return p.notes, nil
}

// installedCluster is the cluster as the operator sees it.
type installedCluster struct {
	plan.Cluster

	requireGuardrail bool
	// assumed reports that no Deployment shows how the operator runs: of its options only
	// the user's are known.
	assumed bool
}

// clusterFacts returns what the operator knows about the cluster and its account.
func (s *session) clusterFacts(ctx context.Context, o planOptions) (installedCluster, error) {
	var out installedCluster
	c, err := s.cluster()
	if err != nil {
		return out, err
	}
	in, err := c.Operator(ctx, o.namespace)
	switch {
	case err != nil && o.clusterName == "":
		return out, err
	case o.clusterName != "" && (in == nil || in.Options.ClusterName != o.clusterName):
		in, out.assumed = operator.Assumed("", "", o.clusterName, o.rolePath), true
	case in == nil:
		return out, errors.New("--cluster-name is required: the cluster has no Deployment of the operator that sets it")
	}
	if in.OptionsProblem != "" {
		return out, errors.New("the options of the operator cannot be read: " + in.OptionsProblem + "; set --cluster-name")
	}
	issuer := in.Options.OIDCIssuer
	if issuer == "" {
		if issuer, err = c.Issuer(ctx); err != nil {
			return out, err
		}
	}
	id, err := c.NamespaceOf(ctx, metav1.NamespaceSystem)
	if err != nil || id == nil {
		return out, fmt.Errorf("the cluster's ID, the UID of namespace %s, cannot be read: %w", metav1.NamespaceSystem, err)
	}
	a, err := s.account(ctx)
	if err != nil {
		return out, err
	}
	caller, err := a.Caller(ctx)
	if err != nil {
		return out, err
	}
	out.requireGuardrail = in.Options.RequireGuardrail
	out.Cluster = plan.Cluster{
		Name: in.Options.ClusterName, ID: string(id.UID), AdoptFrom: in.Options.AdoptFromClusterID, IgnoredTags: in.Options.IgnoreTagPrefixes,
		Partition: caller.Partition, AccountID: caller.AccountID, Issuer: issuer, Audience: in.Options.Audience,
		RolePath: in.Options.RolePath, Boundary: in.Options.PermissionsBoundary,
	}
	return out, nil
}

// readGuardrails reads the guardrails of the cluster. Those of the input replace them.
func (p *planner) readGuardrails(ctx context.Context) error {
	applied, err := p.cluster.Guardrails(ctx)
	if err != nil {
		return err
	}
	if err := p.input.Applied(forecast.Input{Guardrails: applied}); err != nil {
		return err
	}
	p.facts.Guardrails = p.input.Guardrails
	p.facts.Managed = map[string]guardrail.Contents{}
	return nil
}

// plan plans one object of the input.
func (p *planner) plan(ctx context.Context, o *forecast.Object) error {
	if o.Source == nil {
		return nil
	}
	applied, err := p.cluster.DryRunApply(ctx, o.Source)
	if err != nil {
		return err
	}
	switch {
	case applied.Rejection != "":
		o.Findings = nil // the API server's words replace those of this version's schema
		o.Add(forecast.Broken(forecast.CheckAdmission, applied.Rejection))
		return nil
	case applied.NoNamespace && p.input.Namespaces[o.Namespace] == nil:
		o.Add(forecast.Broken(forecast.CheckAdmission, "namespace "+o.Namespace+" does not exist, and is not in the input"))
		return nil
	case !applied.NoNamespace:
		o.Findings = nil
		o.Add()
	}
	objectChange(o, applied)
	if o.Identity == nil {
		return nil
	}
	if applied.Result != nil {
		o.Identity = &v1alpha1.PodIdentity{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(applied.Result.Object, o.Identity); err != nil {
			return err
		}
	}
	return p.planIdentity(ctx, o, applied.Live)
}

// objectChange records what changes of the object itself.
func objectChange(o *forecast.Object, applied cluster.Applied) {
	on := o.Kind + " " + o.Name
	switch {
	case applied.Live == nil:
		o.Action = "create"
		o.Changes = append(o.Changes, forecast.Change{On: on, Action: "create"})
	case equality.Semantic.DeepEqual(applied.Live.Object["spec"], applied.Result.Object["spec"]):
		o.Action = "none"
	default:
		o.Action = "change"
		o.Changes = append(o.Changes, forecast.Change{On: on, Action: "update", Before: specOf(applied.Live), After: specOf(applied.Result)})
	}
}

func specOf(u *unstructured.Unstructured) string {
	raw, err := json.Marshal(u.Object["spec"])
	if err != nil {
		return ""
	}
	return string(raw)
}

// planIdentity plans an identity that the API server accepts.
func (p *planner) planIdentity(ctx context.Context, o *forecast.Object, live *unstructured.Unstructured) error {
	pi := o.Identity
	existing, err := identityOf(live)
	if err != nil {
		return err
	}
	if existing == nil {
		pi.UID, pi.CreationTimestamp = "new", metav1.Time{} // those of a dry run mean nothing
	} else if arn, ok := role.ParseARN(statusARN(existing)); ok && arn.AccountID != p.facts.Cluster.AccountID {
		return fmt.Errorf("the role of PodIdentity %s/%s is in AWS account %s, but your credentials are of account %s; choose another --aws-profile",
			pi.Namespace, pi.Name, arn.AccountID, p.facts.Cluster.AccountID)
	}
	conflicts, _ := p.batch.Add(pi, o.File)
	o.Add(conflicts...)
	facts, err := p.factsFor(ctx, o, existing)
	if err != nil {
		return err
	}
	desired, findings := forecast.Evaluate(pi, facts)
	o.Add(findings...)
	o.Add(forecast.Placeholders(pi)...)
	if p.validate {
		if err := p.analyze(ctx, o, desired); err != nil {
			return err
		}
	}
	if forecast.Rejected(o.Findings) {
		return nil
	}
	return p.planChanges(ctx, o, existing, desired)
}

func identityOf(u *unstructured.Unstructured) (*v1alpha1.PodIdentity, error) {
	if u == nil {
		return nil, nil
	}
	pi := &v1alpha1.PodIdentity{}
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, pi)
	return pi, err
}

func statusARN(pi *v1alpha1.PodIdentity) string {
	if pi.Status.Role == nil {
		return ""
	}
	return pi.Status.Role.ARN
}

// factsFor reads what the operator knows when it reconciles the identity.
func (p *planner) factsFor(ctx context.Context, o *forecast.Object, existing *v1alpha1.PodIdentity) (forecast.Facts, error) {
	facts, pi := p.facts, o.Identity
	facts.NamespaceLabels = p.input.Namespaces[pi.Namespace]
	if facts.NamespaceLabels == nil {
		ns, err := p.cluster.NamespaceOf(ctx, pi.Namespace)
		if err != nil {
			return facts, err
		}
		if ns != nil {
			facts.NamespaceLabels = ns.Labels
		}
	}
	all, err := p.cluster.PodIdentities(ctx, pi.Namespace)
	if err != nil {
		return facts, err
	}
	o.Add(forecast.ServiceAccountConflicts(pi, all)...)
	facts.Older = forecast.Older(pi, all)
	if existing == nil {
		facts.Older += p.created[pi.Namespace]
		p.created[pi.Namespace]++
	}
	if err := p.readManaged(ctx, o); err != nil {
		return facts, err
	}
	return p.withQuotas(ctx, pi, facts)
}

// readManaged reads the managed policies of an identity. One that does not exist is a
// finding: AWS rejects it.
func (p *planner) readManaged(ctx context.Context, o *forecast.Object) error {
	for i, arn := range o.Identity.Spec.Policies.Managed {
		document, err := p.account.ManagedPolicy(ctx, string(arn))
		denied, err := problem(err)
		switch {
		case err != nil:
			return err
		case denied != "":
			p.note("the contents of managed policy " + string(arn) + ": " + denied)
		case document == "":
			o.Add(forecast.Broken(forecast.CheckSpec, fmt.Sprintf("spec.policies.managed[%d]: policy %s does not exist", i, arn)))
		default:
			p.facts.Managed[string(arn)] = guardrail.ReadContents(string(document))
		}
	}
	return nil
}

func (p *planner) note(text string) {
	if !slices.Contains(p.notes, text) {
		p.notes = append(p.notes, text)
	}
}

// withQuotas adds the account's quotas, which are read only if those of every account
// do not suffice.
func (p *planner) withQuotas(ctx context.Context, pi *v1alpha1.PodIdentity, facts forecast.Facts) (forecast.Facts, error) {
	facts.Quotas = plan.DefaultQuotas
	if !forecast.AboveQuotas(pi, facts) {
		return facts, nil
	}
	quotas, err := p.account.Quotas(ctx)
	if denied, err := problem(err); err != nil || denied != "" {
		p.note("the quotas of the account: " + denied)
		return facts, err
	}
	facts.Quotas = plan.Quotas{
		AttachedPoliciesPerRole: int(quotas["AttachedPoliciesPerRoleQuota"]),
		AssumeRolePolicySize:    int(quotas["AssumeRolePolicySizeQuota"]),
		RolePolicySize:          int(quotas["RolePolicySizeQuota"]),
	}
	return facts, nil
}

// planChanges compares the desired state with AWS and the ServiceAccounts.
func (p *planner) planChanges(ctx context.Context, o *forecast.Object, existing *v1alpha1.PodIdentity, desired plan.State) error {
	pi := o.Identity
	found, err := p.account.Role(ctx, desired.Role.Name)
	if err != nil {
		return err
	}
	if found != nil {
		if err := p.account.ReadPolicies(ctx, found); err != nil {
			return err
		}
	}
	observed := forecast.Observed(found, p.facts.Cluster.IgnoredTags)
	if p.boundaryUnknown && observed != nil {
		desired.Role.Boundary = observed.Role.Boundary
	}
	o.Add(forecast.RoleConflicts(pi, plan.OwnerOf(pi, p.facts.Cluster), observed, desired.Role)...)
	accounts, err := p.serviceAccounts(ctx, pi, existing)
	if err != nil {
		return err
	}
	changes, findings := forecast.ServiceAccountChanges(pi, existing, desired, accounts)
	o.Add(findings...)
	if forecast.Rejected(o.Findings) {
		return nil
	}
	var current *plan.Role
	if observed != nil {
		current = &observed.Role
	}
	o.Changes = slices.Concat(o.Changes, forecast.RoleChanges(current, desired.Role), changes)
	if pi.Spec.Suspend {
		o.Add(forecast.Warn(forecast.CheckSpec, "spec.suspend is true: the operator applies the changes once it is false"))
	}
	if pi.Spec.Mode == v1alpha1.ModePlan {
		o.Add(forecast.Warn(forecast.CheckSpec, "spec.mode is Plan: the operator applies the changes once it is Apply"))
	}
	return nil
}

// serviceAccounts returns the ServiceAccounts of an identity as it will be and as it is,
// by name, without those that do not exist.
func (p *planner) serviceAccounts(ctx context.Context, pi, existing *v1alpha1.PodIdentity) (map[string]*corev1.ServiceAccount, error) {
	names := plan.ServiceAccountsOf(pi)
	if existing != nil {
		names = append(names, plan.ServiceAccountsOf(existing)...)
	}
	accounts := map[string]*corev1.ServiceAccount{}
	for _, name := range names {
		sa, err := p.cluster.ServiceAccount(ctx, pi.Namespace, name)
		if err != nil {
			return nil, err
		}
		if sa != nil {
			accounts[name] = sa
		}
	}
	return accounts, nil
}

// analyze asks IAM Access Analyzer about the inline policies.
func (p *planner) analyze(ctx context.Context, o *forecast.Object, desired plan.State) error {
	for _, name := range slices.Sorted(maps.Keys(desired.Role.Inline)) {
		inline := desired.Role.Inline[name]
		findings, err := p.account.ValidatePolicy(ctx, inline.Text())
		if err != nil {
			return err
		}
		for _, f := range findings {
			o.Add(forecast.Analyzed(name, f.Kind, f.Code, f.Message))
		}
	}
	return nil
}
