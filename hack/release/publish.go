package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

var pushed = regexp.MustCompile(`(?m)^Digest: (sha256:[0-9a-f]{64})$`)

// publish pushes the chart, and prints what was pushed, each on a line that a
// workflow of GitHub takes as an output. The image was pushed when it was built.
func publish(ctx context.Context, s settings, image string) error {
	fmt.Fprintf(os.Stdout, "image=%s\n", image)
	archive := s.path(s.chartFile())
	if _, err := os.Stat(archive); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	archive, err := filepath.Abs(archive)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "run", helm, "push", archive, s.charts)
	cmd.Dir = "test/chart"
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	digest, err := chartDigest(string(out))
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "chart=%s/podidentity-operator@%s\n", strings.TrimPrefix(s.charts, "oci://"), digest)
	return nil
}

// chartDigest returns the digest that `helm push` prints.
func chartDigest(out string) (string, error) {
	found := pushed.FindStringSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("helm push printed no digest:\n%s", out)
	}
	return found[1], nil
}
