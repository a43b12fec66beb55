package main

import (
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The Dockerfile in the project's directory builds the same image for those who
// have a container engine. A test compares the two.
const (
	entrypoint = "/manager"
	user       = "65532:65532"
)

// platforms are those that EKS has Linux nodes for.
var platforms = []v1.Platform{
	{OS: "linux", Architecture: "amd64"},
	{OS: "linux", Architecture: "arm64"},
}

// labels describe an image: its config carries them as labels, and its index as
// annotations, because registries read those of an index.
// See https://github.com/opencontainers/image-spec/blob/main/annotations.md.
func labels(version, revision string) map[string]string {
	const project = "https://github.com/podidentity/podidentity-operator"
	return map[string]string{
		"org.opencontainers.image.title":         "podidentity-operator",
		"org.opencontainers.image.description":   "Kubernetes operator that gives workloads AWS permissions through IAM roles for ServiceAccounts",
		"org.opencontainers.image.url":           project,
		"org.opencontainers.image.source":        project,
		"org.opencontainers.image.documentation": project + "/tree/main/docs",
		"org.opencontainers.image.licenses":      "Apache-2.0",
		"org.opencontainers.image.version":       version,
		"org.opencontainers.image.revision":      revision,
	}
}

// pack returns an index of one image per platform, each of the files that all share
// and of the platform's program.
func pack(license []byte, programs map[string][]byte, description map[string]string, created time.Time) (v1.ImageIndex, error) {
	base, err := layer(baseFiles(license))
	if err != nil {
		return nil, err
	}
	var images []v1.Image
	for _, platform := range platforms {
		operator, err := layer([]file{{path: entrypoint, mode: 0o755, content: programs[platform.String()]}})
		if err != nil {
			return nil, err
		}
		image, err := assemble(platform, base, operator, description, created)
		if err != nil {
			return nil, err
		}
		images = append(images, image)
	}
	return combine(images, description)
}

// assemble returns an image of two layers that runs the operator.
func assemble(platform v1.Platform, base, operator v1.Layer, description map[string]string, created time.Time) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.ConfigFile(image, &v1.ConfigFile{
		OS:           platform.OS,
		Architecture: platform.Architecture,
		Created:      v1.Time{Time: created},
		RootFS:       v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User:       user,
			Entrypoint: []string{entrypoint},
			WorkingDir: "/",
			Labels:     description,
		},
	})
	if err != nil {
		return nil, err
	}
	history := func(comment string) v1.History {
		return v1.History{Created: v1.Time{Time: created}, CreatedBy: "hack/image", Comment: comment}
	}
	return mutate.Append(image,
		mutate.Addendum{Layer: base, History: history("root certificates, users and license")},
		mutate.Addendum{Layer: operator, History: history("the operator")},
	)
}

// combine returns an index of the images, one per platform.
func combine(images []v1.Image, description map[string]string) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, image := range images {
		config, err := image.ConfigFile()
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: config.OS, Architecture: config.Architecture}},
		})
	}
	annotated, ok := mutate.Annotations(index, description).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("annotating an index gives %T", annotated)
	}
	return annotated, nil
}

// checkSizes returns an error if the image of a platform is larger than limit bytes.
func checkSizes(index v1.ImageIndex, limit int64) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, descriptor := range manifest.Manifests {
		image, err := index.Image(descriptor.Digest)
		if err != nil {
			return err
		}
		content, err := image.Manifest()
		if err != nil {
			return err
		}
		var size int64
		for _, layer := range content.Layers {
			size += layer.Size
		}
		if size > limit {
			return fmt.Errorf("the image for %s is %d bytes; at most %d are allowed: find what grew with `go version -m` and the SBOM", descriptor.Platform, size, limit)
		}
	}
	return nil
}
