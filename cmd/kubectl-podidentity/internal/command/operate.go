package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/readiness"
)

func newSuspend(s *session) *cobra.Command {
	return newOperation(s, operation{
		use: "suspend", done: "suspended",
		short: "Stop the operator from changing an identity",
		long: `Stop the operator from changing an identity, by spec.suspend. Its role and its
ServiceAccount stay as they are, and deletion still works.`,
		patch: func() string { return `{"spec":{"suspend":true}}` },
	})
}

func newResume(s *session) *cobra.Command {
	return newOperation(s, operation{
		use: "resume", done: "resumed",
		short: "Let the operator manage a suspended identity again",
		long:  `Let the operator manage a suspended identity again.`,
		patch: func() string { return `{"spec":{"suspend":false}}` },
	})
}

func newReconcile(s *session) *cobra.Command {
	return newOperation(s, operation{
		use: "reconcile", done: "asked to reconcile",
		short: "Request a reconciliation of an identity now",
		long: `Ask the operator to check an identity against AWS now, by an annotation. Otherwise
it does so at its next drift check, or when the PodIdentity changes.`,
		patch: func() string {
			return fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.RequestedAtAnnotation, time.Now().Format(time.RFC3339Nano))
		},
	})
}

// operation is a command that changes one PodIdentity.
type operation struct {
	use, short, long string
	done             string // past participle
	patch            func() string
}

// operated is the result of an operation.
type operated struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Operation string `json:"operation"`
	// Status is there if the user waited.
	Status *readiness.Readiness `json:"status,omitempty"`
}

func newOperation(s *session, o operation) *cobra.Command {
	var await bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   o.use + " NAME",
		Short: o.short,
		Long: o.long + `

With --wait it exits with 1 if the identity then needs an action by its user.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.names,
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.format(output.JSON, output.YAML)
			if err != nil {
				return err
			}
			result, err := o.run(cmd.Context(), s, args[0], await, timeout)
			if err != nil {
				return err
			}
			if err := s.report(format, result, func(p *output.Printer) { printOperated(p, result, o.done) }); err != nil {
				return err
			}
			if result.Status != nil && result.Status.Awaiting() == readiness.Failed {
				return errFinding
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&await, "wait", false, "Wait until the operator has handled the change.")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "How long to wait with --wait.")
	return cmd
}

func (o operation) run(ctx context.Context, s *session, name string, await bool, timeout time.Duration) (operated, error) {
	c, err := s.cluster()
	if err != nil {
		return operated{}, err
	}
	pi, err := c.PodIdentity(ctx, name)
	if err != nil {
		return operated{}, err
	}
	if err := c.Patch(ctx, pi, client.RawPatch(types.MergePatchType, []byte(o.patch()))); err != nil {
		return operated{}, err
	}
	result := operated{Namespace: pi.Namespace, Name: pi.Name, Operation: o.use}
	if !await {
		return result, nil
	}
	r := readiness.Of(pi)
	err = wait.PollUntilContextTimeout(ctx, time.Second, timeout, true, func(ctx context.Context) (bool, error) {
		pi, err := c.PodIdentity(ctx, name)
		if err != nil {
			return false, err
		}
		r = readiness.Of(pi)
		return r.Awaiting() != readiness.Pending, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return operated{}, fmt.Errorf("the operator has not handled PodIdentity %s/%s after %s (Ready is %s, %s: %s); check that the operator is running",
			pi.Namespace, pi.Name, timeout, r.Ready, r.Reason, r.Message)
	}
	result.Status = &r
	return result, err
}

func printOperated(p *output.Printer, o operated, done string) {
	p.Line(output.T("podidentity %s/%s %s", o.Namespace, o.Name, done))
	if o.Status == nil {
		return
	}
	style := output.Good
	if o.Status.Awaiting() == readiness.Failed {
		style = output.Bad
	}
	p.Line(output.In(style, "%s", o.Status.Reason), output.T(": %s", o.Status.Message))
}
