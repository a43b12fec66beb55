package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/account"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/chain"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/cluster"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
)

// gather reads what the cluster knows about a pod, or about a new one of a
// ServiceAccount.
func gather(ctx context.Context, c *cluster.Cluster, subject string) (chain.Facts, error) {
	kind, name, ok := strings.Cut(subject, "/")
	switch {
	case !ok:
		return gatherPod(ctx, c, subject)
	case kind == "pod" || kind == "pods" || kind == "po":
		return gatherPod(ctx, c, name)
	case kind == "sa" || kind == "serviceaccount" || kind == "serviceaccounts":
		return gatherAccount(ctx, c, c.Namespace, name)
	default:
		return chain.Facts{}, fmt.Errorf("invalid argument %q: must be a pod or sa/NAME", subject)
	}
}

func gatherPod(ctx context.Context, c *cluster.Cluster, name string) (chain.Facts, error) {
	pod, err := c.Pod(ctx, name)
	if err != nil {
		return chain.Facts{}, err
	}
	f := chain.Facts{Pod: pod}
	name = pod.Spec.ServiceAccountName
	f.ServiceAccount, err = c.ServiceAccount(ctx, pod.Namespace, name)
	if err != nil {
		return f, err
	}
	if f.ServiceAccount != nil {
		if f.NewPod, err = c.NewPod(ctx, pod.Namespace, name, pod); err != nil {
			f.NewPod, f.NewPodProblem = nil, explain(err)
		}
	}
	gatherShared(ctx, c, &f, name)
	return f, nil
}

func gatherAccount(ctx context.Context, c *cluster.Cluster, namespace, name string) (chain.Facts, error) {
	f := chain.Facts{Pod: &corev1.Pod{}}
	f.Pod.Namespace, f.Pod.Spec.ServiceAccountName = namespace, name
	var err error
	f.ServiceAccount, err = c.ServiceAccount(ctx, namespace, name)
	if err != nil || f.ServiceAccount == nil {
		return f, err
	}
	if f.NewPod, err = c.NewPod(ctx, namespace, name, nil); err != nil {
		return f, err
	}
	f.Pod = f.NewPod.DeepCopy()
	f.Pod.Name = "" // there is no such pod
	gatherShared(ctx, c, &f, name)
	return f, nil
}

func gatherShared(ctx context.Context, c *cluster.Cluster, f *chain.Facts, serviceAccount string) {
	var err error
	if f.Identity, err = c.IdentityOf(ctx, f.Pod.Namespace, serviceAccount); err != nil {
		f.Identity = nil // a hint for a fix, which most users of IRSA may not read
	}
	if f.Issuer, err = c.Issuer(ctx); err != nil {
		f.IssuerProblem = explain(err)
		if f.Identity != nil && f.Identity.Status.Issuer != "" {
			f.Issuer = f.Identity.Status.Issuer
		}
	}
}

func checkContainer(f chain.Facts) error {
	if f.Container == "" {
		return nil
	}
	for _, c := range slices.Concat(f.Pod.Spec.InitContainers, f.Pod.Spec.Containers) {
		if c.Name == f.Container {
			return nil
		}
	}
	return fmt.Errorf("pod %s has no container %q", f.Pod.Name, f.Container)
}

// roles is what the walk needs of an AWS account.
type roles interface {
	Caller(ctx context.Context) (account.Caller, error)
	Provider(ctx context.Context, arn string) (*role.Provider, error)
	Role(ctx context.Context, name string) (*role.Role, error)
	ReadPolicies(ctx context.Context, r *role.Role) error
	Simulate(ctx context.Context, roleARN, resource string, keys map[string][]string, actions ...string) ([]account.Simulated, error)
}

func (s *session) gatherAWS(ctx context.Context, t chain.Target, request *chain.Request, simulate bool) (*chain.AWS, error) {
	a, err := s.account(ctx)
	if err != nil {
		return nil, err
	}
	return readAWS(ctx, a, t, request, simulate)
}

// readAWS reads what AWS knows about the role. What the user may not read becomes a
// problem of that part; any other failure ends it.
func readAWS(ctx context.Context, a roles, t chain.Target, request *chain.Request, simulate bool) (*chain.AWS, error) {
	caller, err := a.Caller(ctx)
	if err != nil {
		return nil, err
	}
	found := &chain.AWS{AccountID: caller.AccountID}
	if caller.AccountID != t.Role.AccountID {
		return found, nil
	}
	if t.HostPath != "" {
		found.Provider, err = a.Provider(ctx, t.ProviderARN())
		if found.ProviderProblem, err = problem(err); err != nil {
			return nil, err
		}
	}
	found.Role, err = a.Role(ctx, t.Role.Name)
	if found.RoleProblem, err = problem(err); err != nil {
		return nil, err
	}
	if found.Role == nil || request == nil {
		return found, nil
	}
	found.PoliciesProblem, err = problem(a.ReadPolicies(ctx, found.Role))
	if err != nil || !simulate {
		return found, err
	}
	found.Simulation, err = simulateRequest(ctx, a, found.Role.ARN, request)
	return found, err
}

func simulateRequest(ctx context.Context, a roles, arn string, r *chain.Request) (*chain.Simulation, error) {
	answers, err := a.Simulate(ctx, arn, r.Resource, r.Context, r.Action)
	text, err := problem(err)
	if err != nil || text != "" {
		return &chain.Simulation{Problem: text}, err
	}
	if len(answers) == 0 {
		return &chain.Simulation{Problem: "IAM's policy simulator gave no answer"}, nil
	}
	return &chain.Simulation{Decision: answers[0].Decision, Statements: answers[0].Statements, DeniedBy: answers[0].DeniedBy}, nil
}

// problem returns a denial as text, and any other error as it is.
func problem(err error) (string, error) {
	if account.IsDenied(err) {
		return err.Error(), nil
	}
	return "", err
}
