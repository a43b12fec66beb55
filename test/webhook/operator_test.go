package webhook_test

import (
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
)

// A kubelet keeps a token of the operator in a file. It renews it when four fifths
// of its life are over, as a kubelet does.
type kubelet struct {
	cluster *controlplane.ControlPlane
	path    string

	end   chan struct{} // closed when it is to end
	ended chan error
}

// tokenLife is short, so that a test sees many tokens; the API server gives none of
// less than 10 minutes.
const tokenLife = 10 * time.Second

func (k *kubelet) start() error {
	if err := k.renew(); err != nil {
		return err
	}
	k.end, k.ended = make(chan struct{}), make(chan error, 1)
	end, ended := k.end, k.ended
	go func() { ended <- k.run(end) }()
	return nil
}

// stop has the kubelet end. It may be called again.
func (k *kubelet) stop() error {
	if k.end == nil {
		return nil
	}
	close(k.end)
	k.end = nil
	return <-k.ended
}

func (k *kubelet) run(end <-chan struct{}) error {
	tick := time.NewTicker(tokenLife * 4 / 5)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return nil
		case <-tick.C:
			if err := k.renew(); err != nil {
				return err
			}
		}
	}
}

// renew puts a new token into the file, atomically for its readers.
func (k *kubelet) renew() error {
	now := time.Now()
	token, err := k.cluster.SignToken(jwt.Claims{
		Issuer: k.cluster.Issuer, Audience: jwt.Audience{"sts.amazonaws.com"},
		Subject:  "system:serviceaccount:" + installation.Namespace + ":" + installation.ServiceAccount,
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(tokenLife)),
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(k.path+".new", []byte(token), 0o600); err != nil {
		return err
	}
	return os.Rename(k.path+".new", k.path)
}

// The operator outlives its tokens and its sessions. If no new token comes in time, it
// reports that, and continues without a restart when one comes.
func (e *env) operatorsTokenExpires() {
	e.Helper()
	history := e.watch("checkout")
	began := e.AWS.Calls()["AssumeRoleWithWebIdentity"]
	e.Eventually("the operator to have used several tokens", func() bool {
		return time.Duration(e.AWS.Calls()["AssumeRoleWithWebIdentity"]-began)*renewal > 2*tokenLife
	})
	pi := e.Get("checkout")
	pi.Spec.Role.Description = "later"
	e.Must(e.Client.Update(e.Context(), pi))
	e.await("checkout", metav1.ConditionTrue, v1alpha1.ReasonSucceeded)

	e.Must(e.kubelet.stop())
	pi = e.await("checkout", metav1.ConditionFalse, v1alpha1.ReasonCredentialsUnavailable)
	const want = "AWS STS denied the operator's credentials request: the projected token has expired"
	if got := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(got, want) {
		e.Errorf("The condition does not say what is wrong: %q", got)
	}

	e.Must(e.kubelet.start())
	e.await("checkout", metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	states := []string{"True Succeeded", "False CredentialsUnavailable", "True Succeeded"}
	e.Eventually("the watch to have come to the end", func() bool { return len(history()) >= len(states) })
	if diff := cmp.Diff(states, history()); diff != "" {
		e.Errorf("what Ready was: -want, +got:\n%s", diff)
	}
}

// watch returns a function that returns how an object's condition Ready has changed since.
func (e *env) watch(name string) (history func() []string) {
	e.Helper()
	events, err := e.Client.Watch(e.Context(), &v1alpha1.PodIdentityList{}, client.InNamespace("default"))
	e.Must(err)
	var mu sync.Mutex
	var seen []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range events.ResultChan() {
			pi, ok := event.Object.(*v1alpha1.PodIdentity)
			if !ok || pi.Name != name {
				continue
			}
			c := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady)
			mu.Lock()
			if now := string(c.Status) + " " + c.Reason; len(seen) == 0 || seen[len(seen)-1] != now {
				seen = append(seen, now)
			}
			mu.Unlock()
		}
	}()
	e.Cleanup(func() { events.Stop(); <-done })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), seen...)
	}
}
