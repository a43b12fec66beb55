package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/queue"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// An identity that no worker has taken for a while says that it waits, unless it has a
// status already.
func TestAnnouncer_GivesQueuedIdentitiesAStatus(t *testing.T) {
	known := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded, Message: "known"}
	cases := map[string]struct {
		edit func(*v1alpha1.PodIdentity)
		wait time.Duration
		want string // part of Ready's message; empty if there is no condition
	}{
		"a new identity says what it waits for":        {wait: announceAfter, want: "waiting for a free worker of the operator; length of its queue: 1"},
		"an identity that has just come needs no word": {wait: announceAfter / 2},
		"a status is not replaced": {
			edit: func(pi *v1alpha1.PodIdentity) { pi.Status.Conditions = []metav1.Condition{known} },
			wait: announceAfter, want: "known",
		},
		"a suspended identity keeps its status": {edit: func(pi *v1alpha1.PodIdentity) { pi.Spec.Suspend = true }, wait: announceAfter},
	}
	for reason, tc := range cases {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pi := checkout()
				if tc.edit != nil {
					tc.edit(pi)
				}
				u := newUnit(t, pi)
				q, ok := u.announcer.observe(queue.New(1))("announce", queue.RetryLimiter()).(*queue.Queue)
				if !ok {
					t.Fatal("no Queue")
				}
				defer q.ShutDown()
				queue.Add(q, ratelimit.Create, requestFor(pi))
				time.Sleep(tc.wait) //nolint:forbidigo // the clock of the bubble, which takes no time
				u.announcer.announceQueued(t.Context())
				var got v1alpha1.PodIdentity
				if err := u.client.Get(t.Context(), client.ObjectKeyFromObject(pi), &got); err != nil {
					t.Fatal(err)
				}
				ready := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionReady)
				switch {
				case tc.want == "" && ready != nil:
					t.Errorf("Ready says %q, want no condition", ready.Message)
				case tc.want != "" && (ready == nil || !strings.Contains(ready.Message, tc.want)):
					t.Errorf("Ready = %v, want it to say %q", ready, tc.want)
				}
			})
		})
	}
}

// A flood of new identities of one namespace does not delay the first status of those of
// another, and identities that have their status cost no read while they wait.
func TestAnnouncer_AFloodOfOneNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const flood = 10 * announceBatch
		var all []client.Object
		for n := range flood {
			all = append(all, checkout(func(pi *v1alpha1.PodIdentity) { pi.Namespace, pi.Name = "hostile", fmt.Sprint("flood-", n) }))
		}
		other := checkout(func(pi *v1alpha1.PodIdentity) { pi.Namespace, pi.Name = "team", "new" })
		u := newUnit(t, append(all, other)...)
		counted := &countingReads{Client: u.announcer.client}
		u.announcer.client = counted
		q, ok := u.announcer.observe(queue.New(1))("flood", queue.RetryLimiter()).(*queue.Queue)
		if !ok {
			t.Fatal("no Queue")
		}
		defer q.ShutDown()
		for _, pi := range all {
			queue.Add(q, ratelimit.Create, requestFor(pi))
		}
		queue.Add(q, ratelimit.Create, requestFor(other))
		time.Sleep(announceAfter) //nolint:forbidigo // the clock of the bubble, which takes no time
		u.announcer.announceQueued(t.Context())
		var got v1alpha1.PodIdentity
		if err := u.client.Get(t.Context(), client.ObjectKeyFromObject(other), &got); err != nil {
			t.Fatal(err)
		}
		if unannounced(&got) {
			t.Error("the identity of the other namespace has no status after one pass")
		}
		for range flood/announceBatch + 1 {
			u.announcer.announceQueued(t.Context())
		}
		counted.reads = 0
		for range 20 {
			u.announcer.announceQueued(t.Context())
		}
		if counted.reads > 0 {
			t.Errorf("%d reads of identities that have their status", counted.reads)
		}
		time.Sleep(rereadAfter) //nolint:forbidigo // the clock of the bubble, which takes no time
		u.announcer.announceQueued(t.Context())
		if counted.reads != flood+1 {
			t.Errorf("%d reads after %s, want one of each of %d", counted.reads, rereadAfter, flood+1)
		}
	})
}

// countingReads counts the objects that are read.
type countingReads struct {
	client.Client
	reads int
}

func (c *countingReads) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	c.reads++
	return c.Client.Get(ctx, key, into, opts...)
}
