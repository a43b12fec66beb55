package gitops_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
)

// A kubelet stands for the nodes that the cluster does not have. It reports every pod
// ready; before those of the operator it starts the operator's binary, as its Deployment
// says, and starts it again when it ends, for instance because a slow machine lost its
// lease.
type kubelet struct {
	*env

	operator *controlplane.Process // nil before the first pod of the operator
	starts   int
}

// startKubelet starts it. It ends with the test.
func (e *env) startKubelet() {
	e.Helper()
	ctx, stop := context.WithCancel(e.Context())
	k, ended := &kubelet{env: e}, make(chan error, 1)
	go func() { ended <- k.run(ctx) }()
	e.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			e.Errorf("kubelet: %v", err)
		}
		for n := 1; e.Failed() && n <= k.starts; n++ {
			e.Logf("the operator, start %d:\n%s", n, k.logOf(k.logName(n)))
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
	if err := k.Client.List(ctx, &pods); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if pod.Namespace == installation.Namespace && (k.operator == nil || k.operator.ExitError() != nil) {
			if err := k.startOperator(ctx); err != nil {
				return fmt.Errorf("starting the operator: %w", err)
			}
		}
		if pod.Status.Phase == corev1.PodRunning {
			continue
		}
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}
		if err := k.Client.Status().Update(ctx, &pod); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return err
		}
	}
	return nil
}

// startOperator starts the operator's binary as its Deployment says.
func (k *kubelet) startOperator(ctx context.Context) error {
	binary, err := k.Deployed(ctx, k.binary)
	if err != nil {
		return err
	}
	k.starts++
	binary.Name = k.logName(k.starts)
	program, err := k.Program(ctx, k.dir, binary)
	if err != nil {
		return err
	}
	k.operator, err = k.Launch(ctx, program)
	return err
}

// logName is the name of the log of a start of the operator.
func (*kubelet) logName(start int) string { return fmt.Sprintf("operator-%d", start) }
