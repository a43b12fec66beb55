package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	chart  = "charts/podidentity-operator"
	helm   = "helm.sh/helm/v4/cmd/helm" // of the module in test/chart
	plugin = "cmd/kubectl-podidentity"
)

// execute runs a program in a directory. What it prints goes to standard error,
// because standard output is for what was pushed.
func execute(ctx context.Context, dir string, environment []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environment...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	return nil
}

// output returns what a program prints, without the newline at its end.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", cmd, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// buildImage builds the container image as an archive of an OCI layout, pushes it
// unless it is a dry run, and returns its name with its digest.
func buildImage(ctx context.Context, s settings) (string, error) {
	dir, err := filepath.Abs(s.path("image"))
	if err != nil {
		return "", err
	}
	name := s.image + ":" + s.version
	args := []string{"run", ".", "--output", dir, "--version", s.version, "--revision", s.revision, "--image", name}
	if !s.dryRun {
		args = append(args, "--push")
	}
	if err := os.Setenv("SOURCE_DATE_EPOCH", strconv.FormatInt(s.date.Unix(), 10)); err != nil {
		return "", err
	}
	digest, err := output(ctx, "hack/image", "go", args...)
	if err != nil {
		return "", err
	}
	files, err := collect(dir, ".")
	if err != nil {
		return "", err
	}
	if err := writeArchive(s.path("podidentity-operator-"+s.version+"-image.tar"), files, s.date); err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return name + "@" + digest, renameSBOMs(s)
}

// renameSBOMs names the bills of materials, which are those of the binaries in the
// image, after the release.
func renameSBOMs(s settings) error {
	written, err := filepath.Glob(s.path("image-*.cdx.json"))
	if err != nil {
		return err
	}
	if len(written) == 0 {
		return errors.New("hack/image wrote no SBOM")
	}
	for _, file := range written {
		platform := strings.TrimPrefix(filepath.Base(file), "image-")
		if err := os.Rename(file, s.path("podidentity-operator-"+s.version+"-"+platform)); err != nil {
			return err
		}
	}
	return nil
}

// buildInstaller writes install.yaml, which runs the image of that digest alone.
func buildInstaller(ctx context.Context, s settings, image string) error {
	return execute(ctx, ".", nil, "hack/installer.sh", image, s.path("install.yaml"))
}

// buildChart packages the chart, which runs the image of that digest unless its user
// chooses another image. Helm takes the times of its files, which are set to that of the
// commit, so that the package is reproducible.
func buildChart(ctx context.Context, s settings, image string) error {
	files, err := collect(chart, "podidentity-operator")
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "There is no %s\n", chart)
		return nil
	}
	if err != nil {
		return err
	}
	if err := nameImage(files, image); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "chart")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a directory of temporary files
	if err := extract(dir, files, s.date); err != nil {
		return err
	}
	target, err := filepath.Abs(s.output)
	if err != nil {
		return err
	}
	return execute(ctx, "test/chart", nil, "go", "run", helm, "package", filepath.Join(dir, "podidentity-operator"),
		"--version", s.number(), "--app-version", s.version, "--destination", target)
}

// imageOfChart is the line of Chart.yaml that names the image.
var imageOfChart = regexp.MustCompile(`(?m)^( +image: ).*$`)

// nameImage replaces the image in the Chart.yaml of a chart's files. The template of
// the Deployment takes the digest from there.
func nameImage(files []file, image string) error {
	for i, f := range files {
		if path.Base(f.name) != "Chart.yaml" {
			continue
		}
		if n := len(imageOfChart.FindAll(f.content, -1)); n != 1 {
			return fmt.Errorf("%s names %d images, want 1", f.name, n)
		}
		files[i].content = imageOfChart.ReplaceAll(f.content, []byte("${1}"+image))
		return nil
	}
	return errors.New("the chart has no Chart.yaml")
}

// buildAWSFiles writes what config/aws has for the AWS side: the template on its own,
// because CloudFormation takes it as it is, and everything in an archive.
func buildAWSFiles(_ context.Context, s settings, _ string) error {
	template, err := os.ReadFile("config/aws/cloudformation.yaml")
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path("cloudformation.yaml"), template, 0o644); err != nil {
		return err
	}
	files, err := collect("config/aws", "podidentity-operator-aws-"+s.version)
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(f file) bool { return path.Ext(f.name) == ".go" }) // the plugin embeds the policies
	return writeArchive(s.path(s.awsFile()), files, s.date)
}

// pluginPlatforms are those of .krew.yaml.
var pluginPlatforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64"}

// buildPlugins writes an archive of the kubectl plugin for each platform.
func buildPlugins(ctx context.Context, s settings, _ string) error {
	if _, err := os.Stat(plugin); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "There is no %s\n", plugin)
		return nil
	}
	license, err := os.ReadFile("LICENSE")
	if err != nil {
		return err
	}
	for _, platform := range pluginPlatforms {
		if err := buildPlugin(ctx, s, platform, license); err != nil {
			return err
		}
	}
	return nil
}

func buildPlugin(ctx context.Context, s settings, platform string, license []byte) error {
	system, architecture, _ := strings.Cut(platform, "/")
	program := "kubectl-podidentity"
	if system == "windows" {
		program += ".exe"
	}
	binary := s.path(program)
	environment := []string{"CGO_ENABLED=0", "GOOS=" + system, "GOARCH=" + architecture}
	if err := execute(ctx, ".", environment, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X main.version="+s.version, "-o", binary, "./"+plugin); err != nil {
		return err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	if err := os.Remove(binary); err != nil {
		return err
	}
	files := []file{{name: "LICENSE", mode: 0o644, content: license}, {name: program, mode: 0o755, content: content}}
	return writeArchive(s.path(s.pluginFile(system, architecture)), files, s.date)
}
