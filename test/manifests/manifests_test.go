// Package manifests_test proves that what config/ renders is accepted by a real
// API server, and what it lets whom do.
package manifests_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes"

	"github.com/podidentity/podidentity-operator/test/controlplane"
)

const (
	root      = "../.."
	namespace = "podidentity-system"
	operator  = "podidentity-controller-manager"
)

// a cluster has config/default and config/samples applied to it.
type cluster struct {
	*controlplane.ControlPlane

	client kubernetes.Interface
}

func TestManifests_InstallAndBind(t *testing.T) {
	cp, err := controlplane.Start(t.Context(), controlplane.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cp.Stop(); err != nil {
			t.Error(err)
		}
	})
	client, err := kubernetes.NewForConfig(cp.Config)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{ControlPlane: cp, client: client}
	c.apply(t, "config/default")
	c.kubectl(t, nil, "wait", "--for=condition=Established", "--timeout=60s", "crd", "podidentities.iam.podidentity.io")
	t.Run("DocumentedManifestsAreAccepted", c.documentedManifestsAreAccepted) // before there are objects of the same names
	c.apply(t, "config/samples")

	t.Run("InstallerIsAccepted", c.installerIsAccepted)
	t.Run("DeploymentIsRestricted", c.deploymentIsRestricted)
	t.Run("NetworkPolicyFitsThePods", c.networkPolicyFitsThePods)
	t.Run("OperatorMayDoItsWork", c.operatorMayDoItsWork)
	t.Run("OperatorMayDoNoMore", c.operatorMayDoNoMore)
	t.Run("ViolationsAreRejectedAtAdmission", c.violationsAreRejectedAtAdmission)
	t.Run("DocumentsAreChecked", c.documentsAreChecked)
	t.Run("UsersHaveWhatTheirRolesAllow", c.usersHaveWhatTheirRolesAllow)
	t.Run("ServiceAccountsNeedPermission", c.serviceAccountsNeedPermission)
	t.Run("ServiceAccountsPolicyIsSwitchable", c.serviceAccountsPolicyIsSwitchable)
	t.Run("CatalogIsAccepted", c.catalogIsAccepted)
}

// apply renders a directory as a user would, and applies what comes out. An
// unknown field is an error.
func (c *cluster) apply(t *testing.T, dir string) {
	t.Helper()
	rendered := c.kubectl(t, nil, "kustomize", filepath.Join(root, dir))
	c.kubectl(t, rendered, "apply", "--server-side", "--validate=strict", "--filename=-")
}

func (c *cluster) kubectl(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := c.Kubectl(t.Context(), args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), &stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout
}
