package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// costs are what was asked of AWS and of the API server since the start.
type costs struct {
	calls map[string]int // of AWS, by action
	// made are the writes to PodIdentities and ServiceAccounts, by verb and
	// resource, of all clients.
	made map[string]int
}

func (w *world) costs(ctx context.Context) (costs, error) {
	calls, err := w.calls(ctx)
	if err != nil {
		return costs{}, err
	}
	made, err := w.apiWrites(ctx)
	return costs{calls: calls, made: made}, err
}

// quiet waits until nothing has been written or asked for that long. What has been
// seen done may not have been counted yet.
func (w *world) quiet(ctx context.Context, long time.Duration) error {
	var last string
	since := time.Now()
	return eventually(ctx, "quiet", func() (bool, error) {
		now, err := w.costs(ctx)
		if err != nil {
			return false, err
		}
		if state := fmt.Sprint(now); state != last {
			last, since = state, time.Now()
		}
		return time.Since(since) > long, nil
	})
}

// apiWrites returns how many writes to PodIdentities and ServiceAccounts the API
// server has accepted. Events are not among them.
func (w *world) apiWrites(ctx context.Context) (map[string]int, error) {
	body, err := w.raw.Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	made := map[string]int{}
	for _, m := range families["apiserver_request_total"].GetMetric() {
		label := map[string]string{}
		for _, l := range m.GetLabel() {
			label[l.GetName()] = l.GetValue()
		}
		written := slices.Contains([]string{"POST", "PUT", "PATCH", "APPLY", "DELETE"}, label["verb"])
		ours := slices.Contains([]string{"podidentities", "serviceaccounts"}, label["resource"])
		if written && ours && strings.HasPrefix(label["code"], "2") {
			what := strings.TrimSuffix(label["verb"]+" "+label["resource"]+"/"+label["subresource"], "/")
			made[what] += int(m.GetCounter().GetValue())
		}
	}
	return made, nil
}

// since returns what was asked after before.
func (c costs) since(before costs) costs {
	return costs{calls: more(c.calls, before.calls), made: more(c.made, before.made)}
}

func more(now, before map[string]int) map[string]int {
	grown := map[string]int{}
	for what, n := range now {
		if n > before[what] {
			grown[what] = n - before[what]
		}
	}
	return grown
}

// total returns the number of calls.
func (c costs) total() int { return sum(c.calls) }

// writes returns the number of writes to the API server.
func (c costs) writes() int { return sum(c.made) }

func sum(counts map[string]int) int {
	n := 0
	for _, count := range counts {
		n += count
	}
	return n
}

// list writes counts as people do.
func list(counts map[string]int) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		part := what
		if n := counts[what]; n > 1 {
			part += fmt.Sprintf(" ×%d", n)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// step is something that happens to one identity, once.
type step struct {
	name  string
	do    func() error
	await func() error
	calls bound // of AWS
	made  bound // writes by the operator
}

// measureCosts finds out what a create, an update, a check and a delete of one
// identity cost.
func measureCosts(ctx context.Context, w *world, r *report) error {
	const namespace = "costs"
	say("Counting the calls of one identity")
	if err := w.begin(ctx, namespace, calm, bounded...); err != nil {
		return err
	}
	for _, s := range w.life(ctx, namespace) {
		if err := w.measureStep(ctx, r, s); err != nil {
			return err
		}
	}
	return w.clear(ctx, namespace) // later measurements wait until no identity is left
}

// firstUse names the creation of the first identity that uses a managed policy. The
// operator reads the contents of the policy once for all identities.
const firstUse = "create, first use of a managed policy"

// life returns the steps of an identity's life, after another has used its managed
// policy.
func (w *world) life(ctx context.Context, namespace string) []step {
	first, pi := identity(namespace, 1), identity(namespace, 0)
	key := client.ObjectKeyFromObject(pi)
	return []step{
		{
			name:  firstUse,
			calls: least(createCost+readCost, "1 + managed + inline, and 2 reads of the managed policy's contents"),
			made:  least(3, "finalizer, ServiceAccount, status"),
			do:    func() error { return w.user.Create(ctx, first) },
			await: func() error { return w.tracker.awaitGeneration(ctx, client.ObjectKeyFromObject(first), 1) },
		},
		{
			name: "create", calls: least(createCost, "1 + managed + inline"), made: least(3, "finalizer, ServiceAccount, status"),
			do:    func() error { return w.user.Create(ctx, pi) },
			await: func() error { return w.tracker.awaitGeneration(ctx, key, 1) },
		},
		{
			name: "update of one policy", calls: least(editCost, "1 read of the role's owner, 1 write"), made: least(1, "status"),
			do: func() error {
				_, err := w.edit(ctx, key, func(pi *v1alpha1.PodIdentity) {
					pi.Spec.Policies.Inline[0].Statements[0].Actions = []v1alpha1.Action{"s3:GetObject"}
				})
				return err
			},
			await: func() error { return w.tracker.awaitGeneration(ctx, key, 2) },
		},
		{
			name: "requested reconciliation, in sync", calls: least(lookCost, "4 reads of the role; the managed policy was read just before"), made: least(1, "status, which confirms the request"),
			do:    func() error { return w.request(ctx, key, "costs") },
			await: func() error { return w.awaitHandled(ctx, key, "costs") },
		},
		{
			name: "delete", calls: least(createCost, "1 + managed + inline; the ownership check and the update of the trust policy are not included"),
			made:  least(2, "ServiceAccount, finalizer"),
			do:    func() error { return w.user.Delete(ctx, pi) },
			await: func() error { return w.tracker.awaitDeleted(ctx, key) },
		},
	}
}

func (w *world) measureStep(ctx context.Context, r *report, s step) error {
	before, err := w.costs(ctx)
	if err != nil {
		return err
	}
	if err := s.do(); err != nil {
		return err
	}
	if err := errors.Join(s.await(), w.quiet(ctx, time.Second)); err != nil {
		return err
	}
	after, err := w.costs(ctx)
	if err != nil {
		return err
	}
	cost := after.since(before)
	delete(cost.calls, "GetOpenIDConnectProvider") // of the cluster: once in 10 s at most, however many are checked
	f := figure{Section: "One identity", Name: s.name, Unit: "AWS calls", Value: float64(cost.total()), Detail: list(cost.calls)}
	switch s.name {
	case firstUse:
		f = f.meets("exactly the minimum", cost.total() == createCost+readCost)
	case "create":
		f = f.meets("exactly the minimum", cost.total() == createCost)
	}
	r.add(f, s.calls)
	const ofTheUser = 1
	f = figure{Section: "One identity", Name: s.name, Unit: "API-server writes", Value: float64(cost.writes() - ofTheUser)}
	if s.name == "create" {
		f = f.meets("≤ 4", f.Value <= 4)
	}
	r.add(f, s.made)
	return nil
}

// begin makes the namespace, sets the conditions, and starts the operator.
func (w *world) begin(ctx context.Context, namespace string, f awslocal.Faults, flags ...string) error {
	if err := w.namespace(ctx, namespace); err != nil {
		return err
	}
	if err := w.setFaults(ctx, f); err != nil {
		return err
	}
	if err := w.restart(ctx, flags...); err != nil {
		return err
	}
	return eventually(ctx, "the operator to know its cluster", func() (bool, error) {
		calls, err := w.calls(ctx)
		return calls["GetOpenIDConnectProvider"] > 0, err
	})
}

// edit changes an identity, and returns its new generation.
func (w *world) edit(ctx context.Context, key client.ObjectKey, change func(*v1alpha1.PodIdentity)) (int64, error) {
	var pi v1alpha1.PodIdentity
	if err := w.user.Get(ctx, key, &pi); err != nil {
		return 0, err
	}
	before := pi.DeepCopy()
	change(&pi)
	err := w.user.Patch(ctx, &pi, client.MergeFrom(before))
	return pi.Generation, err
}

// request asks for a check.
func (w *world) request(ctx context.Context, key client.ObjectKey, token string) error {
	_, err := w.edit(ctx, key, func(pi *v1alpha1.PodIdentity) {
		pi.Annotations = map[string]string{v1alpha1.RequestedAtAnnotation: token}
	})
	return err
}

func (w *world) awaitHandled(ctx context.Context, key client.ObjectKey, token string) error {
	return eventually(ctx, "the request to be handled", func() (bool, error) {
		var pi v1alpha1.PodIdentity
		err := w.user.Get(ctx, key, &pi)
		return pi.Status.LastHandledReconcileAt == token, err
	})
}
