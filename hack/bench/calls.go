package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// calls counts what AWS and the API server have served since their start.
type calls struct {
	aws map[string]int // by action
	// writes are the writes to PodIdentities and ServiceAccounts by all clients, by verb
	// and resource.
	writes map[string]int
}

// calls returns the counts so far.
func (env *environment) calls(ctx context.Context) (calls, error) {
	aws, err := env.awsCalls(ctx)
	if err != nil {
		return calls{}, err
	}
	writes, err := env.apiServerWrites(ctx)
	return calls{aws: aws, writes: writes}, err
}

// awaitIdle waits until the counts have not changed for a time.
func (env *environment) awaitIdle(ctx context.Context, period time.Duration) error {
	var last string
	since := time.Now()
	return eventually(ctx, "the calls to end", func() (bool, error) {
		now, err := env.calls(ctx)
		if err != nil {
			return false, err
		}
		if state := fmt.Sprint(now); state != last {
			last, since = state, time.Now()
		}
		return time.Since(since) > period, nil
	})
}

// settle waits until no call and no write has been made for some seconds.
func (env *environment) settle(ctx context.Context) error {
	return env.awaitIdle(ctx, env.scale.idle)
}

// apiServerWrites returns the number of writes to PodIdentities and ServiceAccounts that
// the API server has accepted.
func (env *environment) apiServerWrites(ctx context.Context) (map[string]int, error) {
	body, err := env.raw.Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	writes := map[string]int{}
	for _, m := range families["apiserver_request_total"].GetMetric() {
		label := map[string]string{}
		for _, l := range m.GetLabel() {
			label[l.GetName()] = l.GetValue()
		}
		written := slices.Contains([]string{"POST", "PUT", "PATCH", "APPLY", "DELETE"}, label["verb"])
		counted := slices.Contains([]string{"podidentities", "serviceaccounts"}, label["resource"])
		if written && counted && strings.HasPrefix(label["code"], "2") {
			what := strings.TrimSuffix(label["verb"]+" "+label["resource"]+"/"+label["subresource"], "/")
			writes[what] += int(m.GetCounter().GetValue())
		}
	}
	return writes, nil
}

// since returns what was counted after before.
func (c calls) since(before calls) calls {
	return calls{aws: subtract(c.aws, before.aws), writes: subtract(c.writes, before.writes)}
}

// subtract returns the counts that have grown, and by how much.
func subtract(now, before map[string]int) map[string]int {
	grown := map[string]int{}
	for name, n := range now {
		if n > before[name] {
			grown[name] = n - before[name]
		}
	}
	return grown
}

// without returns the counts without those of some actions.
func without(counts map[string]int, actions ...string) map[string]int {
	rest := maps.Clone(counts)
	for _, action := range actions {
		delete(rest, action)
	}
	return rest
}

func sum(counts map[string]int) int {
	n := 0
	for _, count := range counts {
		n += count
	}
	return n
}

// format returns counts as text, sorted by name.
func format(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		part := name
		if n := counts[name]; n > 1 {
			part += fmt.Sprintf(" ×%d", n)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
