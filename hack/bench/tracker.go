package main

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// tracker watches all identities, as a user's tool would.
type tracker struct {
	mu    sync.Mutex
	ready map[client.ObjectKey]int64 // generation that was found ready
	known map[client.ObjectKey]bool
	flaps int // how often an identity that was ready at its generation was no longer ready
	// changed is closed, and replaced, when anything changes.
	changed chan struct{}
}

// track starts to watch; it ends with ctx.
func track(ctx context.Context, config *rest.Config, scheme *runtime.Scheme) (*tracker, error) {
	t := &tracker{ready: map[client.ObjectKey]int64{}, known: map[client.ObjectKey]bool{}, changed: make(chan struct{})}
	objects, err := cache.New(config, cache.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	informer, err := objects.GetInformer(ctx, &v1alpha1.PodIdentity{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, err
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    t.see,
		UpdateFunc: func(_, obj any) { t.see(obj) },
		DeleteFunc: t.lose,
	})
	if err != nil {
		return nil, err
	}
	go func() { _ = objects.Start(ctx) }() // it fails only if it is started twice
	objects.WaitForCacheSync(ctx)
	return t, nil
}

func (t *tracker) see(obj any) {
	pi, ok := obj.(*v1alpha1.PodIdentity)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	key := client.ObjectKeyFromObject(pi)
	t.known[key] = true
	ready := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady)
	if ready != nil && ready.Status == "True" {
		t.ready[key] = ready.ObservedGeneration
	} else {
		if t.ready[key] == pi.Generation {
			t.flaps++
		}
		delete(t.ready, key)
	}
	t.tell()
}

func (t *tracker) lose(obj any) {
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
	t.tell()
}

func (t *tracker) tell() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// flapped returns how often an identity was found ready and then not, though its
// spec was the same.
func (t *tracker) flapped() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.flaps
}

// isReady reports whether an identity was found ready.
func (t *tracker) isReady(key client.ObjectKey) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ready[key] > 0
}

// await waits until the answer is yes, which is asked at every change.
func (t *tracker) await(ctx context.Context, yes func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	for {
		t.mu.Lock()
		done, changed := yes(), t.changed
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

// awaitReady waits until n identities are ready.
func (t *tracker) awaitReady(ctx context.Context, n int) error {
	return t.await(ctx, func() bool { return len(t.ready) >= n })
}

// awaitGeneration waits until an identity is ready as of that generation.
func (t *tracker) awaitGeneration(ctx context.Context, key client.ObjectKey, generation int64) error {
	return t.await(ctx, func() bool { return t.ready[key] >= generation })
}

// awaitDeleted waits until an identity that existed is gone.
func (t *tracker) awaitDeleted(ctx context.Context, key client.ObjectKey) error {
	return t.await(ctx, func() bool { return !t.known[key] })
}

// awaitGone waits until no identity is left.
func (t *tracker) awaitGone(ctx context.Context) error {
	return t.await(ctx, func() bool { return len(t.known) == 0 })
}
