package command

import (
	"cmp"
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/access"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/cluster"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/forecast"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// auditGatherer reads what an audit is about, in a number of calls that does not grow
// with the identities.
type auditGatherer struct {
	session   *session
	options   auditOptions
	namespace string // empty: all

	accountID  string
	roles      map[string]*role.Role // by ARN
	contents   map[string]guardrail.Contents
	identities []v1alpha1.PodIdentity
	accounts   []metav1.PartialObjectMetadata // ServiceAccounts
	notes      []string
}

func (g *auditGatherer) gather(ctx context.Context) ([]access.Subject, error) {
	c, err := g.session.cluster()
	if err != nil {
		return nil, err
	}
	if g.identities, err = c.PodIdentities(ctx, g.namespace); err != nil {
		return nil, err
	}
	if g.accounts, err = c.ServiceAccounts(ctx, g.namespace); err != nil {
		return nil, err
	}
	if err := g.readAWS(ctx); err != nil {
		return nil, err
	}
	rejections, err := g.evaluate(ctx, c)
	if err != nil {
		return nil, err
	}
	return g.subjects(rejections), nil
}

func (g *auditGatherer) readAWS(ctx context.Context) error {
	a, err := g.session.account(ctx)
	if err != nil {
		return err
	}
	caller, err := a.Caller(ctx)
	if err != nil {
		return err
	}
	g.accountID = caller.AccountID
	all, err := a.Roles(ctx, "/")
	if err != nil {
		return err
	}
	g.roles, g.contents = map[string]*role.Role{}, map[string]guardrail.Contents{}
	for i := range all {
		r := &all[i]
		g.roles[r.ARN] = r
		for _, p := range r.Policies {
			if _, known := g.contents[p.ARN]; p.ARN != "" && p.Document != "" && !known {
				g.contents[p.ARN] = guardrail.ReadContents(string(p.Document))
			}
		}
	}
	return nil
}

// evaluate returns why guardrails reject identities, by the identities' keys. Without the
// permission to read guardrails, it evaluates none and adds a note.
func (g *auditGatherer) evaluate(ctx context.Context, c *cluster.Cluster) (map[client.ObjectKey]string, error) {
	rules, err := g.readRules(ctx, c)
	if err != nil {
		g.notes = append(g.notes, "identities were not evaluated against the guardrails: "+explain(err))
		return nil, ctx.Err()
	}
	rejections := map[client.ObjectKey]string{}
	byNamespace := map[string][]v1alpha1.PodIdentity{}
	for i := range g.identities {
		byNamespace[g.identities[i].Namespace] = append(byNamespace[g.identities[i].Namespace], g.identities[i])
	}
	for i := range g.identities {
		pi := &g.identities[i]
		facts := rules.facts
		facts.NamespaceLabels = rules.labels[pi.Namespace]
		facts.Older = forecast.Older(pi, byNamespace[pi.Namespace])
		facts.Managed = g.contents
		if rejection := forecast.Rejection(pi, facts); rejection != "" {
			rejections[client.ObjectKeyFromObject(pi)] = rejection
		}
	}
	return rejections, nil
}

// rules are what identities are evaluated against.
type rules struct {
	facts  forecast.Facts
	labels map[string]map[string]string // by namespace
}

func (g *auditGatherer) readRules(ctx context.Context, c *cluster.Cluster) (rules, error) {
	r := rules{labels: map[string]map[string]string{}}
	var err error
	if r.facts.Guardrails, err = c.Guardrails(ctx); err != nil {
		return r, err
	}
	namespaces, err := c.Namespaces(ctx)
	if err != nil {
		return r, err
	}
	for i := range namespaces {
		r.labels[namespaces[i].Name] = namespaces[i].Labels
	}
	in, err := c.Operator(ctx, g.options.namespace)
	switch {
	case err != nil && ctx.Err() != nil:
		return r, err
	case in == nil || in.OptionsProblem != "":
		g.notes = append(g.notes, "it is not known whether the operator requires a guardrail: its Deployment cannot be read")
	default:
		r.facts.RequireGuardrail = in.Options.RequireGuardrail
	}
	return r, nil
}

// subjects returns the identities, and the ServiceAccounts with a role that no PodIdentity manages.
func (g *auditGatherer) subjects(rejections map[client.ObjectKey]string) []access.Subject {
	var subjects []access.Subject
	managed := map[client.ObjectKey]string{} // role ARNs, by ServiceAccount
	for i := range g.identities {
		pi := &g.identities[i]
		s := access.Subject{
			Kind: access.KindPodIdentity, Namespace: pi.Namespace, Name: pi.Name, ServiceAccounts: plan.ServiceAccountsOf(pi),
			RoleARN: statusARN(pi), Rejection: rejections[client.ObjectKeyFromObject(pi)],
		}
		g.find(&s)
		subjects = append(subjects, s)
		for _, name := range s.ServiceAccounts {
			managed[client.ObjectKey{Namespace: pi.Namespace, Name: name}] = s.RoleARN
		}
	}
	for i := range g.accounts {
		sa := &g.accounts[i]
		arn := sa.Annotations[plan.AnnotationRoleARN]
		if arn == "" || managed[client.ObjectKeyFromObject(sa)] == arn {
			continue
		}
		s := access.Subject{Kind: access.KindServiceAccount, Namespace: sa.Namespace, Name: sa.Name, ServiceAccounts: []string{sa.Name}, RoleARN: arn}
		g.find(&s)
		subjects = append(subjects, s)
	}
	slices.SortStableFunc(subjects, func(a, b access.Subject) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	return subjects
}

// find adds the role of a subject, or why it is not known.
func (g *auditGatherer) find(s *access.Subject) {
	arn, isARN := role.ParseARN(s.RoleARN)
	switch found := g.roles[s.RoleARN]; {
	case found != nil:
		s.Role = found
	case s.RoleARN == "":
		s.Problem = "it has no role yet"
	case !isARN:
		s.Problem = "the annotation is not the ARN of a role"
	case arn.AccountID != g.accountID:
		s.Problem = "its role is in AWS account " + arn.AccountID + ", which was not read; choose another --aws-profile"
	default:
		s.Problem = "its role does not exist in AWS"
	}
}
