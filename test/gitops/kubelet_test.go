package gitops_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
)

// A kubelet stands for the nodes that the cluster does not have. It reports every pod
// ready; before those of the operator it starts the operator's binary, as its Deployment
// says, and starts it again when it ends, for instance because a slow machine lost its
// lease.
type kubelet struct {
	*world

	operator *controlplane.Process // nil before the first pod of the operator
	starts   int
}

// startKubelet starts it. It ends with the test.
func (w *world) startKubelet() {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	k, ended := &kubelet{world: w}, make(chan error, 1)
	go func() { ended <- k.run(ctx) }()
	w.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			w.Errorf("kubelet: %v", err)
		}
		for n := 1; w.Failed() && n <= k.starts; n++ {
			w.Logf("the operator, start %d:\n%s", n, k.logOf(k.logName(n)))
		}
	})
}

func (k *kubelet) run(ctx context.Context) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if err := k.look(ctx); err != nil {
				return err
			}
		}
	}
}

// look reports all pods ready that are not yet.
func (k *kubelet) look(ctx context.Context) error {
	var pods corev1.PodList
	if err := k.admin.List(ctx, &pods); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if pod.Namespace == installation.Namespace && (k.operator == nil || k.operator.Ended() != nil) {
			if err := k.startOperator(ctx); err != nil {
				return fmt.Errorf("starting the operator: %w", err)
			}
		}
		if pod.Status.Phase == corev1.PodRunning {
			continue
		}
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}
		if err := k.admin.Status().Update(ctx, &pod); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return err
		}
	}
	return nil
}

// startOperator starts the operator's binary as its Deployment says, with the rights of
// its ServiceAccount.
func (k *kubelet) startOperator(ctx context.Context) error {
	var deployment appsv1.Deployment
	if err := k.admin.Get(ctx, client.ObjectKey{Namespace: installation.Namespace, Name: installation.ServiceAccount}, &deployment); err != nil {
		return err
	}
	var account corev1.ServiceAccount
	if err := k.admin.Get(ctx, installation.Account(), &account); err != nil {
		return err
	}
	kubeconfig, token := filepath.Join(k.dir, "operator.kubeconfig"), filepath.Join(k.dir, "operator.token")
	if err := k.cluster.WriteKubeconfig(kubeconfig, installation.User()); err != nil {
		return err
	}
	if err := installation.WriteToken(ctx, k.admin, installation.Account(), token); err != nil {
		return err
	}
	free, err := controlplane.FreeAddresses(2)
	if err != nil {
		return err
	}
	environment := installation.Credentials(account.Annotations["eks.amazonaws.com/role-arn"], token, region, k.endpoint)
	environment["KUBECONFIG"] = kubeconfig
	container := deployment.Spec.Template.Spec.Containers[0]
	args := make([]string, 0, len(container.Args)+3)
	for _, arg := range container.Args {
		for _, variable := range container.Env {
			environment[variable.Name] = variable.Value
			arg = strings.ReplaceAll(arg, "$("+variable.Name+")", variable.Value)
		}
		args = append(args, arg)
	}
	// What differs outside of a pod.
	args = append(args, "--health-probe-bind-address="+free[0], "--metrics-bind-address="+free[1], "--leader-election-namespace="+installation.Namespace)
	k.starts++
	k.operator, err = k.cluster.Launch(ctx, controlplane.Program{
		Name: k.logName(k.starts), Path: k.binary, Args: args, Env: controlplane.Environ(environment), Ready: answers("http://" + free[0] + "/readyz"),
	})
	return err
}

// logName is the name of the log of a start of the operator.
func (*kubelet) logName(start int) string { return fmt.Sprintf("operator-%d", start) }

// answers returns a check that a URL answers with 200 OK.
func answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close() //nolint:errcheck // nothing is read
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}
