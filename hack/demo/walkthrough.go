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

// timeout limits each wait; readyWithin limits the time from apply to Ready.
const (
	timeout     = 30 * time.Second
	readyWithin = 5 * time.Second
)

// walkThrough runs all steps, and stops at the first failure.
func walkThrough(ctx context.Context, e *environment) error {
	for _, step := range []func(context.Context, *environment) error{
		install, create, assumeRole, denyOtherPod, edit, correctDrift, resync, rejectExcess, remove,
	} {
		if err := step(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// install installs the operator, except its Deployment: this cluster has no nodes, so the
// binary runs as a process.
func install(ctx context.Context, e *environment) error {
	e.out.heading("Installing the operator")
	if err := e.installation().Apply(ctx, e.cluster); err != nil {
		return err
	}
	err := e.await(ctx, "the API of PodIdentities", func(ctx context.Context) (bool, error) {
		return e.user.List(ctx, &v1alpha1.PodIdentityList{}) == nil, nil
	})
	if err != nil {
		return err
	}
	e.out.done("kubectl apply -k config/default: the API, and RBAC for the operator")
	return connect(ctx, e)
}

// installation returns the parameters of the operator's installation.
func (e *environment) installation() installation.Installation {
	return installation.Installation{Root: ".", Cluster: clusterName, AccountID: account, Issuer: e.cluster.Issuer}
}

// connect creates the OIDC provider and the operator's role, and starts the operator.
func connect(ctx context.Context, e *environment) error {
	provider, err := e.installation().TrustIssuer(ctx, e.iam)
	if err != nil {
		return err
	}
	e.out.done("aws iam create-open-id-connect-provider: IAM trusts this cluster's issuer\n      %s", provider)
	if e.granted, err = e.installation().Grant(ctx, e.iam); err != nil {
		return err
	}
	e.out.done("the operator's role, with exactly the policy in config/aws:\n      %s", e.granted.Role)
	if _, err := e.costs(ctx); err != nil {
		return err
	}
	if err := e.startOperator(ctx); err != nil {
		return err
	}
	err = e.await(ctx, "the operator to become leader and to read the OIDC provider", func(ctx context.Context) (bool, error) {
		calls, err := e.calls(ctx)
		return calls["GetOpenIDConnectProvider"] > 0, err
	})
	if err != nil {
		return err
	}
	e.out.done("the operator's own binary runs with exactly these permissions")
	_, err = e.costs(ctx)
	return err
}

// create applies the sample and waits until it is ready.
func create(ctx context.Context, e *environment) error {
	e.out.heading("A team applies one YAML, %s", sample)
	e.out.output(specOf(e.manifest))
	if err := e.apply(ctx, e.manifest); err != nil {
		return err
	}
	began := time.Now()
	pi, err := e.awaitReady(ctx)
	if err != nil {
		return err
	}
	took := time.Since(began)
	if took > readyWithin {
		return fmt.Errorf("the identity was ready after %s, which is more than %s", seconds(took), seconds(readyWithin))
	}
	e.role = pi.Status.Role.Name
	e.out.done("Ready after %s (including 1 s of IAM propagation delay)", seconds(took))
	table, err := e.kubectl(ctx, "", "get", "podid", "--namespace", checkout.Namespace)
	if err != nil {
		return err
	}
	e.out.output(table)
	e.out.output(conditions(pi.Status.Conditions))
	return checkCost(ctx, e, pi)
}

// checkCost prints the calls of a new identity, and returns an error if there were more than
// the minimum.
func checkCost(ctx context.Context, e *environment, pi *v1alpha1.PodIdentity) error {
	cost, err := e.costs(ctx)
	if err != nil {
		return err
	}
	const reads = 2 // of the contents of a managed policy, at its first use
	managed := len(pi.Spec.Policies.Managed)
	minimum := 1 + managed + len(pi.Spec.Policies.Inline)
	if sum := total(cost); sum != minimum+reads*managed {
		return fmt.Errorf("the identity cost %d calls, not 1 + managed + inline = %d and %d reads: %s", sum, minimum, reads*managed, listed(cost))
	}
	e.out.line("    the minimum possible: 1 + managed + inline, plus 2 reads at the first use of a managed policy")
	return nil
}

// edit changes the policy in the YAML, and checks that the role follows.
func edit(ctx context.Context, e *environment) error {
	const added = "s3:DeleteObject"
	e.out.heading("The team edits the YAML and adds %s", added)
	changed := strings.Replace(e.manifest, "actions: [s3:PutObject,", "actions: [s3:PutObject, "+added+",", 1)
	if changed == e.manifest {
		return errors.New("the sample does not have the action that this step edits")
	}
	old, err := e.actions(ctx, "receipts")
	if err != nil {
		return err
	}
	if err := e.apply(ctx, changed); err != nil {
		return err
	}
	if _, err := e.awaitReady(ctx); err != nil {
		return err
	}
	now, err := e.actions(ctx, "receipts")
	if err != nil {
		return err
	}
	if strings.Contains(old, added) || !strings.Contains(now, added) {
		return fmt.Errorf("the role was not updated; its policy allows %s", now)
	}
	e.out.done("the role is updated: aws iam get-role-policy --policy-name receipts")
	e.out.sentence("before: ", old)
	e.out.sentence("after:  ", now)
	_, err = e.costs(ctx)
	return err
}

// correctDrift changes the role out of band, and checks that the operator reverts it.
func correctDrift(ctx context.Context, e *environment) error {
	e.out.heading("Out-of-band change: AdministratorAccess is attached to the role")
	e.ownCalls["AttachRolePolicy"]++
	const admin = "arn:aws:iam::aws:policy/AdministratorAccess"
	if _, err := e.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &e.role, PolicyArn: aws.String(admin)}); err != nil {
		return err
	}
	if err := e.request(ctx, "demo"); err != nil {
		return err
	}
	if err := e.withoutPolicy(ctx, admin); err != nil {
		return err
	}
	note, err := e.awaitEvent(ctx, "CorrectedDrift")
	if err != nil {
		return err
	}
	e.out.done("drift corrected; see the event")
	e.out.sentence("", note)
	_, err = e.costs(ctx)
	return err
}

// withoutPolicy returns an error if the role has a managed policy.
func (e *environment) withoutPolicy(ctx context.Context, arn string) error {
	e.ownCalls["ListAttachedRolePolicies"]++
	list, err := e.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &e.role})
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

// awaitEvent waits for an event, which follows the status, and returns its reason and note.
func (e *environment) awaitEvent(ctx context.Context, reason string) (note string, err error) {
	err = e.await(ctx, "event "+reason, func(ctx context.Context) (bool, error) {
		var list eventsv1.EventList
		if err := e.user.List(ctx, &list, client.InNamespace(checkout.Namespace)); err != nil {
			return false, err
		}
		for i := range list.Items {
			if event := &list.Items[i]; event.Reason == reason && event.Regarding.Name == checkout.Name {
				note = event.Reason + ": " + event.Note
				return true, nil
			}
		}
		return false, nil
	})
	return note, err
}

// resync requests a reconciliation of an identity that is in sync.
func resync(ctx context.Context, e *environment) error {
	if err := e.request(ctx, "demo-2"); err != nil {
		return err
	}
	e.out.done("another reconciliation finds the identity in sync and writes nothing")
	cost, err := e.costs(ctx)
	if err == nil && len(writes(cost)) > 0 {
		err = fmt.Errorf("an identity in sync cost writes: %s", listed(writes(cost)))
	}
	return err
}

// remove deletes the identity, and checks that nothing is left.
func remove(ctx context.Context, e *environment) error {
	e.out.heading("The team deletes it")
	if _, err := e.kubectl(ctx, "", "delete", "podid", checkout.Name, "--namespace", checkout.Namespace); err != nil {
		return err
	}
	err := e.user.Get(ctx, checkout, &corev1.ServiceAccount{})
	if err := confirmDeleted("ServiceAccount "+checkout.Name, err, apierrors.IsNotFound(err)); err != nil {
		return err
	}
	e.ownCalls["GetRole"]++
	_, err = e.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &e.role})
	_, notFound := errors.AsType[*iamtypes.NoSuchEntityException](err)
	if err := confirmDeleted("role "+e.role, err, notFound); err != nil {
		return err
	}
	e.out.done("the role, its policies and the ServiceAccount are deleted")
	_, err = e.costs(ctx)
	return err
}

// confirmDeleted returns an error unless notFound: err is the result of reading what.
func confirmDeleted(what string, err error, notFound bool) error {
	switch {
	case notFound:
		return nil
	case err != nil:
		return fmt.Errorf("reading %s: %w", what, err)
	default:
		return fmt.Errorf("%s still exists", what)
	}
}

// awaitReady waits until the newest generation of the identity is ready.
func (e *environment) awaitReady(ctx context.Context) (*v1alpha1.PodIdentity, error) {
	pi := &v1alpha1.PodIdentity{}
	err := e.await(ctx, "the PodIdentity to be ready", func(ctx context.Context) (bool, error) {
		if err := e.user.Get(ctx, checkout, pi); err != nil {
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

// request requests a reconciliation, and waits until the operator has handled it.
func (e *environment) request(ctx context.Context, token string) error {
	_, err := e.kubectl(ctx, "", "annotate", "--overwrite", "podid", checkout.Name, "--namespace", checkout.Namespace, v1alpha1.RequestedAtAnnotation+"="+token)
	if err != nil {
		return err
	}
	return e.await(ctx, "the reconciliation", func(ctx context.Context) (bool, error) {
		pi := &v1alpha1.PodIdentity{}
		err := e.user.Get(ctx, checkout, pi)
		return pi.Status.LastHandledReconcileAt == token, err
	})
}

// await waits until done returns true. It fails if the operator exits.
func (e *environment) await(ctx context.Context, what string, done wait.ConditionWithContextFunc) error {
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, timeout, true, func(ctx context.Context) (bool, error) {
		if err := e.operatorRuns(ctx); err != nil {
			return false, err
		}
		return done(ctx)
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return fmt.Errorf("timed out after %s waiting for %s", seconds(timeout), what)
	}
	return err
}

// actions returns the actions of an inline policy of the role.
func (e *environment) actions(ctx context.Context, name string) (string, error) {
	e.ownCalls["GetRolePolicy"]++
	out, err := e.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &e.role, PolicyName: &name})
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
