package command

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/chain"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

func explanationOf(f chain.Facts, r chain.Result) explanation {
	e := explanation{Namespace: f.Pod.Namespace, Pod: f.Pod.Name, ServiceAccount: f.Pod.Spec.ServiceAccountName, Request: f.Request, Result: r}
	if t, ok := chain.TargetOf(f); ok {
		e.RoleARN = t.RoleARN
	}
	if f.Identity != nil {
		e.PodIdentity = f.Identity.Name
		e.Ready = "Unknown"
		if c := meta.FindStatusCondition(f.Identity.Status.Conditions, v1alpha1.ConditionReady); c != nil {
			e.Ready = string(c.Status)
		}
	}
	return e
}

var symbols = map[check.State]output.Span{
	check.OK:      output.In(output.Good, "✓"),
	check.Warning: output.In(output.Warn, "!"),
	check.Unknown: output.In(output.Warn, "?"),
	check.Broken:  output.In(output.Bad, "✗"),
}

func printWhy(p *output.Printer, e explanation) {
	title := "Pod " + e.Namespace + "/" + e.Pod
	if e.Pod == "" {
		title = "A new pod of ServiceAccount " + e.Namespace + "/" + e.ServiceAccount
	}
	if e.PodIdentity != "" {
		title += fmt.Sprintf(", PodIdentity %s (Ready: %s)", e.PodIdentity, e.Ready)
	}
	p.Line(output.In(output.Bold, "%s", title))
	for _, l := range e.Links {
		p.Line(symbols[l.State], output.T(" %-14s  %s", l.Name, l.Message))
		if l.Fix != "" {
			p.Line(output.In(output.Bold, "  %14s  → %s", "", l.Fix))
		}
	}
	switch {
	case e.Broken != "":
		p.Line(output.In(output.Bad, "Broken: %s", e.Broken))
	case e.Incomplete:
		p.Line(output.In(output.Warn, "Not broken as far as it could be checked"))
	case e.Request != nil:
		p.Line(output.In(output.Good, "The pod can assume %s and do %s", e.RoleARN, e.Request.Action))
	default:
		p.Line(output.In(output.Good, "The pod can assume %s", e.RoleARN))
	}
	if len(e.NotEvaluated) > 0 {
		p.Line(output.In(output.Dim, "Not evaluated: %s", strings.Join(e.NotEvaluated, "; ")))
	}
}
