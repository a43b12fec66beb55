package command

import (
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/readiness"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/workload"
)

func TestRestart_OutputIsGolden(t *testing.T) {
	web := restarting{Workload: workload.Workload{Kind: "Deployment", Name: "web", Pods: []workload.Pod{{Name: "a"}, {Name: "b", UpToDate: true}}}, Restarted: true}
	job := restarting{Workload: workload.Workload{Kind: "Job", Name: "nightly", Pods: []workload.Pod{{Name: "c"}}}, Todo: "wait for the job to finish, or recreate it: its pods do not change"}
	for name, r := range map[string]restarted{
		"none": {}, "some": {Workloads: []restarting{web, job}}, "dry-run": {Workloads: []restarting{web, job}, DryRun: true},
	} {
		var b strings.Builder
		printRestarted(output.NewPrinter(&b, false), r)
		golden(t, "testdata/restart-"+name+".txt", b.String())
		golden(t, "testdata/restart-"+name+".json", encoded(t, r))
	}
}

func TestResume_OutputIsGolden(t *testing.T) {
	for name, status := range map[string]*readiness.Readiness{
		"at-once": nil,
		"ready":   {Ready: "True", Reason: "Succeeded", Message: "Identity is ready", Current: true},
		"failed":  {Ready: "False", Reason: "AccessDenied", Message: "the operator lacks iam:CreateRole", Current: true},
	} {
		var b strings.Builder
		result := operated{Namespace: "shop", Name: "checkout", Operation: "resume", Status: status}
		printOperated(output.NewPrinter(&b, false), result, "resumed")
		golden(t, "testdata/resume-"+name+".txt", b.String())
		golden(t, "testdata/resume-"+name+".json", encoded(t, result))
	}
}

func encoded(t *testing.T, result any) string {
	t.Helper()
	var b strings.Builder
	if err := output.Encode(&b, output.JSON, result); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// suspend, resume and reconcile print the same, with a word of their own.
func TestOperations_OutputIsGolden(t *testing.T) {
	for _, command := range []string{"suspend", "reconcile"} {
		done := map[string]string{"suspend": "suspended", "reconcile": "asked to reconcile"}[command]
		var b strings.Builder
		result := operated{Namespace: "shop", Name: "checkout", Operation: command}
		printOperated(output.NewPrinter(&b, false), result, done)
		golden(t, "testdata/"+command+".txt", b.String())
		golden(t, "testdata/"+command+".json", encoded(t, result))
	}
}

func TestVersion_OutputIsGolden(t *testing.T) {
	golden(t, "testdata/version.txt", runPlugin("", "version").stdout)
	golden(t, "testdata/version.json", runPlugin("", "version", "-o", "json").stdout)
}
