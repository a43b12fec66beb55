package preflight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/chain"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
)

// minMinor is the oldest minor version of Kubernetes 1 that the operator supports.
const minMinor = 32

func apiVersion(f Facts) Check {
	const name = "kubernetes"
	parts := strings.SplitN(strings.TrimPrefix(f.Version, "v"), ".", 3)
	minor := 0
	if len(parts) > 1 {
		minor, _ = strconv.Atoi(strings.TrimRight(parts[1], "+")) // 0 is too old
	}
	if minor < minMinor {
		return Check{name, check.Broken, "the API server is " + f.Version, fmt.Sprintf("upgrade to Kubernetes 1.%d or newer", minMinor)}
	}
	return ok(name, "the API server is "+f.Version)
}

func crds(f Facts) Check {
	const name = "crds"
	var missing []string
	for _, kind := range []string{"PodIdentity", "PodIdentityGuardrail"} {
		if !slices.Contains(f.Served, kind) {
			missing = append(missing, kind)
		}
	}
	if len(missing) > 0 {
		return Check{
			name, check.Broken, "the cluster does not serve " + strings.Join(missing, " and ") + " of " + v1alpha1.GroupVersion.String(),
			"kubectl apply --server-side -k config/crd",
		}
	}
	return ok(name, "PodIdentity and PodIdentityGuardrail are served")
}

func operatorRuns(f Facts) Check {
	const name = "operator"
	switch in := f.Operator; {
	case in == nil && f.OperatorProblem != "":
		return unknown(name, f.OperatorProblem)
	case (in == nil || in.Deployment == "") && f.LeaderAlive:
		return Check{name, check.Warning, "the operator has no Deployment in this cluster, though " + f.Leader + " leads", "run it as a Deployment of this cluster"}
	case in == nil || in.Deployment == "":
		return Check{name, check.Broken, "no Deployment with the label app.kubernetes.io/name=podidentity-operator exists", "install the operator"}
	case in.Available == 0:
		return Check{
			name, check.Broken, fmt.Sprintf("none of %d replicas of Deployment %s/%s is available", in.Replicas, in.Namespace, in.Deployment),
			"kubectl describe deployment -n " + in.Namespace + " " + in.Deployment,
		}
	case in.Available < in.Replicas:
		return Check{
			name, check.Warning, fmt.Sprintf("%d of %d replicas of Deployment %s/%s are available", in.Available, in.Replicas, in.Namespace, in.Deployment),
			"kubectl get pods -n " + in.Namespace,
		}
	default:
		return ok(name, fmt.Sprintf("%d replicas of Deployment %s/%s are available", in.Available, in.Namespace, in.Deployment))
	}
}

func leader(f Facts) Check {
	const name = "leader"
	switch {
	case f.LeaseProblem != "":
		return unknown(name, f.LeaseProblem)
	case f.Leader == "":
		return Check{name, check.Broken, "no replica of the operator is the leader", "check the operator's log: kubectl logs -n podidentity-system -l app.kubernetes.io/name=podidentity-operator"}
	case !f.LeaderAlive:
		return Check{name, check.Broken, "the leader " + f.Leader + " has not renewed its Lease in time, and no replica took over", "check the operator's pods and their logs"}
	default:
		return ok(name, f.Leader+" leads")
	}
}

func options(f Facts) Check {
	const name = "options"
	switch in := f.Operator; {
	case in == nil:
		return unknown(name, "without a Deployment, the operator's options are not known")
	case in.OptionsProblem != "":
		return Check{name, check.Broken, "the operator's options cannot be read: " + in.OptionsProblem, "correct the arguments of Deployment " + in.Namespace + "/" + in.Deployment}
	default:
		return ok(name, fmt.Sprintf("cluster %s, roles below %s", in.Options.ClusterName, in.Options.RolePath))
	}
}

// identity reports whether the operator's own pods can assume its role.
func identity(f Facts) Check {
	const name = "identity"
	switch {
	case f.IdentityProblem != "":
		return unknown(name, f.IdentityProblem)
	case f.Identity == nil:
		return unknown(name, "the operator's ServiceAccount is not known")
	}
	for _, l := range f.Identity.Links {
		if l.State == check.Broken || l.State == check.Unknown {
			return Check{name, l.State, "the operator's own identity, link " + l.Name + ": " + l.Message, l.Fix}
		}
	}
	if last := f.Identity.Links[len(f.Identity.Links)-1]; last.Name != chain.LinkTrust {
		return unknown(name, "the operator's role was not read: "+f.AWSProblem)
	}
	return ok(name, "the operator can assume its role")
}

func webhook(f Facts) Check {
	const name = "webhook"
	if f.WebhooksProblem != "" {
		return unknown(name, f.WebhooksProblem)
	}
	if len(f.Webhooks) == 0 {
		return Check{
			name, check.Broken, "no MutatingWebhookConfiguration of amazon-eks-pod-identity-webhook exists, so pods get no role",
			"install the webhook (EKS has it): https://github.com/aws/amazon-eks-pod-identity-webhook",
		}
	}
	installed := "MutatingWebhookConfiguration " + strings.Join(f.Webhooks, ", ")
	if f.Identity != nil {
		for _, l := range f.Identity.Links {
			if l.Name == chain.LinkWebhook {
				return Check{name, l.State, installed + ": " + l.Message, l.Fix}
			}
		}
	}
	return ok(name, installed+" exists")
}

func guardrails(f Facts) Check {
	const name = "guardrails"
	if f.GuardrailsProblem != "" {
		return unknown(name, f.GuardrailsProblem)
	}
	if len(f.Guardrails) == 0 {
		return ok(name, "there is no guardrail; the built-in baseline applies")
	}
	var idle []string
	for _, g := range f.Guardrails {
		selects := slices.ContainsFunc(f.Namespaces, func(n Namespace) bool {
			matched, err := guardrail.Match([]v1alpha1.PodIdentityGuardrail{g}, n.Labels)
			return err == nil && len(matched) > 0
		})
		if !selects {
			idle = append(idle, g.Name)
		}
	}
	if len(idle) > 0 {
		return Check{
			name, check.Warning, "guardrails that select no namespace: " + strings.Join(idle, ", "),
			"correct spec.namespaceSelector, or label the namespaces",
		}
	}
	return ok(name, fmt.Sprintf("each of %d guardrails selects a namespace", len(f.Guardrails)))
}

// AWS tolerates clocks that differ by five minutes.
const (
	maxSkew  = 5 * time.Minute
	warnSkew = time.Minute
)

func clock(f Facts) Check {
	const name = "clock"
	if f.ClockSkew == nil {
		return unknown(name, "the clocks of the cluster and of AWS were not read")
	}
	skew := f.ClockSkew.Abs().Round(time.Second)
	const fix = "synchronize the clocks of the control plane's machines"
	switch {
	case skew >= maxSkew:
		return Check{name, check.Broken, fmt.Sprintf("the clocks of the cluster and of AWS differ by %s; AWS rejects tokens if they differ by 5m", skew), fix}
	case skew >= warnSkew:
		return Check{name, check.Warning, fmt.Sprintf("the clocks of the cluster and of AWS differ by %s", skew), fix}
	default:
		return ok(name, fmt.Sprintf("the clocks of the cluster and of AWS differ by %s", skew))
	}
}
