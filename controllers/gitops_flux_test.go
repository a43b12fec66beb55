package controllers_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

const fluxDir = "../config/flux"

// healthCheckExpr is an item of spec.healthCheckExprs of a Flux Kustomization
// (https://fluxcd.io/flux/components/kustomize/kustomizations/#health-check-expressions).
type healthCheckExpr struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	InProgress string `json:"inProgress"`
	Failed     string `json:"failed"`
	Current    string `json:"current"`
}

// fluxKustomization is what our examples set of a Flux Kustomization.
type fluxKustomization struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec struct {
		Interval      string `json:"interval"`
		RetryInterval string `json:"retryInterval"`
		Timeout       string `json:"timeout"`
		Path          string `json:"path"`
		Prune         bool   `json:"prune"`
		Wait          bool   `json:"wait"`
		SourceRef     struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"sourceRef"`
		DependsOn []struct {
			Name string `json:"name"`
		} `json:"dependsOn"`
		DeletionPolicy   string            `json:"deletionPolicy"`
		HealthCheckExprs []healthCheckExpr `json:"healthCheckExprs"`
	} `json:"spec"`
}

// fluxHealthCheck evaluates an object as Flux does.
type fluxHealthCheck []struct {
	program cel.Program
	status  status.Status
}

// fluxHealthChecks returns the health check of each file of config/flux.
func fluxHealthChecks(t *testing.T) map[string]fluxHealthCheck {
	t.Helper()
	paths, err := filepath.Glob(fluxDir + "/*.yaml")
	if err != nil || len(paths) != 2 {
		t.Fatalf("%s contains %q, %v", fluxDir, paths, err)
	}
	checks := map[string]fluxHealthCheck{}
	for _, path := range paths {
		var k fluxKustomization
		if err := yaml.UnmarshalStrict(readFile(t, path), &k); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		exprs := k.Spec.HealthCheckExprs
		if len(exprs) != 1 || exprs[0].APIVersion != v1alpha1.GroupVersion.String() || exprs[0].Kind != "PodIdentity" || !k.Spec.Wait {
			t.Fatalf("%s does not wait for PodIdentities: %+v", path, k.Spec)
		}
		checks[filepath.Base(path)] = newFluxHealthCheck(t, exprs[0])
	}
	return checks
}

// newFluxHealthCheck parses the expressions in the environment that Flux gives them:
// they are not type-checked, as Flux does not know the custom resource
// (github.com/fluxcd/pkg/runtime/cel).
func newFluxHealthCheck(t *testing.T, e healthCheckExpr) fluxHealthCheck {
	t.Helper()
	env, err := cel.NewEnv(
		cel.HomogeneousAggregateLiterals(), cel.EagerlyValidateDeclarations(true), cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true), cel.OptionalTypes(), ext.Strings(), ext.Sets(), ext.Encoders(),
	)
	if err != nil {
		t.Fatal(err)
	}
	check := make(fluxHealthCheck, 3) // in the order in which Flux evaluates them
	check[0].status, check[1].status, check[2].status = status.InProgressStatus, status.FailedStatus, status.CurrentStatus
	for i, expr := range []string{e.InProgress, e.Failed, e.Current} {
		ast, issues := env.Parse(expr)
		if issues.Err() != nil {
			t.Fatalf("%s: %v", expr, issues.Err())
		}
		if check[i].program, err = env.Program(ast); err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
	}
	return check
}

// status fails the test if an expression cannot be evaluated: Flux would wait for
// its timeout.
func (c fluxHealthCheck) status(t *testing.T, u *unstructured.Unstructured) status.Status {
	t.Helper()
	for _, rule := range c {
		answer, _, err := rule.program.ContextEval(t.Context(), u.Object)
		if err != nil {
			t.Errorf("Flux cannot evaluate whether the object is %s: %v", rule.status, err)
			continue
		}
		if answer.Value() == true {
			return rule.status
		}
	}
	return status.InProgressStatus
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
