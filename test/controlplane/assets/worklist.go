package assets

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// packageFields are the fields of `go list` that a worklist is made of. Without
// EmbedFiles, packages that embed files would be listed as stale when they are not.
const packageFields = "ImportPath,Dir,GoFiles,CgoFiles,EmbedFiles,Stale,DepOnly"

// perPackage is what a package costs to compile, in bytes of source, however
// small it is: a process is started, and the export data of its imports read.
const perPackage = 20_000

// A worklist lists the packages to compile. Its weights are roughly
// proportional to the time a package takes.
type worklist struct {
	all    int              // packages in the program
	main   string           // compiled last, and then linked
	weight map[string]int64 // by import path, of what is not in Go's build cache
	total  int64            // sum of weight
	whole  int64            // what total would be with an empty cache
}

// newWorklist reads the output of `go list -deps -json`.
func newWorklist(list io.Reader) (*worklist, error) {
	w := &worklist{weight: map[string]int64{}}
	for dec := json.NewDecoder(list); ; {
		var p struct {
			ImportPath, Dir   string
			GoFiles, CgoFiles []string
			Stale, DepOnly    bool
		}
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return w, nil
		}
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		weight := int64(perPackage)
		for _, name := range append(p.GoFiles, p.CgoFiles...) {
			if info, err := os.Stat(filepath.Join(p.Dir, name)); err == nil {
				weight += info.Size()
			}
		}
		w.all++
		w.whole += weight
		if !p.DepOnly {
			w.main = p.ImportPath
		}
		if p.Stale {
			w.weight[p.ImportPath] = weight
			w.total += weight
		}
	}
}
