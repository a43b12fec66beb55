package testenv_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/test/testenv"
)

func TestRoot_IsFoundFromEveryDirectoryOfTheProject(t *testing.T) {
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "PROJECT")); err != nil {
		t.Errorf("root %s is not the project: %v", root, err)
	}
	t.Chdir(filepath.Join(root, "config", "aws"))
	if again, err := testenv.Root(); err != nil || again != root {
		t.Errorf("from config/aws: %q, %v, want %q", again, err, root)
	}
	outside := t.TempDir()
	t.Chdir(outside)
	if found, err := testenv.Root(); err == nil || !strings.Contains(err.Error(), outside) {
		t.Errorf("outside of the project: %q, %v", found, err)
	}
}
