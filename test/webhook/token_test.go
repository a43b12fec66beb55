package webhook_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// lifetime is that of the tokens of the pods, in seconds.
const lifetime = 1800

// A pod is who the operator says with a token that lives. One that has expired gets
// it nothing; as soon as there is a fresh one the same process goes on.
func (e *env) tokenExpires(pod *corev1.Pod, pi *v1alpha1.PodIdentity) {
	e.Helper()
	env := e.environment(pod)
	projection := e.projection(pod, env["AWS_WEB_IDENTITY_TOKEN_FILE"])
	path := filepath.Join(e.TempDir(), "token")
	for name, value := range env {
		e.Setenv(name, value)
	}
	e.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path)
	e.Setenv("AWS_ENDPOINT_URL", e.AWS.URL)
	e.Setenv("AWS_ENDPOINT_URL_STS", e.AWS.URL)
	for _, other := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		e.Setenv(other, "") // of the user who runs the test
	}
	e.Setenv("AWS_CONFIG_FILE", os.DevNull)
	e.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	cfg, err := config.LoadDefaultConfig(e.Context())
	e.Must(err)
	aws := sts.NewFromConfig(cfg)

	fresh := e.token(pod, projection)
	e.Must(os.WriteFile(path, []byte(e.expired(fresh)), 0o600))
	_, err = aws.GetCallerIdentity(e.Context(), &sts.GetCallerIdentityInput{})
	if rejected, ok := errors.AsType[smithy.APIError](err); !ok || rejected.ErrorCode() != "ExpiredTokenException" {
		e.Errorf("With an expired token: %v, want ExpiredTokenException", err)
	}

	e.Must(os.WriteFile(path, []byte(fresh), 0o600))
	identity, err := aws.GetCallerIdentity(e.Context(), &sts.GetCallerIdentityInput{})
	e.Must(err)
	if want := ":assumed-role/" + pi.Status.Role.Name + "/"; !strings.Contains(*identity.Arn, want) {
		e.Errorf("AWS takes the pod for %s, not for a session of %s", *identity.Arn, pi.Status.Role.ARN)
	}
}

// environment returns what the webhook set in a pod.
func (e *env) environment(pod *corev1.Pod) map[string]string {
	e.Helper()
	env := map[string]string{}
	for _, variable := range pod.Spec.Containers[0].Env {
		env[variable.Name] = variable.Value
	}
	for _, name := range []string{"AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ROLE_ARN", "AWS_STS_REGIONAL_ENDPOINTS", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		if env[name] == "" {
			e.Errorf("The webhook does not set %s: %v", name, env)
		}
	}
	return env
}

// projection returns the token that the pod has projected into it at that path.
func (e *env) projection(pod *corev1.Pod, path string) *corev1.ServiceAccountTokenProjection {
	e.Helper()
	for _, mount := range pod.Spec.Containers[0].VolumeMounts {
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
					return source.ServiceAccountToken
				}
			}
		}
	}
	e.Fatalf("no volume of the pod projects %s", path)
	return nil
}

// token requests a token as the kubelet does: bound to the pod.
func (e *env) token(pod *corev1.Pod, projection *corev1.ServiceAccountTokenProjection) string {
	e.Helper()
	if projection.Audience != "sts.amazonaws.com" || *projection.ExpirationSeconds != lifetime {
		e.Errorf("The token is for %s and %d s, not for sts.amazonaws.com and %d s.", projection.Audience, *projection.ExpirationSeconds, lifetime)
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{projection.Audience}, ExpirationSeconds: projection.ExpirationSeconds,
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Spec.ServiceAccountName}}
	e.Must(e.Client.SubResource("token").Create(e.Context(), sa, request))
	return request.Status.Token
}

// expired returns the token that the pod had before this one.
func (e *env) expired(token string) string {
	e.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	e.Must(err)
	claims := map[string]any{}
	e.Must(parsed.UnsafeClaimsWithoutVerification(&claims))
	now := time.Now()
	claims["exp"], claims["iat"], claims["nbf"] = now.Unix()-1, now.Unix()-lifetime-1, now.Unix()-lifetime-1
	signed, err := e.SignToken(claims)
	e.Must(err)
	return signed
}
