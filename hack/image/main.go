// Command image builds the operator's container image without a container
// engine, as an OCI image layout for linux/amd64 and linux/arm64:
//
//	go -C hack/image run . --version v0.1.0 --image ghcr.io/podidentity/podidentity-operator:v0.1.0
//
// With --push it also pushes the image to the registry that --image names, with
// the credentials of the user's Docker configuration. The same sources, Go version
// and SOURCE_DATE_EPOCH give the same image, to the byte. The digest of the image
// goes to standard output, everything else to standard error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxSize is the largest compressed size that an image of one platform may have.
const maxSize = 25_000_000

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	digest, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
	fmt.Fprintln(os.Stdout, digest)
}

// settings are the command's flags.
type settings struct {
	root     string // directory of the project
	output   string // directory of the image layout; the SBOMs are written next to it
	version  string
	revision string
	image    name.Reference
	push     bool
	created  time.Time
}

func parse(args []string) (settings, error) {
	var s settings
	var image string
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.StringVar(&s.root, "root", "../..", "Directory of the project.")
	flags.StringVar(&s.output, "output", "../../dist/image", "Directory to write the image layout to.")
	flags.StringVar(&s.version, "version", "dev", "Version that the operator reports.")
	flags.StringVar(&s.revision, "revision", "", "Git commit that the image is built from.")
	flags.StringVar(&image, "image", "", "Name and tag of the image.")
	flags.BoolVar(&s.push, "push", false, "Push the image to its registry.")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	if flags.NArg() > 0 {
		return settings{}, fmt.Errorf("unexpected argument %q; see --help", flags.Arg(0))
	}
	var err error
	if s.image, err = name.ParseReference(image, name.WithDefaultTag(s.version)); err != nil {
		return settings{}, fmt.Errorf("invalid value for --image: %w", err)
	}
	if s.created, err = sourceDate(os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		return settings{}, err
	}
	// Paths are used by programs that run in other directories.
	var errOutput error
	s.root, err = filepath.Abs(s.root)
	s.output, errOutput = filepath.Abs(s.output)
	return s, errors.Join(err, errOutput)
}

// sourceDate is the time that an image states as its creation. Without
// SOURCE_DATE_EPOCH it is the Unix epoch, so that images stay reproducible.
// See https://reproducible-builds.org/specs/source-date-epoch/.
func sourceDate(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH must be a number of seconds, not %q", epoch)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func run(ctx context.Context, args []string) (v1.Hash, error) {
	s, err := parse(args)
	if err != nil {
		return v1.Hash{}, err
	}
	index, err := build(ctx, s)
	if err != nil {
		return v1.Hash{}, err
	}
	if err := checkSizes(index, maxSize); err != nil {
		return v1.Hash{}, err
	}
	if err := writeLayout(s.output, index, s.image); err != nil {
		return v1.Hash{}, err
	}
	fmt.Fprintf(os.Stderr, "Wrote %s\n", s.output)
	if s.push {
		if err := push(ctx, s.image, index); err != nil {
			return v1.Hash{}, err
		}
		fmt.Fprintf(os.Stderr, "Pushed %s\n", s.image)
	}
	return index.Digest()
}

// build compiles the operator for each platform, describes each binary in an SBOM,
// and returns an index of one image per platform.
func build(ctx context.Context, s settings) (v1.ImageIndex, error) {
	license, err := os.ReadFile(filepath.Join(s.root, "LICENSE"))
	if err != nil {
		return nil, err
	}
	programs := map[string][]byte{}
	for _, platform := range platforms {
		fmt.Fprintf(os.Stderr, "Building the operator for %s\n", platform)
		if programs[platform.String()], err = program(ctx, s, platform); err != nil {
			return nil, err
		}
	}
	return pack(license, programs, labels(s.version, s.revision), s.created)
}

// program returns the operator's binary for a platform, and writes its SBOM next to
// the image layout.
func program(ctx context.Context, s settings, platform v1.Platform) ([]byte, error) {
	binary := fmt.Sprintf("%s-%s-%s", s.output, platform.OS, platform.Architecture)
	if err := compile(ctx, s.root, binary, s.version, platform); err != nil {
		return nil, err
	}
	if err := describe(ctx, binary, s.version); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	return content, os.Remove(binary)
}
