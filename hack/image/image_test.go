package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// source is that of the smallest program that has a version.
const source = `package main

var version = "dev"

func main() { println(version) }
`

// project returns a directory with what an image is built from, where the operator
// is a program that compiles quickly.
func project(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for path, content := range map[string]string{"go.mod": "module example.com/tiny\n\ngo 1.26\n", "main.go": source, "LICENSE": "Apache"} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tag returns the name of an image with a tag.
func tag(t *testing.T, image string) name.Tag {
	t.Helper()
	ref, err := name.NewTag(image)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// built returns the image of a project in a directory of its own.
func built(t *testing.T, version string) (settings, v1.ImageIndex) {
	t.Helper()
	s := settings{
		root: project(t), output: filepath.Join(t.TempDir(), "image"), version: version, revision: "c0ffee",
		image: tag(t, "example.com/tiny:"+version), created: time.Unix(1_700_000_000, 0),
	}
	index, err := build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return s, index
}

// packed returns an image in which text takes the place of the operator.
func packed(t *testing.T, version string) v1.ImageIndex {
	t.Helper()
	programs := map[string][]byte{}
	for _, platform := range platforms {
		programs[platform.String()] = []byte("the operator " + version + " for " + platform.String())
	}
	index, err := pack([]byte("Apache"), programs, labels(version, "c0ffee"), time.Unix(1_700_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func digest(t *testing.T, index v1.ImageIndex) string {
	t.Helper()
	d, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func TestBuild_IsReproducible(t *testing.T) {
	s, first := built(t, "v1")
	t.Run("the same sources in another directory give the same image", func(t *testing.T) {
		if _, again := built(t, "v1"); digest(t, first) != digest(t, again) {
			t.Errorf("digest is %s, want %s", digest(t, again), digest(t, first))
		}
	})
	t.Run("another version gives another image", func(t *testing.T) {
		if _, other := built(t, "v2"); digest(t, first) == digest(t, other) {
			t.Error("the digest is the same: the version is not part of the image")
		}
	})
	t.Run("each platform has an SBOM", func(t *testing.T) {
		for _, platform := range platforms {
			sbom, err := os.ReadFile(s.output + "-" + platform.OS + "-" + platform.Architecture + ".cdx.json")
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{`"bomFormat": "CycloneDX"`, `"name": "example.com/tiny"`, `"version": "v1"`} {
				if !bytes.Contains(sbom, []byte(want)) {
					t.Errorf("%s: the SBOM has no %s", platform, want)
				}
			}
		}
	})
}

func TestLayout_HoldsTheImage(t *testing.T) {
	index, dir := packed(t, "v1"), filepath.Join(t.TempDir(), "image")
	for _, content := range []v1.ImageIndex{packed(t, "v0"), index} { // the second replaces the first
		if err := writeLayout(dir, content, tag(t, "example.com/tiny:v1")); err != nil {
			t.Fatal(err)
		}
	}
	path, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := outer.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Digest.String() != digest(t, index) {
		t.Fatalf("index.json lists %v, want %s alone", manifest.Manifests, digest(t, index))
	}
	want := map[string]string{"org.opencontainers.image.ref.name": "v1", "io.containerd.image.name": "example.com/tiny:v1"}
	if diff := cmp.Diff(want, manifest.Manifests[0].Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

func TestLayout_OtherDirectoryIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "thesis.tex")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeLayout(dir); err == nil {
		t.Error("removeLayout returned no error for a directory that is not an image layout")
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("the directory lost a file: %v", err)
	}
}

func TestPush_RegistryServesTheSameImage(t *testing.T) {
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	index := packed(t, "v1")
	ref := tag(t, strings.TrimPrefix(server.URL, "http://")+"/tiny:v1")
	if err := push(t.Context(), ref, index); err != nil {
		t.Fatal(err)
	}
	for _, platform := range platforms {
		image, err := remote.Image(ref, remote.WithPlatform(platform), remote.WithContext(t.Context()))
		if err != nil {
			t.Fatalf("%s: %v", platform, err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Architecture != platform.Architecture {
			t.Errorf("%s: the registry serves an image for %s", platform, config.Architecture)
		}
	}
	served, err := remote.Index(ref, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if digest(t, served) != digest(t, index) {
		t.Errorf("the registry serves %s, want %s", digest(t, served), digest(t, index))
	}
}

func TestImage_Files(t *testing.T) {
	index := packed(t, "v1")
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	content := mutate.Extract(image)
	t.Cleanup(func() { _ = content.Close() })
	got := map[string]string{}
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got["/"+h.Name] = fmt.Sprintf("%c %04o %d:%d %d", h.Typeflag, h.Mode, h.Uid, h.Gid, h.ModTime.Unix())
	}
	want := map[string]string{
		"/LICENSE":       "0 0644 0:0 0",
		"/etc":           "5 0755 0:0 0",
		"/etc/group":     "0 0644 0:0 0",
		"/etc/passwd":    "0 0644 0:0 0",
		"/etc/ssl":       "5 0755 0:0 0",
		certificates:     "0 0644 0:0 0",
		"/manager":       "0 0755 0:0 0",
		"/tmp":           "5 1777 0:0 0",
		"/etc/ssl/certs": "5 0755 0:0 0",
	}
	for path := range got { // directories with and without a slash at the end are the same
		if trimmed, ok := strings.CutSuffix(path, "/"); ok {
			got[trimmed] = got[path]
			delete(got, path)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("type, mode, owner and time of the files (-want +got):\n%s", diff)
	}
}

// The base layer has to be the same in all releases, so that registries and nodes
// store it once.
func TestImage_BaseLayerIsShared(t *testing.T) {
	layers := map[string]bool{}
	for _, index := range []v1.ImageIndex{packed(t, "v1"), packed(t, "v2")} {
		manifest, err := index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		for _, descriptor := range manifest.Manifests {
			image, err := index.Image(descriptor.Digest)
			if err != nil {
				t.Fatal(err)
			}
			m, err := image.Manifest()
			if err != nil {
				t.Fatal(err)
			}
			layers[m.Layers[0].Digest.String()] = true
		}
	}
	if len(layers) != 1 {
		t.Errorf("two releases for two platforms have the base layers %v, want one", slices.Collect(maps.Keys(layers)))
	}
}

func TestRoots_TrustedWithoutConstraint(t *testing.T) {
	names := map[string]bool{}
	count := 0
	for rest := roots(); len(rest) > 0; count++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatalf("after %d certificates comes what is not PEM", count)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		names[certificate.Subject.CommonName] = true
	}
	unconstrained := 0
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			unconstrained++
		}
	}
	if count != unconstrained {
		t.Errorf("%d certificates, want %d: one for each root without a constraint", count, unconstrained)
	}
	for _, want := range []string{"Amazon Root CA 1", "Amazon Root CA 2", "Amazon Root CA 3", "Amazon Root CA 4"} {
		if !names[want] {
			t.Errorf("%s is missing; AWS's endpoints use it", want)
		}
	}
}

func TestCheckSizes_RejectsLargeImages(t *testing.T) {
	index := packed(t, "v1")
	if err := checkSizes(index, maxSize); err != nil {
		t.Errorf("a small image is too large: %v", err)
	}
	if err := checkSizes(index, 1000); err == nil || !strings.Contains(err.Error(), "linux/amd64") {
		t.Errorf("error for a limit of 1,000 bytes is %v, want one that names the platform", err)
	}
}

func TestParse_Rejects(t *testing.T) {
	for reason, c := range map[string]struct {
		args  []string
		epoch string
		want  string
	}{
		"no image":                 {nil, "", "--image"},
		"an image with capitals":   {[]string{"--image=ghcr.io/X/Y:v1"}, "", "--image"},
		"an argument":              {[]string{"--image=x:v1", "push"}, "", `unexpected argument "push"`},
		"a date in place of epoch": {[]string{"--image=x:v1"}, "2026-01-01", "SOURCE_DATE_EPOCH"},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Setenv("SOURCE_DATE_EPOCH", c.epoch)
			if _, err := parse(c.args); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %s", err, c.want)
			}
		})
	}
}
