package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/installation"
)

// checkout is the identity of the sample.
var checkout = client.ObjectKey{Namespace: "shop", Name: "checkout"}

// timeout is that of each wait of the demo; readyWithin is what it promises for an
// identity that was applied.
const (
	timeout     = 30 * time.Second
	readyWithin = 5 * time.Second
)

// tell tells the story, and stops at the first step that fails.
func tell(ctx context.Context, w *world) error {
	for _, step := range []func(context.Context, *world) error{
		install, create, prove, refuse, edit, tamper, check, overreach, remove,
	} {
		if err := step(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// install installs the operator as it is installed anywhere, but for its
// Deployment: there are no nodes here, so its binary runs as a process.
func install(ctx context.Context, w *world) error {
	w.out.chapter("Installing the operator")
	if err := w.installation().Apply(ctx, w.cluster); err != nil {
		return err
	}
	err := w.await(ctx, "the API of PodIdentities", func(ctx context.Context) (bool, error) {
		return w.user.List(ctx, &v1alpha1.PodIdentityList{}) == nil, nil
	})
	if err != nil {
		return err
	}
	w.out.done("kubectl apply -k config/default: the API, and RBAC for the operator")
	return connect(ctx, w)
}

// installation is that of the operator here.
func (w *world) installation() installation.Installation {
	return installation.Installation{Root: ".", Cluster: clusterName, AccountID: account, Issuer: w.cluster.Issuer}
}

// connect has IAM trust the cluster, and starts the operator.
func connect(ctx context.Context, w *world) error {
	provider, err := w.installation().TrustIssuer(ctx, w.iam)
	if err != nil {
		return err
	}
	w.out.done("aws iam create-open-id-connect-provider: IAM trusts this cluster's issuer\n      %s", provider)
	if w.granted, err = w.installation().Grant(ctx, w.iam); err != nil {
		return err
	}
	w.out.done("the operator's role, with exactly the policy in config/aws:\n      %s", w.granted.Role)
	if _, err := w.costs(ctx); err != nil {
		return err
	}
	if err := w.startOperator(ctx); err != nil {
		return err
	}
	err = w.await(ctx, "the operator to lead and to know its cluster", func(ctx context.Context) (bool, error) {
		calls, err := w.calls(ctx)
		return calls["GetOpenIDConnectProvider"] > 0, err
	})
	if err != nil {
		return err
	}
	w.out.done("the operator's own binary runs with exactly these permissions")
	_, err = w.costs(ctx)
	return err
}

// create applies the sample and waits until it is ready.
func create(ctx context.Context, w *world) error {
	w.out.chapter("A team applies one YAML, %s", sample)
	w.out.show(specOf(w.manifest))
	if err := w.apply(ctx, w.manifest); err != nil {
		return err
	}
	began := time.Now()
	pi, err := w.awaitReady(ctx)
	if err != nil {
		return err
	}
	took := time.Since(began)
	if took > readyWithin {
		return fmt.Errorf("the identity was ready after %s, which is more than %s", seconds(took), seconds(readyWithin))
	}
	w.role = pi.Status.Role.Name
	w.out.done("Ready after %s (including 1 s of IAM propagation delay)", seconds(took))
	table, err := w.kubectl(ctx, "", "get", "podid", "--namespace", checkout.Namespace)
	if err != nil {
		return err
	}
	w.out.show(table)
	w.out.show(conditions(pi.Status.Conditions))
	return leastCost(ctx, w, pi)
}

// leastCost tells what a new identity cost, which is to be no more than it must.
func leastCost(ctx context.Context, w *world, pi *v1alpha1.PodIdentity) error {
	cost, err := w.costs(ctx)
	if err != nil {
		return err
	}
	const reads = 2 // of the contents of a managed policy, at its first use
	managed := len(pi.Spec.Policies.Managed)
	least := 1 + managed + len(pi.Spec.Policies.Inline)
	if sum := total(cost); sum != least+reads*managed {
		return fmt.Errorf("the identity cost %d calls, not 1 + managed + inline = %d and %d reads: %s", sum, least, reads*managed, listed(cost))
	}
	w.out.line("    the minimum possible: 1 + managed + inline, and 2 reads at the first use of a managed policy")
	return nil
}

// edit changes the policy in the YAML and sees the role follow.
func edit(ctx context.Context, w *world) error {
	const added = "s3:DeleteObject"
	w.out.chapter("The team edits the YAML and adds %s", added)
	changed := strings.Replace(w.manifest, "actions: [s3:PutObject,", "actions: [s3:PutObject, "+added+",", 1)
	if changed == w.manifest {
		return errors.New("the sample does not have the action that the story edits")
	}
	old, err := w.actions(ctx, "receipts")
	if err != nil {
		return err
	}
	if err := w.apply(ctx, changed); err != nil {
		return err
	}
	if _, err := w.awaitReady(ctx); err != nil {
		return err
	}
	now, err := w.actions(ctx, "receipts")
	if err != nil {
		return err
	}
	if strings.Contains(old, added) || !strings.Contains(now, added) {
		return fmt.Errorf("the role did not follow; its policy allows %s", now)
	}
	w.out.done("the role is updated: aws iam get-role-policy --policy-name receipts")
	w.out.say("before: ", old)
	w.out.say("after:  ", now)
	_, err = w.costs(ctx)
	return err
}

// tamper changes the role behind the operator's back.
func tamper(ctx context.Context, w *world) error {
	w.out.chapter("Out-of-band change: AdministratorAccess is attached to the role")
	w.own["AttachRolePolicy"]++
	const admin = "arn:aws:iam::aws:policy/AdministratorAccess"
	if _, err := w.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &w.role, PolicyArn: aws.String(admin)}); err != nil {
		return err
	}
	if err := w.request(ctx, "demo"); err != nil {
		return err
	}
	if err := w.withoutPolicy(ctx, admin); err != nil {
		return err
	}
	said, err := w.awaitEvent(ctx, "CorrectedDrift")
	if err != nil {
		return err
	}
	w.out.done("drift corrected; see the event")
	w.out.say("", said)
	_, err = w.costs(ctx)
	return err
}

// withoutPolicy returns an error if the role has a managed policy.
func (w *world) withoutPolicy(ctx context.Context, arn string) error {
	w.own["ListAttachedRolePolicies"]++
	list, err := w.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &w.role})
	if err != nil {
		return err
	}
	for _, policy := range list.AttachedPolicies {
		if aws.ToString(policy.PolicyArn) == arn {
			return fmt.Errorf("the role still has %s", arn)
		}
	}
	return nil
}

// awaitEvent waits for an event, which is written a moment after the status, and
// returns what it says.
func (w *world) awaitEvent(ctx context.Context, reason string) (said string, err error) {
	err = w.await(ctx, "event "+reason, func(ctx context.Context) (bool, error) {
		var list eventsv1.EventList
		if err := w.user.List(ctx, &list, client.InNamespace(checkout.Namespace)); err != nil {
			return false, err
		}
		for i := range list.Items {
			if event := &list.Items[i]; event.Reason == reason && event.Regarding.Name == checkout.Name {
				said = event.Reason + ": " + event.Note
				return true, nil
			}
		}
		return false, nil
	})
	return said, err
}

// check asks for a full check of an identity that is in sync.
func check(ctx context.Context, w *world) error {
	if err := w.request(ctx, "demo-2"); err != nil {
		return err
	}
	w.out.done("another reconciliation finds the identity in sync and writes nothing")
	cost, err := w.costs(ctx)
	if err == nil && len(writes(cost)) > 0 {
		err = fmt.Errorf("an identity in sync cost writes: %s", listed(writes(cost)))
	}
	return err
}

// remove deletes the identity and sees everything gone.
func remove(ctx context.Context, w *world) error {
	w.out.chapter("The team deletes it")
	if _, err := w.kubectl(ctx, "", "delete", "podid", checkout.Name, "--namespace", checkout.Namespace); err != nil {
		return err
	}
	err := w.user.Get(ctx, checkout, &corev1.ServiceAccount{})
	if err := gone("ServiceAccount "+checkout.Name, err, apierrors.IsNotFound(err)); err != nil {
		return err
	}
	w.own["GetRole"]++
	_, err = w.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &w.role})
	_, notFound := errors.AsType[*iamtypes.NoSuchEntityException](err)
	if err := gone("role "+w.role, err, notFound); err != nil {
		return err
	}
	w.out.done("the role, its policies and the ServiceAccount are deleted")
	_, err = w.costs(ctx)
	return err
}

// gone returns an error unless a look, which ended with err, did not find what it
// looked for.
func gone(what string, err error, notFound bool) error {
	switch {
	case notFound:
		return nil
	case err != nil:
		return fmt.Errorf("looking for %s: %w", what, err)
	default:
		return fmt.Errorf("%s is still there", what)
	}
}

// awaitReady waits until the newest generation of the identity is ready.
func (w *world) awaitReady(ctx context.Context) (*v1alpha1.PodIdentity, error) {
	pi := &v1alpha1.PodIdentity{}
	err := w.await(ctx, "the PodIdentity to be ready", func(ctx context.Context) (bool, error) {
		if err := w.user.Get(ctx, checkout, pi); err != nil {
			return false, err
		}
		ready := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Status == "True" && ready.ObservedGeneration == pi.Generation, nil
	})
	if err != nil {
		status, _ := yaml.Marshal(pi.Status)
		return nil, fmt.Errorf("%w; the PodIdentity's status is\n%s", err, strings.TrimSpace(string(status)))
	}
	return pi, nil
}

// request asks for a full check and waits until it is done.
func (w *world) request(ctx context.Context, token string) error {
	_, err := w.kubectl(ctx, "", "annotate", "--overwrite", "podid", checkout.Name, "--namespace", checkout.Namespace, v1alpha1.RequestedAtAnnotation+"="+token)
	if err != nil {
		return err
	}
	return w.await(ctx, "the check", func(ctx context.Context) (bool, error) {
		pi := &v1alpha1.PodIdentity{}
		err := w.user.Get(ctx, checkout, pi)
		return pi.Status.LastHandledReconcileAt == token, err
	})
}

// await waits until done says so, for as long as the operator runs.
func (w *world) await(ctx context.Context, what string, done wait.ConditionWithContextFunc) error {
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, timeout, true, func(ctx context.Context) (bool, error) {
		if err := w.operatorRuns(ctx); err != nil {
			return false, err
		}
		return done(ctx)
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return fmt.Errorf("timed out after %s waiting for %s", seconds(timeout), what)
	}
	return err
}

// actions returns what an inline policy of the role allows.
func (w *world) actions(ctx context.Context, name string) (string, error) {
	w.own["GetRolePolicy"]++
	out, err := w.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &w.role, PolicyName: &name})
	if err != nil {
		return "", err
	}
	document, err := url.PathUnescape(aws.ToString(out.PolicyDocument))
	if err != nil {
		return "", err
	}
	return actionsOf(document)
}

// actionsOf returns the actions of a policy whose statements list them.
func actionsOf(document string) (string, error) {
	var policy struct {
		Statement []struct{ Action []string }
	}
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		return "", fmt.Errorf("reading the policy %s: %w", document, err)
	}
	var actions []string
	for _, statement := range policy.Statement {
		actions = append(actions, statement.Action...)
	}
	return strings.Join(actions, ", "), nil
}

// conditions returns a line for each condition.
func conditions(all []metav1.Condition) string {
	var b strings.Builder
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range all {
		fmt.Fprintf(columns, "%s=%s\t%s\n", c.Type, c.Status, c.Message)
	}
	_ = columns.Flush() // to memory
	return b.String()
}

// specOf returns the spec of the manifest's PodIdentity, without comments.
func specOf(manifest string) string {
	_, spec, _ := strings.Cut(manifest, "\nspec:\n")
	lines := []string{"spec:"}
	for line := range strings.Lines(spec) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return strings.Join(lines, "\n")
}
