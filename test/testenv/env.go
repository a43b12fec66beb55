package testenv

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/installation"
)

// Options define what a test needs. The zero value is an AWS account of its own, and
// namespace default.
type Options struct {
	// AWS configures the account.
	AWS awslocal.Options
	// WrapAWS returns what answers in place of the account; it can call the account.
	WrapAWS func(*awslocal.Server) http.Handler
	// Namespace is the namespace of the test; by default it is default.
	Namespace string
	// Timeout bounds each wait; by default a minute.
	Timeout time.Duration
}

// Env is what one test works with: a cluster, an AWS account, and the operators that it
// starts. Its helpers end the test if they fail.
type Env struct {
	*testing.T
	*Cluster

	AWS       *Account
	Namespace string

	timeout time.Duration
	owner   *testing.T // that the environment ends with, even if T is a subtest
	running *processes
}

// NewEnv returns an environment with a new AWS account.
func (c *Cluster) NewEnv(t *testing.T, o Options) *Env {
	t.Helper()
	e := &Env{T: t, Cluster: c, Namespace: o.Namespace, timeout: o.Timeout, owner: t, running: &processes{}}
	if e.Namespace == "" {
		e.Namespace = metav1.NamespaceDefault
	}
	if e.timeout == 0 {
		e.timeout = time.Minute
	}
	e.AWS = newAccount(t, c, o.AWS, o.WrapAWS)
	t.Cleanup(e.endProcesses)
	return e
}

// In returns the environment for a subtest. What is started in it ends with the
// environment, not with the subtest.
func (e *Env) In(t *testing.T) *Env {
	t.Helper()
	other := *e
	other.T = t
	return &other
}

// Installation returns the installation of the operator under a cluster name.
func (e *Env) Installation(clusterName string) installation.Installation {
	return installation.Installation{Root: e.Root, Cluster: clusterName, AccountID: e.AWS.ID, Issuer: e.Issuer}
}

// TrustIssuer lets the account accept the tokens of the cluster.
func (e *Env) TrustIssuer() {
	e.Helper()
	_, err := e.Installation("").TrustIssuer(e.Context(), e.AWS.IAM)
	e.Must(err)
}

// Grant lets the account accept the tokens of the cluster, and creates the operator's role.
func (e *Env) Grant(i installation.Installation) installation.Granted {
	e.Helper()
	_, err := i.TrustIssuer(e.Context(), e.AWS.IAM)
	e.Must(err)
	granted, err := i.Grant(e.Context(), e.AWS.IAM)
	e.Must(err)
	return granted
}

// Must ends the test if there is an error.
func (e *Env) Must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// MustKubectl is RunKubectl that ends the test if kubectl fails.
func (e *Env) MustKubectl(stdin string, args ...string) string {
	e.Helper()
	out, err := e.RunKubectl(e.Context(), stdin, args...)
	e.Must(err)
	return out
}

// Get returns a PodIdentity of the namespace, nil if it does not exist.
func (e *Env) Get(name string) *v1alpha1.PodIdentity {
	e.Helper()
	pi := &v1alpha1.PodIdentity{}
	err := e.Client.Get(e.Context(), client.ObjectKey{Namespace: e.Namespace, Name: name}, pi)
	if apierrors.IsNotFound(err) {
		return nil
	}
	e.Must(err)
	return pi
}

// Delete deletes a PodIdentity of the namespace.
func (e *Env) Delete(name string) {
	e.Helper()
	e.Must(e.Client.Delete(e.Context(), &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: e.Namespace, Name: name}}))
}

// Eventually waits until check returns true. It gives up early if an operator ends that the
// test did not end. The message of a failure contains what describe returns.
func (e *Env) Eventually(what string, check func() bool, describe ...func() string) {
	e.Helper()
	err := e.poll(check)
	if err == nil {
		return
	}
	var found strings.Builder
	for _, d := range describe {
		fmt.Fprintf(&found, "\n%s", d())
	}
	e.Fatalf("waiting for %s: %v%s", what, err, found.String())
}

func (e *Env) poll(check func() bool) error {
	return wait.PollUntilContextTimeout(e.Context(), 20*time.Millisecond, e.timeout, true, func(context.Context) (bool, error) {
		if check() {
			return true, nil
		}
		return false, e.running.ended()
	})
}

// Await waits until a condition of a PodIdentity at its newest generation has the status and
// the reason.
func (e *Env) Await(name, condition string, status metav1.ConditionStatus, reason string) *v1alpha1.PodIdentity {
	e.Helper()
	var pi *v1alpha1.PodIdentity
	err := e.poll(func() bool {
		pi = e.Get(name)
		c := Condition(pi, condition)
		return c != nil && c.Status == status && c.Reason == reason && c.ObservedGeneration == pi.Generation
	})
	if err != nil {
		e.Fatalf("waiting for condition %s of %s to be %s because of %s: %v; its status is:\n%s", condition, name, status, reason, err, Status(pi))
	}
	return pi
}

// AwaitReady waits until a PodIdentity is ready at its newest generation.
func (e *Env) AwaitReady(name string) *v1alpha1.PodIdentity {
	e.Helper()
	return e.Await(name, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
}

// AwaitGone waits until a PodIdentity does not exist.
func (e *Env) AwaitGone(name string) {
	e.Helper()
	e.Eventually("the deletion of "+name, func() bool { return e.Get(name) == nil })
}

// Condition returns a condition of a PodIdentity, nil if there is none. The PodIdentity may
// be nil.
func Condition(pi *v1alpha1.PodIdentity, kind string) *metav1.Condition {
	if pi == nil {
		return nil
	}
	return meta.FindStatusCondition(pi.Status.Conditions, kind)
}

// Status returns the status of a PodIdentity for a message.
func Status(pi *v1alpha1.PodIdentity) string {
	if pi == nil {
		return "not found"
	}
	out, err := yaml.Marshal(pi.Status)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// processes are the operators that an environment runs as binaries.
type processes struct {
	mu  sync.Mutex
	all []*Process
}

func (p *processes) add(process *Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, process)
}

// remove forgets a process that the test has no more questions about.
func (p *processes) remove(process *Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = slices.DeleteFunc(p.all, func(other *Process) bool { return other == process })
}

// ended returns an error if a process has ended that the test did not end.
func (p *processes) ended() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, process := range p.all {
		if err := process.ExitError(); err != nil && !process.ending.Load() {
			return err
		}
	}
	return nil
}

// endProcesses kills what still runs, and prints what it logged if the test has failed.
func (e *Env) endProcesses() {
	e.running.mu.Lock()
	defer e.running.mu.Unlock()
	for _, process := range e.running.all {
		process.Process.Kill()
		if e.owner.Failed() {
			e.owner.Logf("the log of %s:\n%s", process.name, process.Log())
		}
	}
}
