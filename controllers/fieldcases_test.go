package controllers_test

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// fieldCase is a file of test/fieldcases; README.md there describes the fields.
type fieldCase struct {
	Holds           string                       `json:"holds"`
	Policies        []string                     `json:"policies"`
	Roles           []string                     `json:"roles"`
	ServiceAccounts map[string]map[string]string `json:"serviceAccounts"`
	Guardrail       string                       `json:"guardrail"`
	Steps           []fieldStep                  `json:"steps"`
}

type fieldStep struct {
	Name        string            `json:"name"`
	Spec        map[string]any    `json:"spec"`
	Rejected    string            `json:"rejected"`
	Ready       string            `json:"ready"`
	Reason      string            `json:"reason"`
	Condition   string            `json:"condition"`
	Says        []string          `json:"says"`
	Attached    []string          `json:"attached"`
	NoRole      bool              `json:"noRole"`
	Account     string            `json:"serviceAccount"`
	Annotate    map[string]string `json:"annotate"`
	Annotations map[string]string `json:"annotations"`
}

// Inputs that users of such systems report lead to the message or the state that the
// file demands.
func TestFieldCases_LeadToTheirMessages(t *testing.T) {
	files, err := filepath.Glob("../test/fieldcases/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d cases in test/fieldcases (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var c fieldCase
			if err := yaml.UnmarshalStrict(content, &c); err != nil {
				t.Fatal(err)
			}
			if c.Holds == "" || len(c.Steps) == 0 {
				t.Fatal("the case has no sentence about what must hold, or no steps")
			}
			s := startEnv(t)
			s.prepareFieldCase(c)
			for i, step := range c.Steps {
				if s.fieldStep(step.withDefaults()); t.Failed() {
					t.Fatalf("step %d: %s", i, c.Holds)
				}
			}
		})
	}
}

// withDefaults returns the step with the defaults that README.md states.
func (step fieldStep) withDefaults() fieldStep {
	step.Name = cmp.Or(step.Name, "case")
	step.Condition = cmp.Or(step.Condition, v1alpha1.ConditionReady)
	step.Account = cmp.Or(step.Account, step.Name)
	return step
}

func (s *env) prepareFieldCase(c fieldCase) {
	s.t.Helper()
	for _, name := range c.Policies {
		s.createPolicy(name)
	}
	for _, name := range c.Roles {
		s.createRole(name, "/", plan.Owner{Cluster: "another", Namespace: "a", Name: "b", UID: "c"})
	}
	for name, annotations := range c.ServiceAccounts {
		s.createServiceAccount(name, annotations)
	}
	if c.Guardrail != "" {
		s.guard("case", c.Guardrail)
	}
}

var rejectedValue = regexp.MustCompile(`Invalid value: "[^"]*"`)

// asServerSays returns a message of the API server as its version has it: 1.32 states the
// type of a value that a rule rejects, newer ones the value; see docs/upgrading.md.
func (s *env) asServerSays(message string) string {
	s.t.Helper()
	api, err := discovery.NewDiscoveryClientForConfig(cluster.Config)
	s.must(err)
	server, err := api.ServerVersion()
	s.must(err)
	if server.Major == "1" && server.Minor == "32" {
		return rejectedValue.ReplaceAllString(message, `Invalid value: "string"`)
	}
	return message
}

func (s *env) fieldStep(step fieldStep) {
	s.t.Helper()
	manifest, err := yaml.Marshal(map[string]any{"metadata": map[string]any{"name": step.Name}, "spec": step.Spec})
	s.must(err)
	_, err = s.tryApply(string(manifest))
	if step.Rejected != "" {
		if want := s.asServerSays(step.Rejected); err == nil || !strings.Contains(err.Error(), want) {
			s.t.Errorf("apply: %v, want it rejected with %q", err, want)
		}
		return
	}
	s.must(err)
	pi := s.awaitFieldStatus(step)
	for _, text := range step.Says {
		if message := condition(pi, step.Condition).Message; !strings.Contains(message, text) {
			s.t.Errorf("%s says %q, want it to say %q", step.Condition, message, text)
		}
	}
	if step.NoRole && (pi.Status.Role != nil || s.roleExists(plan.NameOf(pi, s.config.ClusterName))) {
		s.t.Error("a role exists")
	}
	if step.Attached != nil {
		got := s.role(plan.NameOf(pi, s.config.ClusterName)).Managed
		if diff := gocmp.Diff(step.Attached, got, cmpopts.EquateEmpty()); diff != "" {
			s.t.Errorf("managed policies of the role: -want, +got:\n%s", diff)
		}
	}
	for key, value := range step.Annotate {
		s.annotateServiceAccount(step.Account, key, value)
	}
	for key, want := range step.Annotations {
		s.eventually("annotation "+key+" of the ServiceAccount to be "+want, func() bool {
			return s.serviceAccount(step.Account).Annotations[key] == want
		})
	}
}

// awaitFieldStatus waits until Ready of the newest generation is as the step demands.
func (s *env) awaitFieldStatus(step fieldStep) *v1alpha1.PodIdentity {
	s.t.Helper()
	pi := &v1alpha1.PodIdentity{}
	defer func() {
		if s.t.Failed() {
			s.t.Logf("conditions: %+v", pi.Status.Conditions)
		}
	}()
	s.eventually("Ready to be "+step.Ready+" "+step.Reason, func() bool {
		s.must(user.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: step.Name}, pi))
		ready := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.ObservedGeneration == pi.Generation && string(ready.Status) == step.Ready &&
			(step.Reason == "" || ready.Reason == step.Reason)
	})
	return pi
}
