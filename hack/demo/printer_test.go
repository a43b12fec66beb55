package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestList_CountsCallsInStableOrder(t *testing.T) {
	cases := map[string]struct {
		reason string
		calls  map[string]int
		want   string
	}{
		"None":    {"A step without calls states that there were none.", nil, "none"},
		"One":     {"One call has no count.", map[string]int{"CreateRole": 1}, "1 (CreateRole)"},
		"Several": {"The order of calls is stable.", map[string]int{"PutRolePolicy": 2, "CreateRole": 1}, "3 (CreateRole, PutRolePolicy ×2)"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := listed(tc.calls); got != tc.want {
				t.Errorf("listed(...) = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestCosts_SinceSubtractsAndWritesOmitsReads(t *testing.T) {
	before := map[string]int{"GetRole": 2, "CreateRole": 1}
	after := map[string]int{"GetRole": 3, "CreateRole": 1, "TagRole": 1}
	delta := since(before, after)
	if diff := cmp.Diff(map[string]int{"GetRole": 1, "TagRole": 1}, delta); diff != "" {
		t.Errorf("since(...): -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"TagRole": 1}, writes(delta)); diff != "" {
		t.Errorf("writes(...): -want, +got:\n%s", diff)
	}
}

func TestParse_OnceByFlagOrEnvironment(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		env    string
		want   bool
	}{
		"Neither":     {"The demo keeps running by default.", nil, "", false},
		"Flag":        {"The Makefile sets the flag.", []string{"--once"}, "", true},
		"Environment": {"ONCE=1 is in the environment of `go run`.", nil, "1", true},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got, err := parse(tc.args, func(string) string { return tc.env })
			if err != nil || got != tc.want {
				t.Errorf("parse(%q) = %t, %v, want %t", tc.args, got, err, tc.want)
			}
		})
	}
}

// A long list of calls goes on below its beginning, within the width of a terminal.
func TestCost_FitsTheTerminal(t *testing.T) {
	var out strings.Builder
	printer := &printer{out: &out}
	printer.cost(map[string]int{"DeleteRole": 1, "DeleteRolePolicy": 2, "DetachRolePolicy": 1, "ListInstanceProfilesForRole": 1})
	want := `    AWS calls: 5 (DeleteRole, DeleteRolePolicy ×2, DetachRolePolicy,
               ListInstanceProfilesForRole)
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("cost(...): -want, +got:\n%s", diff)
	}
}

func TestWrap_BreaksBetweenWords(t *testing.T) {
	cases := map[string]struct {
		reason, text string
		want         []string
	}{
		"Fits":     {"A short text stays on one line.", "one two", []string{"one two"}},
		"Exactly":  {"A line may have exactly the maximum length.", "1234 6789", []string{"1234 6789"}},
		"Breaks":   {"Lines break between words.", "1234 67890", []string{"1234", "67890"}},
		"LongWord": {"An ARN is not broken, so that it can be copied.", "a arn:aws:iam::aws:policy/x b", []string{"a", "arn:aws:iam::aws:policy/x", "b"}},
		"Runes":    {"The length is counted in characters, not bytes.", "×××× ××××", []string{"×××× ××××"}},
		"Nothing":  {"An empty text gives no line.", "", nil},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, wrap(tc.text, 9)); diff != "" {
				t.Errorf("wrap(...): -want, +got:\n%s", diff)
			}
		})
	}
}

func TestActionsOf_ListsActionsOfAPolicy(t *testing.T) {
	const document = `{"Statement": [{"Action": ["s3:GetObject", "s3:PutObject"]}, {"Action": ["sqs:SendMessage"]}]}`
	got, err := actionsOf(document)
	if want := "s3:GetObject, s3:PutObject, sqs:SendMessage"; err != nil || got != want {
		t.Errorf("actionsOf(...) = %q, %v, want %q", got, err, want)
	}
}

func TestConditions_PrintedOnePerLine(t *testing.T) {
	got := conditions([]metav1.Condition{
		{Type: "Ready", Status: metav1.ConditionTrue, Message: "All is well"},
		{Type: "RoleReady", Status: metav1.ConditionUnknown, Message: "New"},
	})
	want := "Ready=True         All is well\nRoleReady=Unknown  New\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conditions(...): -want, +got:\n%s", diff)
	}
}

func TestSpecOf_OmitsMetadataAndComments(t *testing.T) {
	const manifest = "kind: PodIdentity\nspec:\n  # why\n  suspend: true\n"
	if got, want := specOf(manifest), "spec:\n  suspend: true"; got != want {
		t.Errorf("specOf(...) = %q, want %q", got, want)
	}
}
