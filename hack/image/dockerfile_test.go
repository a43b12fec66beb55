package main

import (
	"maps"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// The Dockerfile builds the image for those who have a container engine. It must
// run the same program as the same user, and describe it in the same way.
func TestDockerfile_SameConfigAsImage(t *testing.T) {
	base, err := layer(baseFiles(nil))
	if err != nil {
		t.Fatal(err)
	}
	image, err := assemble(platforms[0], base, base, labels("v1.2.3", "c0ffee"), v1.Time{}.Time)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := dockerfileConfig(t, map[string]string{"VERSION": "v1.2.3", "REVISION": "c0ffee"})
	if diff := cmp.Diff(want, config.Config); diff != "" {
		t.Errorf("config of the image (-Dockerfile +hack/image):\n%s", diff)
	}
}

// dockerfileConfig returns what the last stage of the Dockerfile sets.
func dockerfileConfig(t *testing.T, args map[string]string) v1.Config {
	t.Helper()
	file, err := os.Open("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	parsed, err := parser.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	config := v1.Config{Labels: map[string]string{}}
	declared := map[string]string{} // an ARG holds in the stage that declares it
	for _, command := range stages[len(stages)-1].Commands {
		switch c := command.(type) {
		case *instructions.ArgCommand:
			for _, arg := range c.Args {
				declared[arg.Key] = args[arg.Key]
			}
		case *instructions.LabelCommand:
			for _, label := range c.Labels {
				config.Labels[label.Key] = os.Expand(unquote(label.Value), func(name string) string { return declared[name] })
			}
		case *instructions.UserCommand:
			config.User = c.User
		case *instructions.WorkdirCommand:
			config.WorkingDir = c.Path
		case *instructions.EntrypointCommand:
			config.Entrypoint = c.CmdLine
		}
	}
	if len(declared) != len(args) {
		t.Errorf("the last stage declares the build arguments %v, want %v", declared, maps.Keys(args))
	}
	return config
}

// unquote removes the quotes that the parser leaves around a value.
func unquote(value string) string {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}
