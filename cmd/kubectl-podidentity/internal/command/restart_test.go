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
	job := restarting{Workload: workload.Workload{Kind: "Job", Name: "nightly", Pods: []workload.Pod{{Name: "c"}}}, Todo: "let the job finish, or create it again: its pods do not change"}
	for name, r := range map[string]restarted{
		"none": {}, "some": {Workloads: []restarting{web, job}}, "dry-run": {Workloads: []restarting{web, job}, DryRun: true},
	} {
		var b strings.Builder
		printRestarted(output.NewPrinter(&b, false), r)
		golden(t, "testdata/restart-"+name+".txt", b.String())
	}
}

func TestResume_OutputIsGolden(t *testing.T) {
	for name, status := range map[string]*readiness.Readiness{
		"at-once": nil,
		"ready":   {Ready: "True", Reason: "Succeeded", Message: "Identity is ready", Current: true},
		"failed":  {Ready: "False", Reason: "AccessDenied", Message: "the operator lacks iam:CreateRole", Current: true},
	} {
		var b strings.Builder
		printOperated(output.NewPrinter(&b, false), operated{Namespace: "shop", Name: "checkout", Status: status}, "resumed")
		golden(t, "testdata/resume-"+name+".txt", b.String())
	}
}
