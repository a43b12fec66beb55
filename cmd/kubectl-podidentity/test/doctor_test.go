package plugin_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/test/installation"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

// doctor finds nothing wrong with the installation that the tests make, and then finds
// what is broken.
func (e *env) doctor() {
	e.Helper()
	e.deployOperator()
	trusted := map[string]string{"SSL_CERT_FILE": e.CAFile} // the issuer's authority, which is public elsewhere
	e.expect(trusted, 0, map[string]string{})

	e.Run("Unreachable", func(t *testing.T) {
		e.with(t).expect(nil, 1, map[string]string{"keys": "broken"})
	})
	e.Run("EventQueue", func(t *testing.T) { e.with(t).eventQueue(trusted) })
	e.Run("Findings", func(t *testing.T) {
		e := e.with(t)
		idle := &v1alpha1.PodIdentityGuardrail{
			ObjectMeta: metav1.ObjectMeta{Name: "idle"},
			Spec: v1alpha1.PodIdentityGuardrailSpec{NamespaceSelector: v1alpha1.NamespaceSelector{
				MatchLabels: map[string]v1alpha1.LabelValue{"podidentity.test/none": "x"},
			}},
		}
		e.Must(e.Client.Create(e.Context(), idle))
		e.createTaggedRole("left-behind", plan.Owner{Cluster: clusterName, ClusterID: e.clusterID(), Namespace: "gone", Name: "left-behind", UID: "0"}, nil)
		e.createTaggedRole("of-stage", plan.Owner{Cluster: "stage", ClusterID: "stage", Namespace: "gone", Name: "of-stage", UID: "0"}, nil)
		e.expect(trusted, 1, map[string]string{"guardrails": "warning", "orphans": "warning", "clusters": "broken"})
		e.Must(e.Client.Delete(e.Context(), idle))
	})
	e.Run("OldPolicy", func(t *testing.T) {
		e := e.with(t)
		own := "podidentity-operator-" + clusterName
		_, err := e.AWS.IAM.PutRolePolicy(e.Context(), &iam.PutRolePolicyInput{
			RoleName: &own, PolicyName: aws.String("frozen"),
			PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:UpdateRole","Resource":"*"}]}`),
		})
		e.Must(err)
		r := e.kubectl(trusted, "doctor")
		if r.code != 1 || !strings.Contains(r.stdout, "the operator's role "+own+" lacks iam:UpdateRole\n") {
			e.Errorf("exit code %d, and the missing permission is not named:\n%s%s", r.code, r.stdout, r.stderr)
		}
	})
	e.Run("NoAWS", func(t *testing.T) {
		r := e.with(t).kubectl(map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "doctor")
		if r.code != 1 || !strings.Contains(r.stdout, "no AWS credentials found") || r.stderr != "" {
			t.Errorf("exit code %d:\n%s%s", r.code, r.stdout, r.stderr)
		}
	})
}

// eventQueue gives the operator an event queue: doctor says what its role lacks, iam-policy
// prints it, and doctor notices a queue that does not exist.
func (e *env) eventQueue(trusted map[string]string) {
	e.Helper()
	const name, queue = "events", "https://sqs.us-east-1.amazonaws.com/" + testenv.AccountID + "/podidentity-test"
	own := "podidentity-operator-" + clusterName
	e.runWith("--event-queue-url=" + queue)
	e.expect(trusted, 1, map[string]string{"permissions": "broken"})

	r := e.kubectl(nil, "iam-policy", "operator-policy-event-queue")
	if r.code != 0 || !strings.Contains(r.stdout, `"arn:aws:sqs:us-east-1:`+testenv.AccountID+`:podidentity-test"`) {
		e.Fatalf("iam-policy ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	_, err := e.AWS.IAM.PutRolePolicy(e.Context(), &iam.PutRolePolicyInput{RoleName: &own, PolicyName: aws.String(name), PolicyDocument: &r.stdout})
	e.Must(err)
	e.expect(trusted, 0, map[string]string{})

	e.runWith("--event-queue-url=" + strings.Replace(queue, "us-east-1", region, 1))
	e.expect(trusted, 1, map[string]string{"events": "broken", "permissions": "broken"})
	e.runWith("--event-queue-url=https://sqs.us-east-1.amazonaws.com/" + testenv.AccountID + "/gone")
	e.expect(trusted, 1, map[string]string{"events": "broken", "permissions": "broken"})

	_, err = e.AWS.IAM.DeleteRolePolicy(e.Context(), &iam.DeleteRolePolicyInput{RoleName: &own, PolicyName: aws.String(name)})
	e.Must(err)
	e.runWith()
	e.expect(trusted, 0, map[string]string{})
}

// runWith sets options of the operator's Deployment, in addition to those that it has.
func (e *env) runWith(args ...string) {
	e.Helper()
	d := &appsv1.Deployment{}
	e.Must(e.Client.Get(e.Context(), client.ObjectKey{Namespace: installation.Namespace, Name: "podidentity-controller-manager"}, d))
	before := d.DeepCopy()
	d.Spec.Template.Spec.Containers[0].Args = append(e.operatorArgs(), args...)
	e.Must(e.Client.Patch(e.Context(), d, client.MergeFrom(before)))
}

func (e *env) operatorArgs() []string {
	return []string{"--cluster-name=$(CLUSTER_NAME)", "--permissions-boundary=" + e.granted.Boundary}
}

// reportReady does what a kubelet does: it reports that the pods of a Deployment run.
func (e *env) reportReady(key client.ObjectKey, labels map[string]string, replicas int32) {
	e.Helper()
	e.Eventually("the pods of Deployment "+key.Name+" to count as available", func() bool {
		var pods corev1.PodList
		e.Must(e.Client.List(e.Context(), &pods, client.InNamespace(key.Namespace), client.MatchingLabels(labels)))
		for i := range pods.Items {
			p := &pods.Items[i]
			before := p.DeepCopy()
			p.Status.Phase = corev1.PodRunning
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}
			e.Must(client.IgnoreNotFound(e.Client.Status().Patch(e.Context(), p, client.MergeFrom(before))))
		}
		d := &appsv1.Deployment{}
		e.Must(e.Client.Get(e.Context(), key, d))
		return d.Status.AvailableReplicas == replicas
	})
}

func with(sets ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range sets {
		maps.Copy(all, m)
	}
	return all
}

// expect runs doctor and compares its exit code, and the checks that are not in
// order.
func (e *env) expect(vars map[string]string, code int, want map[string]string) {
	e.Helper()
	r := e.kubectl(vars, "doctor", "-o", "json")
	var checks []struct{ Check, State, Message string }
	e.decode(r, &checks)
	got := map[string]string{}
	for _, c := range checks {
		if c.State != "ok" {
			got[c.Check] = c.State
		}
	}
	if diff := cmp.Diff(want, got); r.code != code || diff != "" {
		e.Errorf("exit code %d, want %d; checks that are not OK: -want, +got:\n%s\n%s", r.code, code, diff, r.stdout)
	}
}

// deployOperator creates the operator's Deployment, with pods that no node runs but that
// count as ready, and annotates its ServiceAccount as its users do.
func (e *env) deployOperator() {
	e.Helper()
	two, labels := int32(2), map[string]string{"app.kubernetes.io/name": "podidentity-operator"}
	e.Must(e.Client.Create(e.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: installation.Namespace, Name: "podidentity-controller-manager", Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &two,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{ // of the restricted profile, which the namespace enforces
					ServiceAccountName: installation.ServiceAccount,
					SecurityContext:    &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
					Containers: []corev1.Container{{
						Name: "manager", Image: "operator",
						SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
						Args:            e.operatorArgs(),
						Env:             []corev1.EnvVar{{Name: "CLUSTER_NAME", Value: clusterName}},
					}},
				},
			},
		},
	}))
	e.reportReady(client.ObjectKey{Namespace: installation.Namespace, Name: "podidentity-controller-manager"}, labels, two)
	sa := &corev1.ServiceAccount{}
	e.Must(e.Client.Get(e.Context(), installation.Account(), sa))
	metav1.SetMetaDataAnnotation(&sa.ObjectMeta, roleARN, e.granted.Role)
	e.Must(e.Client.Update(e.Context(), sa))
	e.Eventually("the webhook to know the operator's role", func() bool {
		return strings.Contains(e.kubectl(nil, "why", "-n", installation.Namespace, "sa/"+installation.ServiceAccount).stdout, "The pod can assume")
	})
}

// clusterID returns the UID of namespace kube-system.
func (e *env) clusterID() string {
	e.Helper()
	system := &corev1.Namespace{}
	e.Must(e.Client.Get(e.Context(), client.ObjectKey{Name: metav1.NamespaceSystem}, system))
	return string(system.UID)
}

// createTaggedRole creates a role below the operator's path with the tags of an owner,
// and more.
func (e *env) createTaggedRole(name string, owner plan.Owner, more map[string]string) {
	e.Helper()
	tags := owner.Tags()
	maps.Copy(tags, more)
	input := &iam.CreateRoleInput{
		RoleName: &name, Path: aws.String("/podidentity/" + clusterName + "/"),
		AssumeRolePolicyDocument: aws.String(trustPolicy(e.Issuer, "StringEquals", map[string]string{"sub": "x"})),
	}
	for key, value := range tags {
		input.Tags = append(input.Tags, iamtypes.Tag{Key: &key, Value: &value})
	}
	_, err := e.AWS.IAM.CreateRole(e.Context(), input)
	e.Must(err)
}
