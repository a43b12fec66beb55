// Command release builds everything that a release consists of, into dist/release:
//
//	go run ./hack/release --version v0.1.0 --dry-run
//
// Without --dry-run it also pushes the container image and the chart, and requires
// that the tag of the version is checked out with no changes. It prints what it
// pushed, by digest, for the workflow that signs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "release: %v\n", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

// settings are the command's flags, and what git knows of the commit.
type settings struct {
	version  string
	image    string // repository of the image, without a tag
	charts   string // OCI repository that charts are pushed to
	output   string
	dryRun   bool
	revision string
	date     time.Time // of the commit
}

// number is the version without its v, as charts and changelogs have it.
func (s settings) number() string { return strings.TrimPrefix(s.version, "v") }

// path returns that of a file of the release.
func (s settings) path(name string) string { return filepath.Join(s.output, name) }

// The names of files that the notes mention.
func (s settings) chartFile() string { return "podidentity-operator-" + s.number() + ".tgz" }
func (s settings) awsFile() string   { return "podidentity-operator-" + s.version + "-aws.tar.gz" }
func (s settings) pluginFile(system, architecture string) string {
	return "kubectl-podidentity_" + s.version + "_" + system + "_" + architecture + ".tar.gz"
}

// versions are those of Semantic Versioning, with the v that Go and git tags have.
var versions = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$`)

func parse(args []string) (settings, error) {
	s := settings{output: "dist/release"}
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.StringVar(&s.version, "version", "", "Version to release, such as v0.1.0.")
	flags.StringVar(&s.image, "image", "ghcr.io/podidentity/podidentity-operator", "Repository of the container image.")
	flags.StringVar(&s.charts, "charts", "oci://ghcr.io/podidentity/charts", "OCI repository of the chart.")
	flags.BoolVar(&s.dryRun, "dry-run", false, "Build everything, push nothing.")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	if flags.NArg() > 0 {
		return settings{}, fmt.Errorf("unexpected argument %q; see --help", flags.Arg(0))
	}
	if !versions.MatchString(s.version) {
		return settings{}, fmt.Errorf("invalid version %q: must be a semantic version with a leading v, such as v0.1.0", s.version)
	}
	return s, nil
}

func run(ctx context.Context, args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	if s, err = readCommit(ctx, s); err != nil {
		return err
	}
	changelog, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return fmt.Errorf("%w; run it in the directory of the project", err)
	}
	changes, err := section(string(changelog), s.version, s.dryRun)
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(s.output), os.MkdirAll(s.output, 0o755)); err != nil {
		return err
	}
	image, err := buildImage(ctx, s)
	if err != nil {
		return err
	}
	if err := buildAssets(ctx, s, image); err != nil {
		return err
	}
	files, err := writeChecksums(s.output)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path("notes.md"), []byte(notes(s, image, changes, files)), 0o644); err != nil {
		return err
	}
	if s.dryRun {
		fmt.Fprintf(os.Stderr, "Built %s; pushed nothing\n", s.output)
		return nil
	}
	return publish(ctx, s, image)
}

// buildAssets builds what users download: everything but the image, which install.yaml
// and the chart name with its digest.
func buildAssets(ctx context.Context, s settings, image string) error {
	for _, build := range []func(context.Context, settings, string) error{buildChart, buildPlugins, buildAWSFiles, buildInstaller} {
		if err := build(ctx, s, image); err != nil {
			return err
		}
	}
	return nil
}

// readCommit adds the commit that is checked out to the settings. A release that is
// pushed must be that of the version's tag, so that its sources can be found.
func readCommit(ctx context.Context, s settings) (settings, error) {
	out, err := output(ctx, ".", "git", "log", "-1", "--format=%H %cI")
	if err != nil {
		return s, err
	}
	revision, date, _ := strings.Cut(out, " ")
	s.revision = revision
	if s.date, err = time.Parse(time.RFC3339, date); err != nil || s.dryRun {
		return s, err
	}
	changed, err := output(ctx, ".", "git", "status", "--porcelain")
	if err != nil {
		return s, err
	}
	tags, err := output(ctx, ".", "git", "tag", "--points-at", "HEAD")
	if err != nil {
		return s, err
	}
	return s, checkCommit(s.version, strings.Fields(tags), changed)
}

// checkCommit returns an error unless a commit with these tags and changes may be
// released as a version.
func checkCommit(version string, tags []string, changed string) error {
	if changed != "" {
		return fmt.Errorf("the working tree has changes; commit or remove them, or use --dry-run:\n%s", changed)
	}
	if slices.Contains(tags, version) {
		return nil
	}
	return fmt.Errorf("tag %s is not checked out; create it with `git tag --sign %s`, or use --dry-run", version, version)
}
