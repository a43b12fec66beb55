package manifests_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// installerIsAccepted writes the manifest of `make installer` for different
// settings, and lets the API server check what a user would apply.
func (c *cluster) installerIsAccepted(t *testing.T) {
	const (
		image  = "registry.example.com:5000/podidentity-operator:v0.1.0"
		digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
		role   = "arn:aws:iam::123456789012:role/podidentity-operator-prod"
	)
	// The values have the form of numbers, which YAML takes them for without quotes.
	fill := strings.NewReplacer("${CLUSTER_NAME}", "42", "${ROLE_ARN}", role)
	for reason, tc := range map[string]struct {
		image         string
		environment   []string
		cluster, role string
	}{
		"a user replaces the placeholders":         {image, nil, "42", role},
		"values that are known when it is built":   {image, []string{"CLUSTER_NAME=7", "ROLE_ARN=" + role}, "7", role},
		"no role, for credentials of another kind": {image, []string{"CLUSTER_NAME=prod", "ROLE_ARN="}, "prod", ""},
		"a release names the digest of its image":  {image + digest, nil, "42", role},
		"an image that has a digest and no tag":    {"example.com/operator" + digest, nil, "42", role},
	} {
		t.Run(reason, func(t *testing.T) {
			manifest := fill.Replace(c.installer(t, tc.image, tc.environment))
			c.kubectl(t, []byte(manifest), "apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-")

			var deployment appsv1.Deployment
			find(t, manifest, "Deployment", &deployment)
			container := deployment.Spec.Template.Spec.Containers[0]
			if container.Image != tc.image {
				t.Errorf("image is %s, want %s", container.Image, tc.image)
			}
			if got := container.Env[0]; got.Name != "CLUSTER_NAME" || got.Value != tc.cluster {
				t.Errorf("first variable is %s=%s, want CLUSTER_NAME=%s", got.Name, got.Value, tc.cluster)
			}
			var account corev1.ServiceAccount
			find(t, manifest, "ServiceAccount", &account)
			if got := account.Annotations["eks.amazonaws.com/role-arn"]; got != tc.role {
				t.Errorf("annotation of the ServiceAccount is %q, want %q", got, tc.role)
			}
		})
	}
	t.Run("an image without tag and digest could be any", func(t *testing.T) {
		if out, err := c.installerCommand(t, "example.com:5000/operator", filepath.Join(t.TempDir(), "x"), nil).CombinedOutput(); err == nil || !strings.Contains(string(out), "must have a tag or a digest") {
			t.Errorf("error is %v with\n%s", err, out)
		}
	})
}

// A deployment names the permissions boundary, or the installer reads what its absence
// means.
func TestDeploy_Boundary(t *testing.T) {
	for boundary, want := range map[string]struct {
		warns bool
		value string // in the overlay
	}{
		"arn:aws:iam::123456789012:policy/podidentity-boundary": {false, `{name: PODIDENTITY_PERMISSIONS_BOUNDARY, value: "arn:aws:iam::123456789012:policy/podidentity-boundary"}`},
		"": {true, ""},
	} {
		cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "deploy", "KUBECTL=true", "CLUSTER_NAME=prod", "IMG=example.com/operator:v1", "ROLE_ARN=", "BOUNDARY_ARN="+boundary)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if warns := strings.Contains(string(out), "BOUNDARY_ARN is not set"); warns != want.warns {
			t.Errorf("BOUNDARY_ARN=%s: a warning is %t, want %t:\n%s", boundary, warns, want.warns, out)
		}
		overlay, err := os.ReadFile(filepath.Join(root, "dist", "deploy", "kustomization.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if set := strings.Contains(string(overlay), "PODIDENTITY_PERMISSIONS_BOUNDARY"); set != (want.value != "") || !strings.Contains(string(overlay), want.value) {
			t.Errorf("BOUNDARY_ARN=%s: the overlay is\n%s", boundary, overlay)
		}
	}
}

func (c *cluster) installer(t *testing.T, image string, environment []string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "install.yaml")
	if out, err := c.installerCommand(t, image, file, environment).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	manifest, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(manifest)
}

func (c *cluster) installerCommand(t *testing.T, image, file string, environment []string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "hack", "installer.sh"), image, file)
	cmd.Env = append(append(os.Environ(), "KUBEBUILDER_ASSETS="+c.AssetsDir), environment...)
	return cmd
}

// find decodes the only object of a kind in a manifest.
func find(t *testing.T, manifest, kind string, into any) {
	t.Helper()
	found := 0
	for document := range strings.SplitSeq(manifest, "\n---\n") {
		var head struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal([]byte(document), &head); err != nil {
			t.Fatal(err)
		}
		if head.Kind != kind {
			continue
		}
		found++
		if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
			t.Fatal(err)
		}
	}
	if found != 1 {
		t.Fatalf("the manifest has %d objects of kind %s, want 1", found, kind)
	}
}
