package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// compile builds the main package in directory root, for a platform. What it writes
// depends on the sources, the version and the Go release only: neither on the
// directory nor on the state of git.
func compile(ctx context.Context, root, output, version string, platform v1.Platform) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X main.version="+version, "-o", output, ".")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+platform.OS, "GOARCH="+platform.Architecture)
	return execute(cmd)
}

// describe writes the software bill of materials of a binary, in the JSON format of
// CycloneDX, next to the binary.
func describe(ctx context.Context, binary, version string) error {
	return execute(exec.CommandContext(ctx, "go", "tool", "cyclonedx-gomod", "bin",
		"-json", "-noserial", "-notimestamp", "-version", version, "-output", binary+".cdx.json", binary))
}

// execute runs a program. What it prints is part of the error.
func execute(cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out.Bytes())
	}
	return nil
}
