package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/account"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/cluster"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/tree"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/workload"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// statusQuery reads identities.
type statusQuery struct {
	cluster   *cluster.Cluster
	session   *session
	namespace string // empty: all
	name      string // empty: all
	skipAWS   bool

	aws    *awsFacts
	readAt time.Time
}

// awsFacts is what AWS knows about the roles of identities.
type awsFacts struct {
	roles   map[string]*role.Role // by ARN
	quotas  tree.Quotas
	problem string
}

// fewRoles is the number of roles up to which they are read one by one: each costs several
// calls, and a bulk read costs one per 1,000 roles of the account.
const fewRoles = 3

// run reads the identities once.
func (q *statusQuery) run(ctx context.Context) ([]tree.Identity, error) {
	found, err := q.identities(ctx)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	pods, err := q.cluster.Pods(ctx, q.namespace)
	if err != nil {
		return nil, err
	}
	serviceAccounts, err := q.cluster.ServiceAccounts(ctx, q.namespace)
	if err != nil {
		return nil, err
	}
	owners, err := q.cluster.Owners(ctx, q.namespace)
	if err != nil {
		return nil, err
	}
	if !q.skipAWS && (q.aws == nil || time.Since(q.readAt) > watchAWSInterval) {
		q.aws, q.readAt = q.readAWS(ctx, found), time.Now()
	}
	known := index(pods, serviceAccounts, owners)
	identities := make([]tree.Identity, len(found))
	for i := range found {
		identities[i] = tree.Build(q.facts(&found[i], known))
	}
	return identities, nil
}

func (q *statusQuery) identities(ctx context.Context) ([]v1alpha1.PodIdentity, error) {
	if q.name == "" {
		return q.cluster.PodIdentities(ctx, q.namespace)
	}
	pi, err := q.cluster.PodIdentity(ctx, q.name)
	if err != nil {
		return nil, err
	}
	return []v1alpha1.PodIdentity{*pi}, nil
}

// accounts is what the cluster knows about ServiceAccounts, by their namespace and
// name.
type accounts struct {
	pods        map[client.ObjectKey][]corev1.Pod
	annotations map[client.ObjectKey]string // the role; there if the ServiceAccount is
	owners      map[string]workload.Owners  // by namespace
}

func index(pods []corev1.Pod, all []metav1.PartialObjectMetadata, owners map[string]workload.Owners) accounts {
	a := accounts{pods: map[client.ObjectKey][]corev1.Pod{}, annotations: map[client.ObjectKey]string{}, owners: owners}
	for i := range pods {
		key := client.ObjectKey{Namespace: pods[i].Namespace, Name: pods[i].Spec.ServiceAccountName}
		a.pods[key] = append(a.pods[key], pods[i])
	}
	for i := range all {
		a.annotations[client.ObjectKeyFromObject(&all[i])] = all[i].Annotations[plan.AnnotationRoleARN]
	}
	return a
}

func (q *statusQuery) facts(pi *v1alpha1.PodIdentity, known accounts) tree.Facts {
	f := tree.Facts{Identity: *pi, Annotations: map[string]string{}}
	var own []corev1.Pod
	for _, name := range plan.ServiceAccountsOf(pi) {
		key := client.ObjectKey{Namespace: pi.Namespace, Name: name}
		own = append(own, known.pods[key]...)
		if carried, exists := known.annotations[key]; exists {
			f.Annotations[name] = carried
		}
	}
	arn := ""
	if pi.Status.Role != nil {
		arn = pi.Status.Role.ARN
	}
	f.Workloads = workload.Group(own, known.owners[pi.Namespace], arn)
	if q.aws == nil || arn == "" {
		return f
	}
	f.Role, f.Quotas = q.aws.roles[arn], q.aws.quotas
	if f.Role == nil && q.aws.problem == "" {
		f.RoleProblem = "AWS has no such role"
	}
	return f
}

// readAWS reads the roles of the identities, and the quotas of the account. A failure
// becomes the problem; status still shows the rest.
func (q *statusQuery) readAWS(ctx context.Context, identities []v1alpha1.PodIdentity) *awsFacts {
	facts := &awsFacts{roles: map[string]*role.Role{}}
	if err := q.fill(ctx, facts, identities); err != nil {
		facts.problem = explain(err)
	}
	return facts
}

func (q *statusQuery) fill(ctx context.Context, facts *awsFacts, identities []v1alpha1.PodIdentity) error {
	a, err := q.session.account(ctx)
	if err != nil {
		return err
	}
	if len(identities) > fewRoles {
		err = fillAll(ctx, a, facts)
	} else {
		err = fillEach(ctx, a, facts, identities)
	}
	if err != nil {
		return err
	}
	summary, err := a.Quotas(ctx)
	facts.quotas = tree.Quotas{
		Managed:    int(summary["AttachedPoliciesPerRoleQuota"]),
		InlineSize: int(summary["RolePolicySizeQuota"]),
		TrustSize:  int(summary["AssumeRolePolicySizeQuota"]),
	}
	return err
}

func fillAll(ctx context.Context, a *account.Account, facts *awsFacts) error {
	all, err := a.Roles(ctx, "/")
	for i := range all {
		facts.roles[all[i].ARN] = &all[i]
	}
	return err
}

func fillEach(ctx context.Context, a *account.Account, facts *awsFacts, identities []v1alpha1.PodIdentity) error {
	for i := range identities {
		status := identities[i].Status.Role
		if status == nil || status.ARN == "" {
			continue
		}
		r, err := a.Role(ctx, status.Name)
		if err != nil {
			return err
		}
		if r == nil {
			continue
		}
		if err := a.ReadPolicies(ctx, r); err != nil {
			return err
		}
		facts.roles[r.ARN] = r
	}
	return nil
}

// missing states why AWS's part is missing, nil if it is not.
func (q *statusQuery) missing() error {
	if q.aws == nil || q.aws.problem == "" {
		return nil
	}
	return errors.New("what only AWS knows is missing: " + q.aws.problem + "; --skip-aws does not call AWS")
}

// warn writes an error that does not end the command to standard error, nothing for nil.
func (s *session) warn(err error) {
	if err != nil {
		fmt.Fprintln(s.process.Err, "warning: "+output.Clean(err.Error()))
	}
}
