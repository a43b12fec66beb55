package cluster_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

const (
	clusterName = "prod-eu"
	timeout     = time.Minute // of an operation of Helm
)

// env is a cluster, an AWS account and the operator's permissions in both.
type env struct {
	*testenv.Env

	granted  installation.Granted
	calls    map[string]int   // of AWS, before the current step
	operator *testenv.Process // nil if none runs
	args     []string         // of the running operator
	starts   int              // of operators

	metricsURL string
	prometheus string // token of the ServiceAccount that may read metrics
}

func newEnv(t *testing.T) *env {
	t.Helper()
	cluster := testenv.Start(t, testenv.ClusterOptions{Bare: true})
	e := &env{Env: cluster.NewEnv(t, testenv.Options{})}
	e.granted = e.Grant(e.Installation(clusterName))
	e.createPrometheus()
	return e
}

// createPrometheus creates the ServiceAccount that the chart lets read the metrics.
func (e *env) createPrometheus() {
	e.Helper()
	e.Must(e.Client.Create(e.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "monitoring"}}))
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "monitoring", Name: "prometheus"}}
	e.Must(e.Client.Create(e.Context(), account))
	request := &authenticationv1.TokenRequest{}
	e.Must(e.Client.SubResource("token").Create(e.Context(), account, request))
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

// startOperator ends the running operator, and starts that of a version with the arguments
// and the permissions that the release gives it, as the kubelet would. It returns when the
// operator has checked all roles for drift, and has nothing left to do.
func (e *env) startOperator(v version) {
	e.Helper()
	e.stop()
	binary, err := e.Deployed(e.Context(), v.operator)
	e.Must(err)
	free, err := controlplane.FreeAddresses(1)
	e.Must(err)
	e.starts++
	binary.Name, binary.Metrics = fmt.Sprintf("operator-%d", e.starts), free[0]
	e.operator, e.args, e.metricsURL = e.StartBinary(binary), binary.Args, "https://"+free[0]+"/metrics"
	quiet := 0
	e.Eventually("a drift check, and the end of the work that follows from it", func() bool {
		metrics, err := e.scrape(e.Context())
		if err != nil || valueOf(metrics, "podidentity_drift_check_last_success_timestamp_seconds") == 0 ||
			valueOf(metrics, "workqueue_depth")+valueOf(metrics, "controller_runtime_active_workers") > 0 {
			quiet = 0
			return false
		}
		quiet++
		return quiet == 5 // what a drift check finds reaches the queue a moment later
	})
}

// stop ends the running operator, if there is one, as the kubelet would.
func (e *env) stop() {
	if e.operator != nil {
		e.operator.Signal(syscall.SIGTERM)
		e.operator = nil
	}
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
	e.Must(e.Client.Create(e.Context(), pi))
}

// edit changes the description of a role, and waits until it is ready again.
func (e *env) edit(name, description string) {
	e.Helper()
	pi := e.Get(name)
	former := pi.DeepCopy()
	pi.Spec.Role.Description = description
	e.Must(e.Client.Patch(e.Context(), pi, client.MergeFrom(former)))
	e.AwaitReady(name)
}

// requestReconcile asks the operator to compare an identity with AWS.
func (e *env) requestReconcile(name, token string) {
	e.Helper()
	pi := e.Get(name)
	former := pi.DeepCopy()
	pi.Annotations = map[string]string{v1alpha1.RequestedAtAnnotation: token}
	e.Must(e.Client.Patch(e.Context(), pi, client.MergeFrom(former)))
}

// awaitReady waits until an identity is ready. All calls so far count as its creation.
func (e *env) awaitReady(name string) {
	e.Helper()
	e.AwaitReady(name)
	e.calls = e.AWS.Calls()
}

// delete deletes identities, and waits until they are gone.
func (e *env) delete(names ...string) {
	e.Helper()
	for _, name := range names {
		e.Delete(name)
	}
	for _, name := range names {
		e.AwaitGone(name)
	}
}

// checkGuardrails checks which guardrails there are.
func (e *env) checkGuardrails(want ...string) {
	e.Helper()
	var list v1alpha1.PodIdentityGuardrailList
	e.Must(e.Client.List(e.Context(), &list))
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
	e.Must(e.Client.List(e.Context(), &list))
	for _, pi := range list.Items {
		s.Versions[pi.Name] = pi.ResourceVersion
		if ready := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			s.Ready[pi.Name] = fmt.Sprintf("%s since %s", ready.Status, ready.LastTransitionTime)
		}
	}
	roles, err := e.AWS.IAM.ListRoles(e.Context(), &iam.ListRolesInput{PathPrefix: aws.String("/podidentity/" + clusterName + "/")})
	e.Must(err)
	for _, role := range roles.Roles {
		attached, err := e.AWS.IAM.ListAttachedRolePolicies(e.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: role.RoleName})
		e.Must(err)
		var policies []string
		for _, p := range attached.AttachedPolicies {
			policies = append(policies, aws.ToString(p.PolicyArn))
		}
		s.Roles[aws.ToString(role.Arn)] = fmt.Sprintf("%s %s", aws.ToString(role.AssumeRolePolicyDocument), strings.Join(policies, " "))
	}
	return s
}
