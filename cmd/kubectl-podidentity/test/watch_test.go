package plugin_test

import (
	"bufio"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func objectKey(namespace, name string) client.ObjectKey {
	return types.NamespacedName{Namespace: namespace, Name: name}
}

func mergePatch(json string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(json)) }

// status -w shows an identity, shows it again when it changes, and ends when the user
// interrupts it.
func (e *env) watch() {
	e.Helper()
	cmd := e.command(maps.Clone(e.vars), "podidentity", "status", "-n", "audit", "checkout", "-w")
	out, err := cmd.StdoutPipe()
	e.Must(err)
	e.Must(cmd.Start())
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	await := func(words string) {
		e.Helper()
		for line := range lines {
			if strings.Contains(line, words) {
				return
			}
		}
		e.Fatalf("the watch ended before it said %q", words)
	}
	await("audit/checkout  Ready")
	if r := e.kubectl(nil, "suspend", "-n", "audit", "checkout"); r.code != 0 {
		e.Fatalf("suspend ended with %d: %s", r.code, r.stderr)
	}
	await(", suspended")
	if r := e.kubectl(nil, "resume", "-n", "audit", "checkout"); r.code != 0 {
		e.Fatalf("resume ended with %d: %s", r.code, r.stderr)
	}
	e.Must(cmd.Process.Signal(syscall.SIGINT))
	for line := range lines {
		e.Log(line) // to the end of the pipe, or the command cannot end
	}
	if err := cmd.Wait(); err != nil {
		e.Errorf("an interrupted watch ends with: %v", err)
	}
}

// completion is what kubectl asks the plugin when the user presses the tab key.
func (e *env) completion() {
	e.Helper()
	script := e.kubectl(nil, "completion", "kubectl")
	if script.code != 0 {
		e.Fatalf("completion ended with %d: %s", script.code, script.stderr)
	}
	path := filepath.Join(e.bin, "kubectl_complete-podidentity")
	e.Must(os.WriteFile(path, []byte(script.stdout), 0o700))
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"podidentity", "aud"}, "audit"},
		{[]string{"podidentity", "status", "-n", "audit", ""}, "checkout"},
		{[]string{"podidentity", "suggest", "--namespace", "audit", "ch"}, "checkout"},
		{[]string{"podidentity", "orphans", "--ret"}, "--retained"},
	} {
		out, err := e.command(maps.Clone(e.vars), append([]string{"__complete"}, tc.args...)...).Output()
		e.Must(err)
		found := false
		for line := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			found = found || word == tc.want
		}
		if !found {
			e.Errorf("%q does not complete to %q:\n%s", tc.args, tc.want, out)
		}
	}
}
