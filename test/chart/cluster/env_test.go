package cluster_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	// The test builds the operator; without the import go test would not see its changes.
	_ "github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
)

const (
	root        = "../../.."
	region      = "eu-west-1"
	accountID   = "123456789012"
	clusterName = "prod-eu"
	timeout     = time.Minute
)

// env is a cluster, an AWS account and the operator's rights in both.
type env struct {
	*testing.T
	cluster  *controlplane.ControlPlane
	admin    client.Client
	account  *awslocal.Server
	iam      *iam.Client // of an administrator
	endpoint string
	granted  installation.Granted
	calls    map[string]int // of AWS, before the current step
	stop     func()         // ends the running operator
	args     []string       // of the running operator

	metricsURL string
	prometheus string // token of the ServiceAccount that may read metrics
}

func newEnv(t *testing.T) *env {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	e := &env{T: t, stop: func() {}}
	e.cluster = start(t, controlplane.Options{})
	scheme := runtime.NewScheme()
	must(t, clientgoscheme.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	var err error
	e.admin, err = client.New(e.cluster.Config, client.Options{Scheme: scheme})
	must(t, err)
	e.openAccount()
	e.createPrometheus()
	return e
}

// createPrometheus creates the ServiceAccount that the chart lets read the metrics.
func (e *env) createPrometheus() {
	e.Helper()
	must(e.T, e.admin.Create(e.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "monitoring"}}))
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "monitoring", Name: "prometheus"}}
	must(e.T, e.admin.Create(e.Context(), account))
	request := &authenticationv1.TokenRequest{}
	must(e.T, e.admin.SubResource("token").Create(e.Context(), account, request))
	e.prometheus = request.Status.Token
}

// scrape returns the metrics of the running operator, as Prometheus reads them.
func (e *env) scrape(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.metricsURL, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+e.prometheus)
	insecure := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // as serviceMonitor.tlsConfig says
	defer insecure.CloseIdleConnections()
	response, err := (&http.Client{Transport: insecure}).Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), err
}

// openAccount opens an AWS account and grants the operator its role in it.
func (e *env) openAccount() {
	e.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(e.cluster.CAData)
	e.account = awslocal.New(awslocal.Options{Account: accountID, Seed: 1, RootCAs: pool, Authorize: true, AccessKeys: map[string]string{"admin": "secret"}})
	server := httptest.NewServer(e.account)
	e.Cleanup(server.Close)
	e.endpoint = server.URL
	e.iam = iam.NewFromConfig(aws.Config{
		Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("admin", "secret", ""),
	})
	i := installation.Installation{Root: root, Cluster: clusterName, AccountID: accountID, Issuer: e.cluster.Issuer}
	_, err := i.TrustIssuer(e.Context(), e.iam)
	must(e.T, err)
	e.granted, err = i.Grant(e.Context(), e.iam)
	must(e.T, err)
}

// startOperator ends the running operator, and starts that of a version with the arguments
// and the rights that the release gives it, as the kubelet would. It returns when the
// operator has checked all roles for drift, and has nothing left to do.
func (e *env) startOperator(v version) {
	e.Helper()
	e.stop()
	deployment := e.deployment()
	pod := deployment.Spec.Template.Spec
	e.args = pod.Containers[0].Args
	account := client.ObjectKey{Namespace: deployment.Namespace, Name: pod.ServiceAccountName}
	dir := e.TempDir()
	kubeconfig, token := filepath.Join(dir, "kubeconfig"), filepath.Join(dir, "token")
	must(e.T, e.cluster.WriteKubeconfig(kubeconfig, installation.User()))
	must(e.T, installation.WriteToken(e.Context(), e.admin, account, token))
	free, err := controlplane.FreeAddresses(2)
	must(e.T, err)

	environment := installation.Credentials(e.granted.Role, token, region, e.endpoint)
	environment["KUBECONFIG"] = kubeconfig
	for _, variable := range pod.Containers[0].Env {
		environment[variable.Name] = variable.Value
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	must(e.T, err)
	// What differs outside of a pod: the addresses, and the namespace that a pod reads from its files.
	cmd := exec.CommandContext(e.Context(), v.operator, append(slices.Clone(e.args),
		"--health-probe-bind-address="+free[0], "--metrics-bind-address="+free[1], "--leader-election-namespace="+deployment.Namespace)...)
	cmd.Env = controlplane.Environ(environment)
	cmd.Stdout, cmd.Stderr = log, log
	must(e.T, cmd.Start())
	e.stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // fails only if it has ended
		_ = cmd.Wait()                          // it was asked to end
		e.stop = func() {}
	}
	e.Cleanup(func() {
		e.stop()
		if content, err := os.ReadFile(log.Name()); err == nil && e.Failed() {
			e.Logf("the operator with %q:\n%s", e.args, content)
		}
	})
	e.eventually("the operator to be ready", func(ctx context.Context) bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+free[0]+"/readyz", nil)
		must(e.T, err)
		response, err := http.DefaultClient.Do(request)
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	})
	e.metricsURL = "https://" + free[1] + "/metrics"
	quiet := 0
	e.eventually("a drift check, and the end of the work that follows from it", func(ctx context.Context) bool {
		metrics, err := e.scrape(ctx)
		if err != nil || valueOf(metrics, "podidentity_drift_check_last_success_timestamp_seconds") == 0 ||
			valueOf(metrics, "workqueue_depth")+valueOf(metrics, "controller_runtime_active_workers") > 0 {
			quiet = 0
			return false
		}
		quiet++
		return quiet == 5 // what a drift check finds reaches the queue a moment later
	})
}

// checkArg checks that the running operator has an argument.
func (e *env) checkArg(want string) {
	e.Helper()
	if !slices.Contains(e.args, want) {
		e.Errorf("the operator has the arguments %q, want %s among them", e.args, want)
	}
}

func (e *env) create(name string) {
	e.Helper()
	e.createWith(name, v1alpha1.PoliciesSpec{Managed: []v1alpha1.PolicyARN{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}})
}

func (e *env) createWith(name string, policies v1alpha1.PoliciesSpec) {
	e.Helper()
	pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	pi.Spec.Policies = policies
	must(e.T, e.admin.Create(e.Context(), pi))
}

// edit changes the description of a role, and waits until it is ready again.
func (e *env) edit(name, description string) {
	e.Helper()
	pi := e.get(name)
	former := pi.DeepCopy()
	pi.Spec.Role.Description = description
	must(e.T, e.admin.Patch(e.Context(), pi, client.MergeFrom(former)))
	e.eventually(name+" to be ready after an edit", func(context.Context) bool {
		ready := meta.FindStatusCondition(e.get(name).Status.Conditions, v1alpha1.ConditionReady)
		return ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == pi.Generation
	})
}

// requestReconcile asks the operator to compare an identity with AWS.
func (e *env) requestReconcile(name, token string) {
	e.Helper()
	pi := e.get(name)
	former := pi.DeepCopy()
	pi.Annotations = map[string]string{v1alpha1.RequestedAtAnnotation: token}
	must(e.T, e.admin.Patch(e.Context(), pi, client.MergeFrom(former)))
}

func (e *env) get(name string) *v1alpha1.PodIdentity {
	e.Helper()
	pi := &v1alpha1.PodIdentity{}
	must(e.T, e.admin.Get(e.Context(), client.ObjectKey{Namespace: "default", Name: name}, pi))
	return pi
}

// awaitReady waits until an identity is ready. All calls so far count as its creation.
func (e *env) awaitReady(name string) {
	e.Helper()
	e.eventually(name+" to be ready", func(context.Context) bool {
		return meta.IsStatusConditionTrue(e.get(name).Status.Conditions, v1alpha1.ConditionReady)
	})
	e.calls = e.account.Calls()
}

// delete deletes identities, and waits until they are gone.
func (e *env) delete(names ...string) {
	e.Helper()
	for _, name := range names {
		must(e.T, e.admin.Delete(e.Context(), e.get(name)))
	}
	for _, name := range names {
		e.eventually(name+" to be gone", func(ctx context.Context) bool {
			return apierrors.IsNotFound(e.admin.Get(ctx, client.ObjectKey{Namespace: "default", Name: name}, &v1alpha1.PodIdentity{}))
		})
	}
}

// checkGuardrails checks which guardrails there are.
func (e *env) checkGuardrails(want ...string) {
	e.Helper()
	var list v1alpha1.PodIdentityGuardrailList
	must(e.T, e.admin.List(e.Context(), &list))
	var got []string
	for _, g := range list.Items {
		got = append(got, g.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		e.Errorf("guardrails: got %q, want %q", got, want)
	}
}

// snapshot is what must not change: the identities, and the roles with what they grant.
type snapshot struct {
	Ready    map[string]string // condition and the time since when, by name of the identity
	Versions map[string]string // resourceVersion by name of the identity
	Roles    map[string]string // trust and policies by ARN
}

func (e *env) snapshot() snapshot {
	e.Helper()
	s := snapshot{Ready: map[string]string{}, Versions: map[string]string{}, Roles: map[string]string{}}
	var list v1alpha1.PodIdentityList
	must(e.T, e.admin.List(e.Context(), &list))
	for _, pi := range list.Items {
		s.Versions[pi.Name] = pi.ResourceVersion
		if ready := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			s.Ready[pi.Name] = fmt.Sprintf("%s since %s", ready.Status, ready.LastTransitionTime)
		}
	}
	roles, err := e.iam.ListRoles(e.Context(), &iam.ListRolesInput{PathPrefix: aws.String("/podidentity/" + clusterName + "/")})
	must(e.T, err)
	for _, role := range roles.Roles {
		attached, err := e.iam.ListAttachedRolePolicies(e.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: role.RoleName})
		must(e.T, err)
		var policies []string
		for _, p := range attached.AttachedPolicies {
			policies = append(policies, aws.ToString(p.PolicyArn))
		}
		s.Roles[aws.ToString(role.Arn)] = fmt.Sprintf("%s %s", aws.ToString(role.AssumeRolePolicyDocument), strings.Join(policies, " "))
	}
	return s
}

// eventually waits until a condition holds.
func (e *env) eventually(what string, condition func(context.Context) bool) {
	e.Helper()
	err := wait.PollUntilContextTimeout(e.Context(), 20*time.Millisecond, timeout, true, func(ctx context.Context) (bool, error) { return condition(ctx), nil })
	if err != nil {
		e.Fatalf("timed out waiting for %s", what)
	}
}
