package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// checkout is the identity of the sample.
var checkout = client.ObjectKey{Namespace: "shop", Name: "checkout"}

// patience is how long the story waits for what must come; readyWithin is what it
// promises for an identity.
const (
	patience    = 30 * time.Second
	readyWithin = 5 * time.Second
)

// tell tells the story, and stops at the first step that fails.
func tell(ctx context.Context, w *world) error {
	for _, step := range []func(context.Context, *world) error{
		install, create, prove, refuse, edit, tamper, check, remove,
	} {
		if err := step(ctx, w); err != nil {
			return err
		}
	}
	w.out.chapter("That was the whole life of an identity.")
	return nil
}

// install installs the operator as it is installed anywhere, but for its
// Deployment: there are no nodes here, so its binary runs as a process.
func install(ctx context.Context, w *world) error {
	w.out.chapter("The operator is installed")
	manifests, err := w.kubectl(ctx, "", "kustomize", "config/default")
	if err != nil {
		return err
	}
	if _, err := w.kubectl(ctx, withoutWorkloads(manifests), "apply", "--server-side", "--filename", "-"); err != nil {
		return err
	}
	w.out.done("kubectl apply -k config/default: the API, and RBAC for the operator")

	provider, err := w.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: &w.cluster.Issuer, ClientIDList: []string{audience},
	})
	if err != nil {
		return err
	}
	w.out.done("aws iam create-open-id-connect-provider: IAM trusts this cluster's tokens\n      %s", aws.ToString(provider.OpenIDConnectProviderArn))

	if err := w.startOperator(ctx); err != nil {
		return err
	}
	err = w.await(ctx, "the operator to lead and to know its cluster", func(ctx context.Context) (bool, error) {
		calls, err := w.calls(ctx)
		return calls["GetOpenIDConnectProvider"] > 0, err
	})
	w.out.done("the operator's own binary runs, with no more than these rights")
	return err
}

// create applies the sample and waits until it is ready.
func create(ctx context.Context, w *world) error {
	w.out.chapter("A team applies one YAML, %s", sample)
	w.out.show(specOf(w.manifest))
	before, err := w.calls(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := w.apply(ctx, w.manifest); err != nil {
		return err
	}
	pi, err := w.awaitReady(ctx)
	if err != nil {
		return err
	}
	if took := time.Since(began); took > readyWithin {
		return fmt.Errorf("the identity was ready after %s, which is more than %s", seconds(took), seconds(readyWithin))
	}
	w.role = pi.Status.Role.Name
	w.out.done("Ready after %s (the role's second of grace included)", seconds(time.Since(began)))
	table, err := w.kubectl(ctx, "", "get", "podid", "--namespace", checkout.Namespace)
	if err != nil {
		return err
	}
	w.out.show(table)

	cost, err := w.costSince(ctx, before)
	if err != nil {
		return err
	}
	least := 1 + len(pi.Spec.Policies.Managed) + len(pi.Spec.Policies.Inline)
	if sum := total(cost); sum != least {
		return fmt.Errorf("the identity cost %d calls, not 1 + managed + inline = %d: %s", sum, least, listed(cost))
	}
	w.out.line("    which is the least that IAM can do it in: 1 + managed + inline")
	return nil
}

// edit changes the policy in the YAML and sees the role follow.
func edit(ctx context.Context, w *world) error {
	w.out.chapter("The team edits the YAML: it needs s3:DeleteObject, too")
	before, err := w.calls(ctx)
	if err != nil {
		return err
	}
	changed := strings.Replace(w.manifest, "actions: [s3:PutObject,", "actions: [s3:PutObject, s3:DeleteObject,", 1)
	if changed == w.manifest {
		return errors.New("the sample does not have the action that the story edits")
	}
	old, err := w.inline(ctx, "receipts")
	if err != nil {
		return err
	}
	if err := w.apply(ctx, changed); err != nil {
		return err
	}
	if _, err := w.awaitReady(ctx); err != nil {
		return err
	}
	now, err := w.inline(ctx, "receipts")
	if err != nil {
		return err
	}
	if strings.Contains(strings.ToLower(old), "s3:deleteobject") || !strings.Contains(strings.ToLower(now), "s3:deleteobject") {
		return fmt.Errorf("the role did not follow; its policy is %s", now)
	}
	w.out.done("the role has it: aws iam get-role-policy --policy-name receipts")
	w.out.show(now)
	_, err = w.costSince(ctx, before)
	return err
}

// tamper changes the role behind the operator's back.
func tamper(ctx context.Context, w *world) error {
	w.out.chapter("Somebody attaches AdministratorAccess to the role, behind the operator's back")
	before, err := w.calls(ctx)
	if err != nil {
		return err
	}
	w.own["AttachRolePolicy"]++
	admin := aws.String("arn:aws:iam::aws:policy/AdministratorAccess")
	if _, err := w.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &w.role, PolicyArn: admin}); err != nil {
		return err
	}
	if err := w.request(ctx, "demo"); err != nil {
		return err
	}
	events, err := w.kubectl(ctx, "", "get", "events", "--namespace", checkout.Namespace, "--field-selector", "reason=CorrectedDrift",
		"--output", `custom-columns=REASON:.reason,MESSAGE:.message`)
	if err != nil {
		return err
	}
	w.out.done("the next check takes it away, and an event says so")
	w.out.show(events)
	_, err = w.costSince(ctx, before)
	return err
}

// check asks for a full check of an identity that is in sync.
func check(ctx context.Context, w *world) error {
	before, err := w.calls(ctx)
	if err != nil {
		return err
	}
	if err := w.request(ctx, "demo-2"); err != nil {
		return err
	}
	w.out.done("one more check finds all in sync, and writes nothing")
	cost, err := w.costSince(ctx, before)
	if err == nil && len(writes(cost)) > 0 {
		err = fmt.Errorf("an identity in sync cost writes: %s", listed(writes(cost)))
	}
	return err
}

// remove deletes the identity and sees everything gone.
func remove(ctx context.Context, w *world) error {
	w.out.chapter("The team deletes it")
	before, err := w.calls(ctx)
	if err != nil {
		return err
	}
	if _, err := w.kubectl(ctx, "", "delete", "podid", checkout.Name, "--namespace", checkout.Namespace); err != nil {
		return err
	}
	if err := w.user.Get(ctx, checkout, &corev1.ServiceAccount{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("the ServiceAccount is left (%w)", err)
	}
	w.own["GetRole"]++
	if _, err := w.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &w.role}); !isGone(err) {
		return fmt.Errorf("the role is left (%w)", err)
	}
	w.out.done("the role, its policies and the ServiceAccount are gone")
	_, err = w.costSince(ctx, before)
	return err
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
		return nil, fmt.Errorf("%w; its status is\n%s", err, status)
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

func (w *world) await(ctx context.Context, what string, done wait.ConditionWithContextFunc) error {
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, done)
	if wait.Interrupted(err) && ctx.Err() == nil {
		return fmt.Errorf("waited %s in vain for %s", seconds(patience), what)
	}
	return err
}

// costSince tells, and returns, which calls were made after before.
func (w *world) costSince(ctx context.Context, before map[string]int) (map[string]int, error) {
	after, err := w.calls(ctx)
	if err != nil {
		return nil, err
	}
	cost := since(before, after)
	w.out.cost(cost)
	return cost, nil
}

// inline returns an inline policy of the role.
func (w *world) inline(ctx context.Context, name string) (string, error) {
	w.own["GetRolePolicy"]++
	out, err := w.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &w.role, PolicyName: &name})
	if err != nil {
		return "", err
	}
	return url.PathUnescape(aws.ToString(out.PolicyDocument))
}

func isGone(err error) bool {
	_, gone := errors.AsType[*iamtypes.NoSuchEntityException](err)
	return gone
}

func total(calls map[string]int) int {
	sum := 0
	for _, n := range calls {
		sum += n
	}
	return sum
}

// withoutWorkloads drops from manifests what needs nodes.
func withoutWorkloads(manifests string) string {
	var kept []string
	for document := range strings.SplitSeq(manifests, "\n---\n") {
		var head struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal([]byte(document), &head); err == nil && head.Kind != "Deployment" && head.Kind != "PodDisruptionBudget" && head.Kind != "Service" {
			kept = append(kept, document)
		}
	}
	return strings.Join(kept, "\n---\n")
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
