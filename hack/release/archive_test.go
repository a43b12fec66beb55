package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var committed = time.Date(2026, 11, 26, 14, 0, 0, 0, time.FixedZone("", 3600))

// tree writes files into a new directory, with times and permissions of their own.
func tree(t *testing.T, modified time.Time, extra os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"b/run.sh": 0o700, "a.txt": 0o600} {
		target := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, []byte(name), mode|extra); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(target, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWriteArchive_SameFilesGiveSameBytes(t *testing.T) {
	for _, name := range []string{"x.tar", "x.tar.gz"} {
		var contents [][]byte
		for _, dir := range []string{tree(t, time.Unix(0, 0), 0), tree(t, time.Unix(1e9, 0), 0o044)} {
			files, err := collect(dir, "top")
			if err != nil {
				t.Fatal(err)
			}
			target := filepath.Join(t.TempDir(), name)
			if err := writeArchive(target, files, committed); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(target)
			if err != nil {
				t.Fatal(err)
			}
			contents = append(contents, content)
		}
		if !bytes.Equal(contents[0], contents[1]) {
			t.Errorf("%s depends on the times or the umask of a checkout", name)
		}
		want := map[string]string{"top/a.txt": "-rw-r--r--", "top/b/run.sh": "-rwxr-xr-x"}
		if diff := cmp.Diff(want, listed(t, name, contents[0])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// listed returns the permissions of the files of an archive, whose content is their
// path, and whose time is that of the commit.
func listed(t *testing.T, name string, content []byte) map[string]string {
	t.Helper()
	entries := map[string]string{}
	var source io.Reader = bytes.NewReader(content)
	if strings.HasSuffix(name, ".gz") {
		var err error
		if source, err = gzip.NewReader(source); err != nil {
			t.Fatal(err)
		}
	}
	for r := tar.NewReader(source); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		entries[header.Name] = header.FileInfo().Mode().String()
		if !header.ModTime.Equal(committed) {
			t.Errorf("%s: time of %s is %v, want that of the commit", name, header.Name, header.ModTime)
		}
	}
}

// A link may lead out of the checkout, to any file of the machine that builds.
func TestCollect_RejectsLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "README.md")); err != nil {
		t.Fatal(err)
	}
	if files, err := collect(dir, "."); err == nil {
		t.Errorf("collected %v", files)
	}
}

func TestWriteChecksums_AcceptedBySha256sum(t *testing.T) {
	dir := tree(t, time.Unix(0, 0), 0)
	names, err := writeChecksums(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.txt", "b/run.sh"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	program, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("sha256sum is not installed")
	}
	check := func() error {
		cmd := exec.CommandContext(t.Context(), program, "--check", "--strict", "checksums.txt")
		cmd.Dir = dir
		return cmd.Run()
	}
	if err := check(); err != nil {
		t.Errorf("sha256sum rejects correct checksums: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := check(); err == nil {
		t.Error("sha256sum accepts a changed file")
	}
}

func TestExtract_SetsTheTime(t *testing.T) {
	dir := t.TempDir()
	if err := extract(dir, []file{{name: "chart/templates/x.yaml", mode: 0o644, content: []byte("x")}}, committed); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "chart", "templates", "x.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !info.ModTime().Equal(committed) {
		t.Errorf("time is %v, want %v", info.ModTime(), committed)
	}
}
