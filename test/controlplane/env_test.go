package controlplane_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/test/controlplane"
)

// No credentials of this machine reach what is started, nor settings of an operator.
func TestEnviron_HasNoCredentialsOfTheMachine(t *testing.T) {
	t.Setenv("AWS_PROFILE", "production")
	t.Setenv("PODIDENTITY_CLUSTER_NAME", "production")
	t.Setenv("KEPT", "yes")
	env := controlplane.Environ(map[string]string{"AWS_REGION": "us-east-1"})
	for _, variable := range env {
		if strings.HasSuffix(variable, "=production") {
			t.Errorf("the environment holds %s", variable)
		}
	}
	for _, want := range []string{"AWS_REGION=us-east-1", "KEPT=yes"} {
		if !slices.Contains(env, want) {
			t.Errorf("the environment lacks %s", want)
		}
	}
}
