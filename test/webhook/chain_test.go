package webhook_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

func tlsOf(pool *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// A team deploys its application and its identity in one go. The pods wait for the
// ServiceAccount, which comes with the role, and then get what they need: AWS's
// webhook puts it into them, and the AWS SDK finds it.
func TestWholeChain(t *testing.T) {
	w := open(t)
	w.deploy("checkout")
	w.eventually("the pods to wait for their ServiceAccount", func() bool { return w.failure("checkout") != "" })
	if got := w.failure("checkout"); !strings.Contains(got, `serviceaccount "checkout" not found`) {
		t.Errorf("The pods wait for something else: %s", got)
	}

	seconds := int32(1800)
	w.must(w.user.Create(w.Context(), &v1alpha1.PodIdentity{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "checkout"},
		Spec:       v1alpha1.PodIdentitySpec{ServiceAccount: v1alpha1.ServiceAccountSpec{TokenExpirationSeconds: seconds}},
	}))
	var pod corev1.Pod
	w.eventually("a pod", func() bool {
		var pods corev1.PodList
		w.must(w.user.List(w.Context(), &pods, client.InNamespace("default"), client.MatchingLabels{"app": "checkout"}))
		if len(pods.Items) == 0 {
			return false
		}
		pod = pods.Items[0]
		return true
	})
	var pi v1alpha1.PodIdentity
	w.eventually("the operator to have counted the pod", func() bool {
		w.must(w.user.Get(w.Context(), client.ObjectKey{Namespace: "default", Name: "checkout"}, &pi))
		return cmp.Equal(pi.Status.Pods, &v1alpha1.PodsStatus{Current: 1})
	})

	w.deploy("default") // whose ServiceAccount no PodIdentity names
	w.eventually("a pod that is nobody's", func() bool {
		var pods corev1.PodList
		w.must(w.user.List(w.Context(), &pods, client.InNamespace("default"), client.MatchingLabels{"app": "default"}))
		for _, other := range pods.Items {
			if len(other.Spec.Containers[0].Env) > 0 {
				t.Errorf("The pod of another ServiceAccount was changed: %v", other.Spec.Containers[0].Env)
			}
		}
		return len(pods.Items) == 1
	})

	arn := w.callerOf(&pod, int64(seconds))
	if want := ":assumed-role/" + pi.Status.Role.Name + "/"; !strings.Contains(arn, want) {
		t.Errorf("AWS takes the pod for %s, not for a session of %s", arn, pi.Status.Role.ARN)
	}
}

// deploy makes a Deployment of one pod, with the ServiceAccount of its own name.
func (w *world) deploy(name string) {
	w.Helper()
	one, labels := int32(1), map[string]string{"app": name}
	w.must(w.user.Create(w.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &one,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{ServiceAccountName: name, Containers: []corev1.Container{{Name: "app", Image: "app"}}},
			},
		},
	}))
}

// failure returns why a Deployment has no pods, empty if it does not say.
func (w *world) failure(name string) string {
	w.Helper()
	var d appsv1.Deployment
	w.must(w.user.Get(w.Context(), client.ObjectKey{Namespace: "default", Name: name}, &d))
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			return c.Message
		}
	}
	return ""
}

// callerOf does what the kubelet and the pod would: it takes the environment and
// the token that the webhook asks for, and has the AWS SDK find its way. It returns
// who AWS says that the pod is.
func (w *world) callerOf(pod *corev1.Pod, seconds int64) string {
	w.Helper()
	container := pod.Spec.Containers[0]
	env := map[string]string{}
	for _, e := range container.Env {
		env[e.Name] = e.Value
	}
	want := []string{"AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ROLE_ARN", "AWS_STS_REGIONAL_ENDPOINTS", "AWS_WEB_IDENTITY_TOKEN_FILE"}
	for _, name := range want {
		if env[name] == "" {
			w.Errorf("The webhook does not set %s: %v", name, env)
		}
	}
	token := w.project(pod, &container, env["AWS_WEB_IDENTITY_TOKEN_FILE"], seconds)
	for name, value := range env {
		w.Setenv(name, value)
	}
	w.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
	w.Setenv("AWS_ENDPOINT_URL", w.aws)
	w.Setenv("AWS_ENDPOINT_URL_STS", w.aws)
	for _, other := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		w.Setenv(other, "") // of whoever runs the test
	}
	w.Setenv("AWS_CONFIG_FILE", os.DevNull)
	w.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	cfg, err := config.LoadDefaultConfig(w.Context())
	w.must(err)
	identity, err := sts.NewFromConfig(cfg).GetCallerIdentity(w.Context(), &sts.GetCallerIdentityInput{})
	w.must(err)
	return *identity.Arn
}

// project writes the token that is projected into the container at that path, and
// returns where.
func (w *world) project(pod *corev1.Pod, container *corev1.Container, path string, seconds int64) string {
	w.Helper()
	for _, mount := range container.VolumeMounts {
		relative, err := filepath.Rel(mount.MountPath, path)
		if err != nil || strings.HasPrefix(relative, "..") {
			continue
		}
		for _, volume := range pod.Spec.Volumes {
			if volume.Name != mount.Name || volume.Projected == nil {
				continue
			}
			for _, source := range volume.Projected.Sources {
				if source.ServiceAccountToken != nil && source.ServiceAccountToken.Path == relative {
					return w.token(pod, source.ServiceAccountToken, seconds)
				}
			}
		}
	}
	w.Fatalf("no volume of the pod projects %s", path)
	return ""
}

// token requests a token as the kubelet does: bound to the pod.
func (w *world) token(pod *corev1.Pod, projection *corev1.ServiceAccountTokenProjection, seconds int64) string {
	w.Helper()
	if projection.Audience != "sts.amazonaws.com" || *projection.ExpirationSeconds != seconds {
		w.Errorf("The token is for %s and %d s, not for sts.amazonaws.com and %d s.", projection.Audience, *projection.ExpirationSeconds, seconds)
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{projection.Audience}, ExpirationSeconds: projection.ExpirationSeconds,
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Spec.ServiceAccountName}}
	w.must(w.user.SubResource("token").Create(w.Context(), sa, request))
	path := filepath.Join(w.TempDir(), "token")
	w.must(os.WriteFile(path, []byte(request.Status.Token), 0o600))
	return path
}
