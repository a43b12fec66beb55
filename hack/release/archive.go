package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// A file of an archive.
type file struct {
	name    string // with slashes
	mode    fs.FileMode
	content []byte
}

// collect returns the files of a directory, in the order of their names, below
// another name. It follows no links.
func collect(dir, name string) ([]file, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // it was only read
	var files []file
	err = fs.WalkDir(root.FS(), ".", func(p string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file, which a release cannot have", filepath.Join(dir, p))
		}
		content, err := root.ReadFile(p)
		files = append(files, file{name: path.Join(name, p), mode: permissions(info.Mode()), content: content})
		return err
	})
	return files, err
}

// permissions are the same whatever the umask of the checkout was.
func permissions(mode fs.FileMode) fs.FileMode {
	if mode&0o100 != 0 {
		return 0o755
	}
	return 0o644
}

// writeArchive writes files into an archive, in the format of its name. The same
// files and time give the same archive.
func writeArchive(target string, files []file, modified time.Time) error {
	var out bytes.Buffer
	var err error
	if strings.HasSuffix(target, ".gz") {
		compressed, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is valid
		err = errors.Join(writeTar(compressed, files, modified), compressed.Close())
	} else {
		err = writeTar(&out, files, modified)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", target, err)
	}
	return os.WriteFile(target, out.Bytes(), 0o644)
}

func writeTar(out io.Writer, files []file, modified time.Time) error {
	w := tar.NewWriter(out)
	for _, f := range files {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: f.name, Mode: int64(f.mode.Perm()), Size: int64(len(f.content)),
			ModTime: modified.Truncate(time.Second), Format: tar.FormatPAX,
		}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := w.Write(f.content); err != nil {
			return err
		}
	}
	return w.Close()
}

// extract writes files below a directory, with a time.
func extract(dir string, files []file, modified time.Time) error {
	for _, f := range files {
		target := filepath.Join(dir, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, f.content, f.mode); err != nil {
			return err
		}
		if err := os.Chtimes(target, modified, modified); err != nil {
			return err
		}
	}
	return nil
}

// writeChecksums writes the SHA-256 of all files of a directory, as `sha256sum
// --check` reads them, and returns their names.
func writeChecksums(dir string) ([]string, error) {
	files, err := collect(dir, ".")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	var names []string
	for _, f := range files {
		fmt.Fprintf(&out, "%x  %s\n", sha256.Sum256(f.content), f.name)
		names = append(names, f.name)
	}
	return names, os.WriteFile(filepath.Join(dir, "checksums.txt"), out.Bytes(), 0o644)
}
