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

// hostileSection has what one namespace can do to the others.
const hostileSection = "A hostile namespace"

// worstIdentities is the number of identities whose policies take longest to evaluate.
const worstIdentities = 24

// measureBounds finds out what specs of the greatest size cost: those that the API
// server rejects, those on which evaluation takes longest, and as many as fill the
// operator's memory most.
func measureBounds(ctx context.Context, w *world, r *report) error {
	const namespace = "bounds"
	if err := w.begin(ctx, namespace, calm, bounded...); err != nil {
		return err
	}
	if err := measureWorst(ctx, w, r, namespace); err != nil {
		return err
	}
	if err := measureTooLarge(ctx, w, r, namespace); err != nil {
		return err
	}
	return measureLargest(ctx, w, r, namespace)
}

// measureWorst measures the processor time for identities with the worst policies.
func measureWorst(ctx context.Context, w *world, r *report, namespace string) error {
	say("Evaluating the worst policies of %d identities", worstIdentities)
	documents := policytest.Worst("")
	var names []string
	for name := range documents {
		names = append(names, name)
	}
	slices.Sort(names)
	if err := w.settle(ctx); err != nil {
		return err
	}
	before, err := w.operator.cpu()
	if err != nil {
		return err
	}
	err = parallel(ctx, worstIdentities, func(ctx context.Context, i int) error {
		return w.user.Create(ctx, large(namespace, fmt.Sprintf("worst-%02d", i), documents[names[i%len(names)]]))
	})
	if err != nil {
		return err
	}
	if err := w.awaitObserved(ctx, namespace, worstIdentities); err != nil {
		return err
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	after, err := w.operator.cpu()
	if err != nil {
		return err
	}
	used := (after - before).Seconds()
	r.add(
		figure{
			Section: hostileSection, Name: fmt.Sprintf("%d identities with the worst policies of %d characters, until all are evaluated", worstIdentities, policytest.Size),
			Unit: "CPU seconds", Value: used, Detail: strings.Join(names, ", "),
		}.meets("< 1 s", used < 1),
		unbounded("it depends on the machine"),
	)
	return nil
}

// awaitObserved waits until that many identities of a namespace have a status.
func (w *world) awaitObserved(ctx context.Context, namespace string, n int) error {
	return eventually(ctx, "all identities to be evaluated", func() (bool, error) {
		var list v1alpha1.PodIdentityList
		if err := w.user.List(ctx, &list, client.InNamespace(namespace)); err != nil {
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

// measureTooLarge creates identities that are larger than any role.
func measureTooLarge(ctx context.Context, w *world, r *report, namespace string) error {
	const size = 639_000
	n := w.scale.tooLarge
	say("Creating %d identities of %d kB", n, size/1000)
	document := strings.Repeat("x", 32_000)
	var accepted atomic.Int64
	err := parallel(ctx, n, func(ctx context.Context, i int) error {
		err := w.user.Create(ctx, large(namespace, fmt.Sprintf("too-large-%03d", i), slices.Repeat([]string{document}, size/len(document))...))
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
		figure{
			Section: hostileSection, Name: fmt.Sprintf("%d identities of %d kB", n, size/1000), Unit: "accepted by the API server", Value: float64(accepted.Load()),
		}.meets("0", accepted.Load() == 0),
		least(0, "no role can have their policies"),
	)
	return nil
}

// measureLargest measures the operator's memory with identities of the greatest size
// that the API server accepts: documents, annotations and labels.
func measureLargest(ctx context.Context, w *world, r *report, namespace string) error {
	const documents, annotations, mib = 40960, 256 << 10, 1 << 20
	n := w.scale.largest
	say("Creating %d identities of the greatest size", n)
	half := strings.Repeat("x", documents/2)
	err := parallel(ctx, n, func(ctx context.Context, i int) error {
		pi := large(namespace, fmt.Sprintf("largest-%04d", i), half, half)
		pi.Annotations = map[string]string{"example.com/text": strings.Repeat("x", annotations-len("example.com/text"))}
		pi.Spec.Role.Description = strings.Repeat("x", 1000)
		return w.user.Create(ctx, pi)
	})
	if err != nil {
		return err
	}
	if err := w.awaitObserved(ctx, namespace, n+worstIdentities); err != nil {
		return err
	}
	running, err := w.operator.memory()
	if err != nil {
		return err
	}
	if err := w.restart(ctx, bounded...); err != nil { // reads all of them
		return err
	}
	if err := w.awaitCheck(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := w.settle(ctx); err != nil {
		return err
	}
	memory, err := w.operator.memory()
	if err != nil {
		return err
	}
	memory = max(memory, running)
	r.add(
		figure{
			Section: hostileSection, Name: fmt.Sprintf("%d identities of the greatest size, %d kB with annotations", n, (documents+annotations)/1000),
			Unit: "MiB resident", Value: memory / mib,
			Detail: fmt.Sprintf("the larger of %.0f MiB after their creation and of %.0f s after a restart", running/mib, time.Since(began).Seconds()),
		}.meets("< 300 MiB", memory < 300*mib),
		unbounded("it depends on what is kept of them"),
	)
	return w.clear(ctx, namespace)
}
