package plugin_test

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

// A workload ran before its ServiceAccount had a role. status shows it, restart
// replaces its pods and no others, and then status finds nothing.
func (e *env) restart() {
	e.Helper()
	const ns = "restart"
	e.namespace(ns, nil)
	e.Must(e.Client.Create(e.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "checkout"}}))
	e.deploy(ns, "checkout", "checkout")
	e.deploy(ns, "other", "default")
	e.Must(e.Client.Create(e.Context(), &v1alpha1.PodIdentity{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "checkout"},
		Spec:       v1alpha1.PodIdentitySpec{ServiceAccount: v1alpha1.ServiceAccountSpec{Mode: v1alpha1.ServiceAccountAnnotate}},
	}))
	if r := e.kubectl(nil, "reconcile", "-n", ns, "checkout", "--wait"); r.code != 0 {
		e.Fatalf("reconcile --wait ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	r := e.kubectl(nil, "status", "-n", ns, "checkout")
	for _, words := range []string{
		"restart/checkout  Ready", "trusts system:serviceaccount:restart:checkout", "permissions boundary arn:aws:iam::" + testenv.AccountID + ":policy/podidentity-boundary",
		"0 of 10 managed policies", "Deployment checkout: 0 of 1 pods up to date", "kubectl podidentity restart -n restart checkout",
	} {
		if r.code != 1 || !strings.Contains(r.stdout, words) {
			e.Errorf("status ended with %d, and %q is missing:\n%s%s", r.code, words, r.stdout, r.stderr)
		}
	}
	before := e.pods(ns)
	if r := e.kubectl(nil, "restart", "-n", ns, "checkout", "--dry-run"); r.code != 0 || !strings.Contains(r.stdout, "Deployment checkout (1 of 1 pods) would be restarted") {
		e.Errorf("restart --dry-run ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := e.kubectl(nil, "restart", "-n", ns, "checkout"); r.code != 0 || !strings.Contains(r.stdout, "Deployment checkout (1 of 1 pods) restarted") || strings.Contains(r.stdout, "other") {
		e.Errorf("restart ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	e.Eventually("the pods to have the role", func() bool { return e.kubectl(nil, "status", "-n", ns).code == 0 })
	if after := e.pods(ns); after["other"] != before["other"] || after["checkout"] == before["checkout"] {
		e.Errorf("pods before: %v, after: %v", before, after)
	}
	if r := e.kubectl(nil, "restart", "-n", ns, "checkout"); r.code != 0 || !strings.Contains(r.stdout, "nothing to restart") {
		e.Errorf("the second restart ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	e.suspend(ns)
	e.degraded(ns)
}

// suspend stops the operator from changing an identity, and resume starts it again.
func (e *env) suspend(ns string) {
	e.Helper()
	if r := e.kubectl(nil, "suspend", "-n", ns, "checkout", "--wait"); r.code != 0 {
		e.Errorf("suspend ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := e.kubectl(nil, "status", "-n", ns); !strings.Contains(r.stdout, ", suspended") {
		e.Errorf("status does not say that the identity is suspended:\n%s", r.stdout)
	}
	if r := e.kubectl(nil, "resume", "-n", ns, "checkout", "--wait"); r.code != 0 {
		e.Errorf("resume ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// degraded shows status to a user without AWS credentials: the part that the cluster
// knows is there, and one line says what is missing.
func (e *env) degraded(ns string) {
	e.Helper()
	noKeys := map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
	r := e.kubectl(noKeys, "status", "-n", ns)
	e.oneLine(r, "no AWS credentials found", "--skip-aws")
	if !strings.Contains(r.stdout, "Deployment checkout: 1 of 1 pods up to date") {
		e.Errorf("status without credentials does not show the cluster:\n%s%s", r.stdout, r.stderr)
	}
	if r := e.kubectl(noKeys, "status", "-n", ns, "--skip-aws"); r.code != 0 || r.stderr != "" {
		e.Errorf("status --skip-aws ended with %d: %s", r.code, r.stderr)
	}
}

// deploy creates a Deployment of one pod, and waits for it.
func (e *env) deploy(ns, name, serviceAccount string) {
	e.Helper()
	one, labels := int32(1), map[string]string{"app": name}
	e.Must(e.Client.Create(e.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &one,
			// No pod is ever available here, for which a rolling update would wait.
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{ServiceAccountName: serviceAccount, Containers: []corev1.Container{{Name: "app", Image: "app"}}},
			},
		},
	}))
	e.Eventually("a pod of Deployment "+name, func() bool { return e.pods(ns)[name] != "" })
}

// pods returns the names of the pods of each Deployment that are not being deleted.
func (e *env) pods(ns string) map[string]string {
	e.Helper()
	var list corev1.PodList
	e.Must(e.Client.List(e.Context(), &list, client.InNamespace(ns)))
	names := map[string]string{}
	for i := range list.Items {
		if p := &list.Items[i]; p.DeletionTimestamp == nil {
			names[p.Labels["app"]] += p.Name
		}
	}
	return names
}
