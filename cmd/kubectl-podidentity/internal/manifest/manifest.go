// Package manifest reads Kubernetes objects from files, directories, standard input
// and kustomizations, as kubectl does, without a cluster.
package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// maxFile is the greatest size of a file. An API server accepts no object of more than
// 3 MiB, and a file may hold many.
const maxFile = 64 << 20

// Source names where objects come from.
type Source struct {
	Files     []string // files, directories, and - for standard input
	Kustomize string   // a directory with a kustomization
	Recursive bool     // also read the directories in directories
}

// Object is a Kubernetes object and the file that it is in.
type Object struct {
	File string
	*unstructured.Unstructured
}

// Fault is a document that is not a Kubernetes object.
type Fault struct {
	File    string
	Message string
}

// Read returns the objects of a source, in their order, and the documents that cannot
// be read. Documents without apiVersion and kind are not objects, and are skipped. The
// error reports that a file cannot be read at all.
func Read(in io.Reader, s Source) ([]Object, []Fault, error) {
	var r reader
	for _, name := range s.Files {
		if err := r.path(in, name, s.Recursive); err != nil {
			return nil, nil, err
		}
	}
	if s.Kustomize != "" {
		if err := r.kustomize(s.Kustomize); err != nil {
			return nil, nil, err
		}
	}
	return r.objects, r.faults, nil
}

// ReadFile returns a file as it is; - is standard input.
func ReadFile(in io.Reader, name string) ([]byte, error) {
	if name == "" {
		return nil, errors.New("--filename must be set")
	}
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // read only
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > maxFile:
		return nil, fmt.Errorf("%s is larger than %d MiB", name, maxFile>>20)
	default:
		return raw, nil
	}
}

// Unstructured returns the objects without their files.
func Unstructured(objects []Object) []*unstructured.Unstructured {
	out := make([]*unstructured.Unstructured, len(objects))
	for i, o := range objects {
		out[i] = o.Unstructured
	}
	return out
}

type reader struct {
	objects []Object
	faults  []Fault
}

// path reads a file, the files of a directory, or standard input.
func (r *reader) path(in io.Reader, name string, recursive bool) error {
	if name == "-" {
		return r.stream("-", in)
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return r.file(name)
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(name, entry.Name())
		switch {
		case entry.IsDir() && recursive:
			err = r.path(in, path, recursive)
		case !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
			err = r.file(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) file(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	return r.stream(name, f)
}

func (r *reader) kustomize(dir string) error {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return fmt.Errorf("kustomization %s: %w", dir, err)
	}
	raw, err := resources.AsYaml()
	if err != nil {
		return fmt.Errorf("kustomization %s: %w", dir, err)
	}
	return r.stream(dir, bytes.NewReader(raw))
}

// stream reads the documents of a file.
func (r *reader) stream(name string, in io.Reader) error {
	limited := &io.LimitedReader{R: in, N: maxFile + 1}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(limited))
	for {
		raw, err := documents.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case limited.N == 0:
			return fmt.Errorf("%s is larger than %d MiB", name, maxFile>>20)
		case err != nil:
			return err
		}
		if err := r.document(name, raw); err != nil {
			r.faults = append(r.faults, Fault{File: name, Message: err.Error()})
		}
	}
}

// document reads one document. A key that occurs twice is an error: the API server
// would take the last one.
func (r *reader) document(name string, raw []byte) error {
	var object map[string]any
	if err := yaml.UnmarshalStrict(raw, &object); err != nil {
		return fmt.Errorf("not a YAML object: %w", err)
	}
	u := &unstructured.Unstructured{Object: object}
	if u.GetKind() == "" || u.GetAPIVersion() == "" {
		return nil
	}
	if _, err := schema.ParseGroupVersion(u.GetAPIVersion()); err != nil {
		return fmt.Errorf("apiVersion: %w", err)
	}
	if u.IsList() {
		return r.list(name, u)
	}
	r.objects = append(r.objects, Object{File: name, Unstructured: u})
	return nil
}

func (r *reader) list(name string, u *unstructured.Unstructured) error {
	items, _, err := unstructured.NestedSlice(u.Object, "items")
	if err != nil {
		return err
	}
	for _, item := range items {
		raw, err := yaml.Marshal(item)
		if err != nil {
			return err
		}
		if err := r.document(name, raw); err != nil {
			return err
		}
	}
	return nil
}
