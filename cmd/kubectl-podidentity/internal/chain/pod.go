package chain

import (
	"cmp"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// The variables that the AWS SDKs read.
// https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
const (
	envRoleARN   = "AWS_ROLE_ARN"
	envTokenFile = "AWS_WEB_IDENTITY_TOKEN_FILE" //nolint:gosec // a name, no credential
	envAccessKey = "AWS_ACCESS_KEY_ID"
	envContainer = "AWS_CONTAINER_CREDENTIALS_FULL_URI" // set by EKS Pod Identity
)

// containers returns the containers that the walk is about.
func containers(f Facts, pod *corev1.Pod) []corev1.Container {
	if pod == nil {
		return nil
	}
	all := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
	if f.Container == "" {
		return all
	}
	return slices.DeleteFunc(all, func(c corev1.Container) bool { return c.Name != f.Container })
}

// env returns the value of a variable, and whether it is set at all: a value that
// comes from elsewhere, such as a Secret, is empty here.
func env(c corev1.Container, name string) (string, bool) {
	for _, e := range slices.Backward(c.Env) { // the last one counts
		if e.Name == name {
			return e.Value, true
		}
	}
	return "", false
}

// withRole returns the containers that have a role.
func withRole(f Facts, pod *corev1.Pod) []corev1.Container {
	return slices.DeleteFunc(containers(f, pod), func(c corev1.Container) bool {
		_, ok := env(c, envRoleARN)
		return !ok
	})
}

// roleOf returns the role of the first container that has one.
func roleOf(f Facts, pod *corev1.Pod) string {
	for _, c := range withRole(f, pod) {
		value, _ := env(c, envRoleARN)
		return value
	}
	return ""
}

// annotated returns the role that the ServiceAccount names.
func annotated(f Facts) string {
	if f.ServiceAccount == nil {
		return ""
	}
	return f.ServiceAccount.Annotations[plan.AnnotationRoleARN]
}

// wantedRole returns the role that the pod assumes or, if it has none, the one that
// it should.
func wantedRole(f Facts) string { return cmp.Or(roleOf(f, f.Pod), annotated(f)) }

// projection returns the token that is mounted at a path of a container, nil if
// none is.
func projection(pod *corev1.Pod, c corev1.Container, file string) *corev1.ServiceAccountTokenProjection {
	for _, mount := range c.VolumeMounts {
		below, ok := relative(mount.MountPath, file)
		if !ok {
			continue
		}
		if mount.SubPath != "" {
			below = path.Join(mount.SubPath, below)
		}
		for _, source := range sources(pod, mount.Name) {
			if t := source.ServiceAccountToken; t != nil && path.Clean(t.Path) == below {
				return t
			}
		}
	}
	return nil
}

// sources returns what a projected volume of the pod is made of.
func sources(pod *corev1.Pod, volume string) []corev1.VolumeProjection {
	for _, v := range pod.Spec.Volumes {
		if v.Name == volume && v.Projected != nil {
			return v.Projected.Sources
		}
	}
	return nil
}

// relative returns the path of file below dir.
func relative(dir, file string) (string, bool) {
	dir, file = path.Clean(dir), path.Clean(file)
	if dir == file {
		return ".", true
	}
	return strings.CutPrefix(file, strings.TrimSuffix(dir, "/")+"/")
}

// tokenOf returns the token of the first container that has a role.
func tokenOf(f Facts) (*corev1.ServiceAccountTokenProjection, string) {
	for _, c := range withRole(f, f.Pod) {
		file, _ := env(c, envTokenFile)
		return projection(f.Pod, c, file), file
	}
	return nil, ""
}

// audienceOf returns the audience of the pod's token or, if it has none, that of
// the token that a new pod gets.
func audienceOf(f Facts) string {
	if t, _ := tokenOf(f); t != nil && t.Audience != "" {
		return t.Audience
	}
	if f.ServiceAccount != nil && f.ServiceAccount.Annotations[plan.AnnotationAudience] != "" {
		return f.ServiceAccount.Annotations[plan.AnnotationAudience]
	}
	return plan.DefaultAudience
}

// subjectOf returns the subject of the pod's tokens.
// https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
func subjectOf(f Facts) string {
	return "system:serviceaccount:" + f.Pod.Namespace + ":" + accountName(f.Pod)
}

func accountName(pod *corev1.Pod) string { return cmp.Or(pod.Spec.ServiceAccountName, "default") }

// hostPath returns an issuer as AWS writes it.
func hostPath(issuer string) string { return strings.TrimPrefix(issuer, "https://") }

// restart returns the command that replaces the pod.
func restart(pod *corev1.Pod) string {
	for _, owner := range pod.OwnerReferences {
		if owner.Controller == nil || !*owner.Controller {
			continue
		}
		switch owner.Kind {
		case "ReplicaSet":
			if name, ok := strings.CutSuffix(owner.Name, "-"+pod.Labels["pod-template-hash"]); ok {
				return "kubectl rollout restart -n " + pod.Namespace + " deployment " + name
			}
		case "StatefulSet", "DaemonSet":
			return "kubectl rollout restart -n " + pod.Namespace + " " + strings.ToLower(owner.Kind) + " " + owner.Name
		}
		return "kubectl delete pod -n " + pod.Namespace + " " + pod.Name
	}
	return "delete pod " + pod.Name + " and create it again"
}
