package controllers_test

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

// described are the states whose kubectl describe output testdata/describe holds, so
// that a reviewer reads what users read.
var described = []string{
	"ready", "rolePropagating", "planned", "suspended", "accessDenied", "roleNotOwned", "guardrailViolated", "invalidSpec", "deletionBlocked", "roleInInstanceProfile", "podsOutdated",
}

func TestDescribe_OutputIsGolden(t *testing.T) {
	for _, name := range described {
		t.Run(name, func(t *testing.T) {
			o := outcomes[name]
			s := o.start(t)
			o.run(s)
			path := filepath.Join("testdata", "describe", name+".txt")
			golden(t, path, s.describeOnce(func(text string) bool { return *update || text == string(readFile(t, path)) }))
		})
	}
}

// describeOnce returns the output of kubectl describe when done accepts it, or the last
// output: events arrive after the status. With -update, check the files for missing
// events.
func (s *env) describeOnce(done func(string) bool) string {
	s.t.Helper()
	var text string
	_ = wait.PollUntilContextTimeout(s.ctx, 100*time.Millisecond, 10*time.Second, false, func(context.Context) (bool, error) {
		text = s.describe("checkout")
		return done(text), nil
	})
	return text
}

// describe returns what kubectl describe prints of an identity, without what differs
// between two runs.
func (s *env) describe(name string) string {
	s.t.Helper()
	pi := s.get(name)
	out, err := cluster.Kubectl(s.ctx, "--namespace", s.namespace, "describe", "podid", name).Output()
	if err != nil {
		s.t.Fatalf("kubectl describe: %v", err)
	}
	text := strings.NewReplacer(
		roleName(s, name), plan.RoleName("test", "shop", name),
		strings.TrimPrefix(cluster.Issuer, "https://"), "oidc.example.com",
		s.namespace, "shop",
		string(pi.UID), "0b5d3c1e-7f2a-4c36-9e58-d1a4f6b7c890",
	).Replace(string(out))
	text = roleID.ReplaceAllString(text, "AROAEXAMPLEEXAMPLE123")
	text = describedTime.ReplaceAllString(text, "2026-01-02T15:04:05Z")
	text = describedVersion.ReplaceAllString(text, "Resource Version:  1")
	object, events, _ := strings.Cut(text, "Events:")
	return object + "Events:\n" + eventTable(events)
}

var (
	describedTime    = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	describedVersion = regexp.MustCompile(`Resource Version:\s+\d+`)
	describedColumns = regexp.MustCompile(`\s{2,}`)
)

// eventTable returns the type, the reason and the message of each event that kubectl
// describe prints: the ages, and with them the widths of the columns, differ.
func eventTable(events string) string {
	var rows []string
	for line := range strings.Lines(events) {
		cells := describedColumns.Split(strings.TrimSpace(line), 5)
		if len(cells) == 5 && cells[0] != "Type" && !strings.HasPrefix(cells[0], "-") {
			rows = append(rows, fmt.Sprintf("  %-7s  %s: %s\n", cells[0], cells[1], cells[4]))
		}
	}
	slices.Sort(rows)
	return strings.Join(slices.Compact(rows), "")
}
