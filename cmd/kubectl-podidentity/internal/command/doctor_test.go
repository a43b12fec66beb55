package command

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/preflight"
)

var checks = []preflight.Check{
	{Name: "kubernetes", State: check.OK, Message: "the API server is v1.37.2"},
	{Name: "operator", State: check.Warning, Message: "1 of 2 replicas is available", Fix: "kubectl get pods -n podidentity-system"},
	{Name: "permissions", State: check.Unknown, Message: "AWS denies you iam:GetRole"},
	{Name: "webhook", State: check.Broken, Message: "no webhook exists", Fix: "install the webhook"},
}

func TestDoctor_OutputIsGolden(t *testing.T) {
	var b strings.Builder
	printChecks(output.NewPrinter(&b, false), checks)
	golden(t, "testdata/doctor.txt", b.String())
	b.Reset()
	printChecks(output.NewPrinter(&b, true), checks)
	golden(t, "testdata/doctor-color.txt", b.String())
	var raw bytes.Buffer
	if err := output.Encode(&raw, output.JSON, checks); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/doctor.json", raw.String())
}

func TestDoctor_ExitFollowsTheChecks(t *testing.T) {
	cases := map[string]struct {
		reason  string
		checks  []preflight.Check
		finding bool
		err     string
	}{
		"Fine":           {"Every check is OK.", checks[:1], false, ""},
		"Warning":        {"A warning is a finding.", checks[:2], true, ""},
		"FindingCounts":  {"A finding has precedence over a check that could not be made.", checks, true, ""},
		"UnknownIsNotOK": {"A script must not mistake an unknown result for success.", checks[2:3], false, "1 of 1 checks could not be made"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			err := concludeChecks(tc.checks)
			if errors.Is(err, errFinding) != tc.finding || !tc.finding && (err == nil) != (tc.err == "") {
				t.Errorf("concludeChecks(): %v", err)
			}
			if tc.err != "" && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("concludeChecks(): %v, want %s", err, tc.err)
			}
		})
	}
}
