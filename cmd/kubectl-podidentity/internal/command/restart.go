package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/cluster"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/workload"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

func newRestart(s *session) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "restart NAME",
		Short: "Restart exactly the workloads whose pods lack the role",
		Long: `Restart the workloads that have pods without the role of the identity, as kubectl
rollout restart does, and no others. A pod gets its role when it is created, so only new
pods have it.

It first checks, with a server-side dry run, that a new pod would get the role; if not,
it restarts nothing. It lists pods that no rollout replaces, with what to do; then the
exit code is 1.`,
		Example: `  kubectl podidentity restart -n shop checkout --dry-run
  kubectl podidentity restart -n shop checkout`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.names,
		RunE:              func(cmd *cobra.Command, args []string) error { return restart(cmd.Context(), s, args[0], dryRun) },
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "Only show what would be restarted; the API server checks it.")
	return cmd
}

// restarted is the result of the command.
type restarted struct {
	Namespace string       `json:"namespace"`
	Name      string       `json:"name"`
	RoleARN   string       `json:"roleARN"`
	DryRun    bool         `json:"dryRun,omitempty"`
	Workloads []restarting `json:"workloads"`
}

// restarting is what happens to one workload.
type restarting struct {
	workload.Workload
	Restarted bool   `json:"restarted"`
	Todo      string `json:"todo,omitempty"`
}

func restart(ctx context.Context, s *session, name string, dryRun bool) error {
	format, err := s.format(output.JSON, output.YAML)
	if err != nil {
		return err
	}
	c, err := s.cluster()
	if err != nil {
		return err
	}
	pi, err := c.PodIdentity(ctx, name)
	if err != nil {
		return err
	}
	if pi.Status.Role == nil || pi.Status.Role.ARN == "" {
		return fmt.Errorf("PodIdentity %s/%s has no role yet; see: kubectl podidentity status -n %s %s", pi.Namespace, pi.Name, pi.Namespace, pi.Name)
	}
	result, err := restartOutdated(ctx, c, pi, dryRun)
	if err != nil {
		return err
	}
	if err := s.report(format, result, func(p *output.Printer) { printRestarted(p, result) }); err != nil {
		return err
	}
	for _, w := range result.Workloads {
		if !w.Restarted {
			return errFinding
		}
	}
	return nil
}

// restartOutdated restarts the workloads that have pods without the role, if new pods
// get it.
func restartOutdated(ctx context.Context, c *cluster.Cluster, pi *v1alpha1.PodIdentity, dryRun bool) (restarted, error) {
	result := restarted{Namespace: pi.Namespace, Name: pi.Name, RoleARN: pi.Status.Role.ARN, DryRun: dryRun}
	outdated, err := outdatedWorkloads(ctx, c, pi)
	if err != nil {
		return result, err
	}
	for _, w := range outdated {
		if err := requireInjection(ctx, c, pi, w); err != nil {
			return result, err
		}
	}
	for _, w := range outdated {
		one, err := restartOne(ctx, c, pi.Namespace, w, dryRun)
		if err != nil {
			return result, err
		}
		result.Workloads = append(result.Workloads, one)
	}
	return result, nil
}

// outdatedWorkloads returns the workloads that have pods without the role.
func outdatedWorkloads(ctx context.Context, c *cluster.Cluster, pi *v1alpha1.PodIdentity) ([]workload.Workload, error) {
	all, err := c.Pods(ctx, pi.Namespace)
	if err != nil {
		return nil, err
	}
	owners, err := c.Owners(ctx, pi.Namespace)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, name := range plan.ServiceAccountsOf(pi) {
		names[name] = true
	}
	var own []corev1.Pod
	for i := range all {
		if names[all[i].Spec.ServiceAccountName] {
			own = append(own, all[i])
		}
	}
	var outdated []workload.Workload
	for _, w := range workload.Group(own, owners[pi.Namespace], pi.Status.Role.ARN) {
		if len(w.Outdated()) > 0 {
			outdated = append(outdated, w)
		}
	}
	return outdated, nil
}

// requireInjection returns an error unless a new pod of the workload gets the role:
// otherwise a restart changes nothing.
func requireInjection(ctx context.Context, c *cluster.Cluster, pi *v1alpha1.PodIdentity, w workload.Workload) error {
	like, err := c.Pod(ctx, w.Outdated()[0].Name)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	probe, err := c.NewPod(ctx, pi.Namespace, w.ServiceAccount, like)
	if err != nil {
		return err
	}
	probed := workload.Group([]corev1.Pod{*probe}, nil, pi.Status.Role.ARN)
	if len(probed) == 1 && len(probed[0].Outdated()) == 0 {
		return nil
	}
	return fmt.Errorf("a new pod of ServiceAccount %s would not get the role either, so nothing was restarted; see: kubectl podidentity why -n %s sa/%s",
		w.ServiceAccount, pi.Namespace, w.ServiceAccount)
}

func restartOne(ctx context.Context, c *cluster.Cluster, namespace string, w workload.Workload, dryRun bool) (restarting, error) {
	one := restarting{Workload: w}
	object, err := c.Template(ctx, namespace, w)
	if err != nil {
		return one, err
	}
	if one.Todo, one.Restarted = workload.Restartable(w, namespace, object); !one.Restarted {
		return one, nil
	}
	return one, c.Restart(ctx, object, dryRun)
}

func printRestarted(p *output.Printer, r restarted) {
	if len(r.Workloads) == 0 {
		p.Line(output.T("All running pods have the role; nothing to restart."))
		return
	}
	done := "restarted"
	if r.DryRun {
		done = "would be restarted"
	}
	for _, w := range r.Workloads {
		what := fmt.Sprintf("%s %s (%d of %d pods)", w.Kind, w.Name, len(w.Outdated()), len(w.Pods))
		if w.Restarted {
			p.Line(symbols[check.OK], output.T(" %s %s", what, done))
			continue
		}
		p.Line(symbols[check.Warning], output.T(" %s not restarted", what))
		p.Line(output.In(output.Bold, "  → %s", strings.TrimSpace(w.Todo)))
	}
}
