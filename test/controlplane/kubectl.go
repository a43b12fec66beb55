package controlplane

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// Kubectl returns a run of the control plane's own kubectl as its administrator,
// which leaves nothing in the user's home.
func (c *ControlPlane) Kubectl(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{"--kubeconfig", c.KubeconfigPath}, args...)
	cmd := exec.CommandContext(ctx, filepath.Join(c.AssetsDir, "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECACHEDIR="+c.file("kubectl-cache"))
	return cmd
}
