package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"io"
	"io/fs"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// certificates is the first of the files that crypto/x509 looks for on Linux.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// A file is a regular file of an image, or a directory if its path ends with a
// slash. Its owner is root.
type file struct {
	path    string
	mode    fs.FileMode
	content []byte
}

// baseFiles are the files of an image other than the operator: no shell and no
// package manager. They are the same for all platforms, and change with the
// license and the root certificates only, so that their layer is stored once.
func baseFiles(license []byte) []file {
	return []file{
		{path: "/LICENSE", mode: 0o644, content: license},
		{path: "/etc/", mode: 0o755},
		{path: "/etc/group", mode: 0o644, content: []byte("root:x:0:\nnonroot:x:65532:\n")},
		{path: "/etc/passwd", mode: 0o644, content: []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
		{path: "/etc/ssl/", mode: 0o755},
		{path: "/etc/ssl/certs/", mode: 0o755},
		{path: certificates, mode: 0o644, content: roots()},
		{path: "/tmp/", mode: 0o777 | fs.ModeSticky},
	}
}

// roots returns Mozilla's root certificates in PEM. Those that Mozilla trusts under
// a constraint are left out: PEM cannot express the constraint.
func roots() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return out.Bytes()
}

// layer returns a layer of files. All times in it are the Unix epoch, so that the
// same files give the same layer.
func layer(files []file) (v1.Layer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, f := range files {
		if err := w.WriteHeader(header(f)); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }
	return tarball.LayerFromOpener(open,
		tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithCompressedCaching, tarball.WithMediaType(types.OCILayer))
}

func header(f file) *tar.Header {
	h := &tar.Header{
		Typeflag: tar.TypeReg,
		Name:     strings.TrimPrefix(f.path, "/"),
		Size:     int64(len(f.content)),
		Mode:     int64(f.mode.Perm()),
		ModTime:  time.Unix(0, 0),
		Format:   tar.FormatUSTAR,
	}
	if strings.HasSuffix(f.path, "/") {
		h.Typeflag = tar.TypeDir
	}
	if f.mode&fs.ModeSticky != 0 {
		h.Mode |= 0o1000 // the bit of S_ISVTX, which fs.FileMode has in another place
	}
	return h
}
