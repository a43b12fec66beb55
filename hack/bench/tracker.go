package main

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// tracker watches the status of all identities.
type tracker struct {
	mu    sync.Mutex
	ready map[client.ObjectKey]int64  // generation at which the identity is Ready
	known map[client.ObjectKey]string // reason of the condition Ready
	// lost is the number of times that an identity lost Ready without a new generation.
	lost int
	// changed is closed and replaced at each change.
	changed chan struct{}
}

// track starts a tracker, which ends with ctx.
func track(ctx context.Context, config *rest.Config, scheme *runtime.Scheme) (*tracker, error) {
	t := &tracker{ready: map[client.ObjectKey]int64{}, known: map[client.ObjectKey]string{}, changed: make(chan struct{})}
	objects, err := cache.New(config, cache.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	informer, err := objects.GetInformer(ctx, &v1alpha1.PodIdentity{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, err
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    t.update,
		UpdateFunc: func(_, obj any) { t.update(obj) },
		DeleteFunc: t.remove,
	})
	if err != nil {
		return nil, err
	}
	go func() { _ = objects.Start(ctx) }() // fails only if it is started twice
	objects.WaitForCacheSync(ctx)
	return t, nil
}

func (t *tracker) update(obj any) {
	pi, ok := obj.(*v1alpha1.PodIdentity)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	key := client.ObjectKeyFromObject(pi)
	t.known[key] = ""
	ready := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady)
	if ready != nil && ready.ObservedGeneration == pi.Generation {
		t.known[key] = ready.Reason
	}
	if ready != nil && ready.Status == metav1.ConditionTrue {
		t.ready[key] = ready.ObservedGeneration
	} else {
		if t.ready[key] == pi.Generation {
			t.lost++
		}
		delete(t.ready, key)
	}
	t.notify()
}

func (t *tracker) remove(obj any) {
	if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	pi, ok := obj.(*v1alpha1.PodIdentity)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, client.ObjectKeyFromObject(pi))
	delete(t.ready, client.ObjectKeyFromObject(pi))
	t.notify()
}

func (t *tracker) notify() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// lostReady returns the number of times that an identity lost Ready without a new
// generation.
func (t *tracker) lostReady() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

// isReady reports whether an identity is Ready.
func (t *tracker) isReady(key client.ObjectKey) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ready[key] > 0
}

// await waits until a condition is true. It checks the condition after each change.
func (t *tracker) await(ctx context.Context, condition func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	for {
		t.mu.Lock()
		done, changed := condition(), t.changed
		t.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// awaitReady waits until n identities are Ready.
func (t *tracker) awaitReady(ctx context.Context, n int) error {
	return t.await(ctx, func() bool { return len(t.ready) >= n })
}

// awaitGeneration waits until an identity is Ready at that generation.
func (t *tracker) awaitGeneration(ctx context.Context, key client.ObjectKey, generation int64) error {
	return t.await(ctx, func() bool { return t.ready[key] >= generation })
}

// awaitDeleted waits until an identity does not exist.
func (t *tracker) awaitDeleted(ctx context.Context, key client.ObjectKey) error {
	return t.await(ctx, func() bool { _, exists := t.known[key]; return !exists })
}

// awaitReason waits until n identities have a reason in the condition Ready.
func (t *tracker) awaitReason(ctx context.Context, reason string, n int) error {
	return t.await(ctx, func() bool {
		found := 0
		for _, r := range t.known {
			if r == reason {
				found++
			}
		}
		return found >= n
	})
}

// awaitGone waits until no identity exists.
func (t *tracker) awaitGone(ctx context.Context) error {
	return t.await(ctx, func() bool { return len(t.known) == 0 })
}
