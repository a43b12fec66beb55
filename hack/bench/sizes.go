package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy/policytest"
)

// hostileSection has the results for one namespace that attacks the operator or its
// neighbors.
const hostileSection = "A hostile namespace"

// worstIdentities is the number of identities whose policies take longest to evaluate.
const worstIdentities = 24

// measureSizes measures the cost of specs of the greatest size: those that the API server
// rejects, those whose evaluation takes longest, and those that need most memory.
func measureSizes(ctx context.Context, env *environment, r *report) error {
	const namespace = "sizes"
	if err := env.start(ctx, namespace, withLatency, limited...); err != nil {
		return err
	}
	if err := measureWorst(ctx, env, r, namespace); err != nil {
		return err
	}
	if err := measureOversized(ctx, env, r, namespace); err != nil {
		return err
	}
	return measureLargest(ctx, env, r, namespace)
}

// measureWorst measures the processor time for identities with the worst policies.
func measureWorst(ctx context.Context, env *environment, r *report, namespace string) error {
	progress("Evaluating the worst policies of %d identities", worstIdentities)
	documents := policytest.Worst("")
	var names []string
	for name := range documents {
		names = append(names, name)
	}
	slices.Sort(names)
	if err := env.settle(ctx); err != nil {
		return err
	}
	before, err := env.operator.cpu()
	if err != nil {
		return err
	}
	err = parallel(ctx, worstIdentities, func(ctx context.Context, i int) error {
		return env.user.Create(ctx, large(namespace, fmt.Sprintf("worst-%02d", i), documents[names[i%len(names)]]))
	})
	if err != nil {
		return err
	}
	if err := env.awaitObserved(ctx, namespace, worstIdentities); err != nil {
		return err
	}
	if err := env.settle(ctx); err != nil {
		return err
	}
	after, err := env.operator.cpu()
	if err != nil {
		return err
	}
	used := (after - before).Seconds()
	r.add(
		result{
			Section: hostileSection, Name: fmt.Sprintf("%d identities with the worst policies of %d characters, until all are evaluated", worstIdentities, policytest.Size),
			Unit: "CPU seconds", Value: used, Detail: strings.Join(names, ", "),
		}.withGoal("< 1 s", used < 1),
		noMinimum("it depends on the machine"),
	)
	return nil
}

// awaitObserved waits until that many identities of a namespace have a status.
func (env *environment) awaitObserved(ctx context.Context, namespace string, n int) error {
	return eventually(ctx, "all identities to be evaluated", func() (bool, error) {
		var list v1alpha1.PodIdentityList
		if err := env.user.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return false, err
		}
		observed := 0
		for i := range list.Items {
			if list.Items[i].Status.ObservedGeneration == list.Items[i].Generation {
				observed++
			}
		}
		return observed >= n, nil
	})
}

// large returns an identity with these documents.
func large(namespace, name string, documents ...string) *v1alpha1.PodIdentity {
	pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	for i, document := range documents {
		pi.Spec.Policies.Inline = append(pi.Spec.Policies.Inline, v1alpha1.InlinePolicy{Name: fmt.Sprintf("p%d", i), Document: document})
	}
	return pi
}

// measureOversized creates identities that are larger than any role, which the API server
// rejects.
func measureOversized(ctx context.Context, env *environment, r *report, namespace string) error {
	const size = 639_000
	n := env.scale.oversized
	progress("Creating %d identities of %d kB", n, size/1000)
	document := strings.Repeat("x", 32_000)
	var accepted atomic.Int64
	err := parallel(ctx, n, func(ctx context.Context, i int) error {
		err := env.user.Create(ctx, large(namespace, fmt.Sprintf("oversized-%03d", i), slices.Repeat([]string{document}, size/len(document))...))
		if err == nil {
			accepted.Add(1)
		}
		if apierrors.IsInvalid(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	r.add(
		result{
			Section: hostileSection, Name: fmt.Sprintf("%d identities of %d kB", n, size/1000), Unit: "accepted by the API server", Value: float64(accepted.Load()),
		}.withGoal("0", accepted.Load() == 0),
		minimumOf(0, "no role can have their policies"),
	)
	return nil
}

// measureLargest measures the operator's memory with identities of the greatest size
// that the API server accepts: documents, annotations and labels.
func measureLargest(ctx context.Context, env *environment, r *report, namespace string) error {
	const documents, annotations, mib = 40960, 256 << 10, 1 << 20
	n := env.scale.largest
	progress("Creating %d identities of the greatest size", n)
	half := strings.Repeat("x", documents/2)
	err := parallel(ctx, n, func(ctx context.Context, i int) error {
		pi := large(namespace, fmt.Sprintf("largest-%04d", i), half, half)
		pi.Annotations = map[string]string{"example.com/text": strings.Repeat("x", annotations-len("example.com/text"))}
		pi.Spec.Role.Description = strings.Repeat("x", 1000)
		return env.user.Create(ctx, pi)
	})
	if err != nil {
		return err
	}
	if err := env.awaitObserved(ctx, namespace, n+worstIdentities); err != nil {
		return err
	}
	running, err := env.operator.memory()
	if err != nil {
		return err
	}
	if err := env.restart(ctx, limited...); err != nil { // a restart reads all of them
		return err
	}
	if err := env.awaitFirstCheck(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := env.settle(ctx); err != nil {
		return err
	}
	memory, err := env.operator.memory()
	if err != nil {
		return err
	}
	memory = max(memory, running)
	r.add(
		result{
			Section: hostileSection, Name: fmt.Sprintf("%d identities of the greatest size, %d kB with annotations", n, (documents+annotations)/1000),
			Unit: "MiB resident", Value: memory / mib,
			Detail: fmt.Sprintf("the larger of %.0f MiB after their creation and of %.0f s after a restart", running/mib, time.Since(began).Seconds()),
		}.withGoal("< 300 MiB", memory < 300*mib),
		noMinimum("it depends on what is kept of them"),
	)
	return env.clear(ctx, namespace)
}
