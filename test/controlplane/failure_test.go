package controlplane_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/podidentity/podidentity-operator/test/controlplane"
)

// holdEnv makes the test program start a control plane, name its processes, and
// wait to be killed.
const holdEnv = "CONTROLPLANE_TEST_HOLD"

func TestMain(m *testing.M) {
	if os.Getenv(holdEnv) != "" {
		os.Exit(hold())
	}
	os.Exit(m.Run())
}

func hold() int {
	cp, err := controlplane.Start(context.Background(), controlplane.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	pids, err := childPIDs()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, strings.Join(pids, " "))
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = cp.Stop()
	return 0
}

// A start that fails half way, here by a custom resource that is not there,
// leaves nothing behind.
func TestStart_FailureLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	_, err := controlplane.Start(t.Context(), controlplane.Options{CRDPaths: []string{"testdata/no-such-file.yaml"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-file.yaml") {
		t.Errorf("Start(...) = %v, want an error that names the missing file", err)
	}
	expectNothingLeft(t, tmp)
}

// A process that ends early is reported immediately, with its output.
func TestStart_ReportsOutputOfAFailedProcess(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	_, err := controlplane.Start(t.Context(), controlplane.Options{Issuer: "https://%zz"})
	for _, want := range []string{"kube-apiserver", "exit status 1", "service-account-issuer"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start(...) = %v, want an error with %q", err, want)
		}
	}
	expectNothingLeft(t, tmp)
}

// A start that takes too long is given up.
func TestStart_TimesOut(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	_, err := controlplane.Start(t.Context(), controlplane.Options{StartTimeout: time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "not ready after 1ms") {
		t.Errorf("Start(...) = %v, want a timeout", err)
	}
	expectNothingLeft(t, tmp)
}

func expectNothingLeft(t *testing.T, tmp string) {
	t.Helper()
	if left, err := childPIDs(); err != nil || len(left) != 0 {
		t.Errorf("processes %v are left, %v", left, err)
	}
	entries, err := os.ReadDir(tmp)
	if err != nil || len(entries) != 0 {
		t.Errorf("temporary files: %v, %v, want none", entries, err)
	}
}

// Nothing survives a process that is killed before it can stop anything.
func TestStart_ProcessesEndWithTheirParent(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("only Linux ties a process to its parent")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.CommandContext(t.Context(), self)
	parent.Env = append(os.Environ(), holdEnv+"=1", "TMPDIR="+t.TempDir())
	parent.Stderr = os.Stderr
	if _, err := parent.StdinPipe(); err != nil { // kept open: it waits
		t.Fatal(err)
	}
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pids := strings.Fields(line)
	if err != nil || len(pids) != 3 {
		t.Errorf("processes of the control plane: %q, %v; want 3", line, err)
	}

	if err := parent.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = parent.Wait()

	for _, pid := range pids {
		err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
			_, _, alive := status("/proc/" + pid + "/stat")
			return !alive, nil
		})
		if err != nil {
			t.Errorf("process %s survives its parent", pid)
		}
	}
}

// childPIDs returns the living processes whose parent is this one.
func childPIDs() ([]string, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var pids []string
	for _, path := range stats {
		if pid, parent, alive := status(path); alive && parent == strconv.Itoa(os.Getpid()) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// status reads a process from its stat file: pid (name) state ppid …, where the
// name may hold anything. A process that only waits to be reaped is not alive.
func status(path string) (pid, parent string, alive bool) {
	stat, err := os.ReadFile(path)
	if err != nil {
		return "", "", false
	}
	pid, rest, _ := strings.Cut(string(stat), " ")
	fields := strings.Fields(rest[strings.LastIndexByte(rest, ')')+1:])
	return pid, fields[1], fields[0] != "Z"
}
