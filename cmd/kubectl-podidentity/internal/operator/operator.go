// Package operator finds out how the operator of a cluster is installed, by its
// Deployment and its Lease.
package operator

import (
	"regexp"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/podidentity-operator/internal/options"
)

// The names that are the same in every installation.
const (
	// Label is on the Deployment, with LabelValue as its value.
	Label      = "app.kubernetes.io/name"
	LabelValue = "podidentity-operator"
	// LeaseName is that of the Lease by which the replicas elect a leader.
	LeaseName = "podidentity-operator.iam.podidentity.io"

	container = "manager"
)

// Installation is the operator in one cluster.
type Installation struct {
	Namespace      string `json:"namespace"`
	Deployment     string `json:"deployment"`
	ServiceAccount string `json:"serviceAccount"`
	Image          string `json:"image,omitempty"`
	Replicas       int32  `json:"replicas"`
	Available      int32  `json:"available"`
	// Options are those of its command line and environment; OptionsProblem states why
	// they could not be read.
	Options        options.Options `json:"-"`
	OptionsProblem string          `json:"optionsProblem,omitempty"`
}

// Of returns the installation that a Deployment is.
func Of(d *appsv1.Deployment) Installation {
	in := Installation{
		Namespace: d.Namespace, Deployment: d.Name, ServiceAccount: d.Spec.Template.Spec.ServiceAccountName,
		Replicas: 1, Available: d.Status.AvailableReplicas,
	}
	if d.Spec.Replicas != nil {
		in.Replicas = *d.Spec.Replicas
	}
	c := containerOf(d.Spec.Template.Spec.Containers)
	if c == nil {
		in.OptionsProblem = "the Deployment has no container"
		return in
	}
	in.Image = c.Image
	values := map[string]string{}
	for _, e := range c.Env {
		values[e.Name] = e.Value // one that comes from elsewhere is not known
	}
	args := make([]string, len(c.Args))
	for i, arg := range c.Args {
		args[i] = expand(arg, values)
	}
	var err error
	if in.Options, err = options.Parse(args, func(name string) string { return values[name] }); err != nil {
		in.OptionsProblem = err.Error()
	}
	return in
}

// Assumed returns the installation of an operator that has no Deployment in the
// cluster, with the options that its user gives.
func Assumed(namespace, serviceAccount, clusterName, rolePath string) *Installation {
	in := &Installation{Namespace: namespace, ServiceAccount: serviceAccount}
	args := []string{"--cluster-name=" + clusterName}
	if rolePath != "" {
		args = append(args, "--role-path="+rolePath)
	}
	var err error
	if in.Options, err = options.Parse(args, func(string) string { return "" }); err != nil {
		in.OptionsProblem = err.Error()
	}
	return in
}

// containerOf returns the operator's container: the one named manager, or the first.
func containerOf(all []corev1.Container) *corev1.Container {
	for i := range all {
		if all[i].Name == container {
			return &all[i]
		}
	}
	if len(all) > 0 {
		return &all[0]
	}
	return nil
}

var variable = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)`)

// expand replaces $(NAME) as the kubelet does: one that is not set stays as it is.
// https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
func expand(arg string, values map[string]string) string {
	return variable.ReplaceAllStringFunc(arg, func(ref string) string {
		if value, ok := values[ref[2:len(ref)-1]]; ok {
			return value
		}
		return ref
	})
}

// Leader returns the holder of the Lease, and whether it renewed the Lease in time.
func Leader(l *coordinationv1.Lease, now time.Time) (holder string, alive bool) {
	if l == nil || l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == "" {
		return "", false
	}
	holder = *l.Spec.HolderIdentity
	if l.Spec.RenewTime == nil || l.Spec.LeaseDurationSeconds == nil {
		return holder, false
	}
	valid := l.Spec.RenewTime.Add(time.Duration(*l.Spec.LeaseDurationSeconds) * time.Second)
	return holder, now.Before(valid)
}
