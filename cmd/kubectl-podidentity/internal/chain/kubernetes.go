package chain

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

func serviceAccount(f Facts) *Link {
	name := f.Pod.Namespace + "/" + accountName(f.Pod)
	if f.ServiceAccount == nil {
		return &Link{
			LinkServiceAccount, check.Broken, "ServiceAccount " + name + " does not exist",
			owned(f, "create it, or set another in spec.serviceAccountName of the workload") + waitHint(f),
		}
	}
	return &Link{LinkServiceAccount, check.OK, "the pod runs as ServiceAccount " + name, ""}
}

// waitHint is the command that waits for a ServiceAccount that the operator creates: the API
// server rejects a bare Pod before that.
func waitHint(f Facts) string {
	if f.Identity == nil {
		return ""
	}
	return "; before you apply a bare Pod, wait: kubectl wait -n " + f.Identity.Namespace + " --for=condition=Ready podid/" + f.Identity.Name + " --timeout=2m"
}

// owned returns the fix for something that the operator maintains: what keeps the
// PodIdentity from being ready, or, where there is none or it is ready, fix.
func owned(f Facts, fix string) string {
	if f.Identity == nil {
		return fix
	}
	name := f.Identity.Namespace + "/" + f.Identity.Name
	ready := meta.FindStatusCondition(f.Identity.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return "PodIdentity " + name + " was not reconciled yet: check that the operator is running"
	case ready.Status != metav1.ConditionTrue:
		return "PodIdentity " + name + " is not ready: " + ready.Message
	default:
		return fix + "; PodIdentity " + name + " manages it: kubectl podidentity reconcile -n " + f.Identity.Namespace + " " + f.Identity.Name
	}
}

// annotation checks what the webhook reads on the ServiceAccount.
func annotation(f Facts) *Link {
	value, there := f.ServiceAccount.Annotations[plan.AnnotationRoleARN]
	switch {
	case there:
		return annotationValue(f, value)
	case roleOf(f, f.Pod) != "" && roleOf(f, f.NewPod) == "":
		return &Link{LinkAnnotation, check.OK, "the ServiceAccount has no " + plan.AnnotationRoleARN + " annotation; the pod itself sets " + envRoleARN, ""}
	}
	return missingAnnotation(f)
}

func annotationValue(f Facts, value string) *Link {
	if _, ok := role.ParseARN(value); ok {
		return &Link{LinkAnnotation, check.OK, plan.AnnotationRoleARN + " is " + value, ""}
	}
	return &Link{
		LinkAnnotation, check.Broken, fmt.Sprintf("%s is %q, which is not the ARN of a role", plan.AnnotationRoleARN, value),
		owned(f, annotate(f, placeholder, true)),
	}
}

// usesEKSPodIdentity reports whether the pod gets credentials from the EKS Pod
// Identity agent. The AWS SDKs prefer a web identity, where both are set.
func usesEKSPodIdentity(f Facts) bool {
	return slices.ContainsFunc(containers(f, f.Pod), func(c corev1.Container) bool {
		_, agent := env(c, envContainer)
		_, web := env(c, envRoleARN)
		return agent && !web
	})
}

func eksPodIdentity(f Facts) *Link {
	return &Link{
		LinkCredentials, check.Unknown, "the pod gets its credentials from an EKS Pod Identity association in AWS, which this command does not check",
		"aws eks list-pod-identity-associations --cluster-name NAME --namespace " + f.Pod.Namespace + " --service-account " + accountName(f.Pod),
	}
}

func missingAnnotation(f Facts) *Link {
	if key := misspelled(f.ServiceAccount.Annotations); key != "" {
		value := f.ServiceAccount.Annotations[key]
		return &Link{
			LinkAnnotation, check.Broken, "the ServiceAccount has an annotation " + key + "; the webhook reads " + plan.AnnotationRoleARN,
			annotate(f, value, false) + " " + key + "-",
		}
	}
	if _, there := f.Pod.Annotations[plan.AnnotationRoleARN]; there {
		return &Link{
			LinkAnnotation, check.Broken, plan.AnnotationRoleARN + " is an annotation of the pod; the webhook reads it on the ServiceAccount",
			annotate(f, f.Pod.Annotations[plan.AnnotationRoleARN], false),
		}
	}
	fix := "create a PodIdentity for the ServiceAccount, or run: " + annotate(f, placeholder, false)
	if f.Identity != nil {
		fix = "wait for the operator, which applies it"
	}
	return &Link{
		LinkAnnotation, check.Broken, "the ServiceAccount has no " + plan.AnnotationRoleARN + " annotation, so its pods get no role", owned(f, fix),
	}
}

// annotate returns the command that sets the annotation. Users copy it into a shell:
// a value that is not an ARN, which anyone may have written, does not get into it.
func annotate(f Facts, value string, overwrite bool) string {
	cmd := "kubectl annotate serviceaccount -n " + f.Pod.Namespace + " " + accountName(f.Pod)
	if overwrite {
		cmd += " --overwrite"
	}
	if _, ok := role.ParseARN(value); !ok {
		value = placeholder
	}
	return cmd + " " + plan.AnnotationRoleARN + "=" + value
}

// placeholder stands for a role that the walk does not know.
const placeholder = "arn:aws:iam::ACCOUNT:role/NAME"

// misspelled returns the key of an annotation that was meant to name the role, ""
// if there is none.
func misspelled(annotations map[string]string) string {
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		value := strings.TrimSpace(annotations[key])
		plain := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(key))
		if strings.HasPrefix(value, "arn:") && strings.Contains(value, ":role/") && (strings.Contains(plain, "rolearn") || strings.Contains(plain, "amazon")) {
			return key
		}
	}
	return ""
}

// webhook checks what a new pod would get. It is the broken link only for a pod
// that lacks the role: a pod keeps what it was given.
func webhook(f Facts) *Link {
	if annotated(f) == "" {
		return nil // the pod sets its role itself
	}
	has := roleOf(f, f.Pod) == annotated(f)
	if f.NewPod == nil {
		state := check.Unknown
		if has {
			state = check.Warning
		}
		return &Link{LinkWebhook, state, "it is not known what a new pod would get: " + f.NewPodProblem, ""}
	}
	state := check.Broken
	if has {
		state = check.Warning
	}
	all := f
	all.Container = "" // the probe has one container of its own
	switch got := roleOf(all, f.NewPod); got {
	case annotated(f):
		return &Link{LinkWebhook, check.OK, "a new pod would get this role (server-side dry run)", ""}
	case "":
		return &Link{
			LinkWebhook, state, "a new pod would get no role: amazon-eks-pod-identity-webhook is missing, fails, or does not select this pod",
			"install or repair the webhook; check its selectors and its failurePolicy: kubectl get mutatingwebhookconfigurations",
		}
	default:
		return &Link{
			LinkWebhook, state, "a new pod would get another role: " + got,
			"the webhook has not seen the annotation yet, or the pod template sets " + envRoleARN + "; try again in a minute",
		}
	}
}

// variables checks what this pod got when it was created.
func variables(f Facts) *Link {
	all, have := containers(f, f.Pod), withRole(f, f.Pod)
	if len(have) == 0 {
		return &Link{
			LinkVariables, check.Broken, outdated(f.Pod) + " without a role: " + envRoleARN + " is not set; a pod gets its role when it is created",
			restart(f.Pod),
		}
	}
	for _, c := range have {
		value, _ := env(c, envRoleARN)
		if want := annotated(f); want != "" && value != want {
			return &Link{
				LinkVariables, check.Broken, fmt.Sprintf("%s with another role: container %s has %s=%s", outdated(f.Pod), c.Name, envRoleARN, value),
				restart(f.Pod),
			}
		}
		if file, _ := env(c, envTokenFile); file == "" {
			return &Link{
				LinkVariables, check.Broken, "container " + c.Name + " has " + envRoleARN + ", but no " + envTokenFile,
				"remove " + envRoleARN + " from the pod template, so that the webhook sets both, or set both",
			}
		}
	}
	if len(have) < len(all) {
		return &Link{
			LinkVariables, check.Warning, fmt.Sprintf("%d of %d containers have the role; without it: %s", len(have), len(all), without(all, have)),
			"remove these containers from the annotation eks.amazonaws.com/skip-containers if they need the role",
		}
	}
	return &Link{LinkVariables, check.OK, envRoleARN + " and " + envTokenFile + " are set", ""}
}

func outdated(pod *corev1.Pod) string {
	if pod.CreationTimestamp.IsZero() {
		return "the pod runs"
	}
	return "the pod was created at " + pod.CreationTimestamp.UTC().Format(time.RFC3339)
}

func without(all, have []corev1.Container) string {
	var names []string
	for _, c := range all {
		if !slices.ContainsFunc(have, func(h corev1.Container) bool { return h.Name == c.Name }) {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
}

// credentials checks that nothing comes before the role: the AWS SDKs take access
// keys from the environment first.
// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
func credentials(f Facts) *Link {
	for _, c := range withRole(f, f.Pod) {
		if _, set := env(c, envAccessKey); set {
			return &Link{
				LinkCredentials, check.Broken, "container " + c.Name + " sets " + envAccessKey + ", which the AWS SDKs use in place of the role",
				"remove " + envAccessKey + " and AWS_SECRET_ACCESS_KEY from the pod template",
			}
		}
	}
	return &Link{LinkCredentials, check.OK, "no variable takes precedence over the role", ""}
}
