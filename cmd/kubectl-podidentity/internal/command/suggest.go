package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/account"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/conversion"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/narrow"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
)

// suggestOptions are the flags of the command.
type suggestOptions struct {
	replaceWildcards bool
	timeout          time.Duration
}

func newSuggest(s *session) *cobra.Command {
	var o suggestOptions
	cmd := &cobra.Command{
		Use:   "suggest NAME",
		Short: "Suggest smaller policies for an identity, based on what its pods use",
		Long: `Compare the policies of an identity with IAM's last-accessed information about its role.
Print the PodIdentity without the permissions that were not used, and a list of what
would be removed. It changes nothing: copy spec.policies to where the PodIdentity is
managed.

IAM's information is up to 4 hours old and goes back 400 days. It also counts denied
attempts as use. IAM records for every service whether it was used, and does the same
for some actions, most of them management actions. Actions that it does not record stay,
and so do wildcards, unless their service was not used. --replace-wildcards replaces
wildcards with the recorded actions that were used; this also removes actions that IAM
does not record, such as reading an object of S3.

The exit code is 1 if something would be removed. It needs iam:GetRole,
iam:GenerateServiceLastAccessedDetails, iam:GetServiceLastAccessedDetails and, with
managed policies, iam:GetPolicy and iam:GetPolicyVersion.`,
		Example: `  kubectl podidentity suggest -n shop checkout
  kubectl podidentity suggest -n shop checkout | kubectl podidentity plan -f -`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.names,
		RunE:              func(cmd *cobra.Command, args []string) error { return suggest(cmd.Context(), s, o, args[0]) },
	}
	cmd.Flags().BoolVar(&o.replaceWildcards, "replace-wildcards", false, "Replace wildcards with the recorded actions that were used.")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 2*time.Minute, "How long to wait for IAM's report.")
	return cmd
}

// suggested is the result of the command.
type suggested struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	RoleARN   string `json:"roleARN"`
	// UpToHoursOld is how old IAM's information may be.
	UpToHoursOld int `json:"upToHoursOld"`
	narrow.Suggestion

	// Identity is the smaller one.
	Identity *v1alpha1.PodIdentity `json:"identity"`
}

// hoursOld is how old IAM's last-accessed information may be.
const hoursOld = 4

func suggest(ctx context.Context, s *session, o suggestOptions, name string) error {
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
	arn, ok := role.ParseARN(statusARN(pi))
	if !ok {
		return fmt.Errorf("PodIdentity %s/%s has no role yet; see: kubectl podidentity status -n %s %s", pi.Namespace, pi.Name, pi.Namespace, pi.Name)
	}
	facts, err := s.gatherUse(ctx, o, pi, arn)
	if err != nil {
		return err
	}
	r := suggested{Namespace: pi.Namespace, Name: pi.Name, RoleARN: statusARN(pi), UpToHoursOld: hoursOld, Suggestion: narrow.Suggest(pi, facts)}
	r.Identity = &v1alpha1.PodIdentity{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "PodIdentity"},
		ObjectMeta: metav1.ObjectMeta{Namespace: pi.Namespace, Name: pi.Name},
		Spec:       *pi.Spec.DeepCopy(),
	}
	r.Identity.Spec.Policies = r.Policies
	if format.Program() {
		err = output.Encode(s.process.Out, format, r)
	} else {
		err = printSuggested(s.process.Out, r)
	}
	if err == nil && len(r.Removals) > 0 {
		return errFinding
	}
	return err
}

// gatherUse reads what the role of an identity used.
func (s *session) gatherUse(ctx context.Context, o suggestOptions, pi *v1alpha1.PodIdentity, arn role.ARN) (narrow.Facts, error) {
	f := narrow.Facts{Managed: map[string]role.Document{}, Now: time.Now(), ReplaceWildcards: o.replaceWildcards}
	a, err := s.account(ctx)
	if err != nil {
		return f, err
	}
	caller, err := a.Caller(ctx)
	if err != nil {
		return f, err
	}
	if caller.AccountID != arn.AccountID {
		return f, fmt.Errorf("the role is in AWS account %s, but your credentials are of account %s; choose another --aws-profile", arn.AccountID, caller.AccountID)
	}
	found, err := a.Role(ctx, arn.Name)
	if err == nil && found == nil {
		err = errors.New("role " + arn.Name + " does not exist in AWS account " + arn.AccountID)
	}
	if err != nil {
		return f, err
	}
	f.Created = found.Created
	for _, managed := range pi.Spec.Policies.Managed {
		document, err := a.ManagedPolicy(ctx, string(managed))
		if err != nil && !account.IsDenied(err) {
			return f, err
		}
		f.Managed[string(managed)] = document
	}
	waiting, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	f.Services, err = a.LastAccessed(waiting, statusARN(pi))
	return f, err
}

// comments returns the comments on a suggestion.
func (r suggested) comments() []string {
	lines := []string{fmt.Sprintf("Based on IAM's last-accessed information, which is up to %d hours old and goes back 400 days.", r.UpToHoursOld)}
	for _, note := range r.Notes {
		lines = append(lines, "Note: "+note+".")
	}
	if len(r.Removals) == 0 {
		lines = append(lines, "Nothing would be removed: everything that IAM records was used.")
	}
	for _, removal := range r.Removals {
		line := "Would be removed: " + permission(removal.Policy, removal.Action) + ": " + removal.Why
		if len(removal.Instead) > 0 {
			line += ": " + strings.Join(removal.Instead, ", ")
		}
		lines = append(lines, line)
	}
	for _, kept := range r.Kept {
		lines = append(lines, "Stays: "+permission(kept.Policy, kept.Action)+": "+kept.Why)
	}
	return lines
}

// permission names an action of a policy, or a whole policy.
func permission(policy, action string) string {
	if action == "" {
		return policy
	}
	return policy + ": " + action
}

// printSuggested prints the smaller identity as YAML, and the rest in comments.
func printSuggested(w io.Writer, r suggested) error {
	for _, line := range r.comments() {
		if _, err := fmt.Fprintln(w, "# "+output.Clean(line)); err != nil {
			return err
		}
	}
	object, err := conversion.Unstructured(r.Identity)
	if err != nil {
		return err
	}
	return output.Encode(w, output.YAML, object.Object)
}
