package gitops_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

var application = schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Application"}

// argoCD is a running Argo CD.
type argoCD struct {
	*env
	url    string            // of its API server
	tokens map[string]string // by user
	seen   *history
}

// users of Argo CD, with their passwords. The administrator is built in.
var argoUsers = map[string]string{"admin": "administrators-password", "alice": "password-of-alice", "bob": "password-of-bob"}

// startArgoCD installs Argo CD's API and configuration, starts its programs, and logs its
// users in.
func (e *env) startArgoCD(rbac string) *argoCD {
	e.Helper()
	programs := e.programs("argocd")
	e.applyDefinitions(e.argoManifests())
	e.configureArgoCD(rbac)
	e.checkApplications()
	free, err := controlplane.FreeAddresses(10)
	e.Must(err)
	redis, repo, server := free[0], free[1], free[2]
	port := func(n int) string { _, port, _ := net.SplitHostPort(free[n]); return port }
	environment := e.argoEnvironment(programs)
	for _, p := range []controlplane.Program{
		{Name: "redis-server", Args: []string{redis}, Ready: accepts(redis)},
		{Name: "argocd-repo-server", Args: []string{
			"--disable-tls", "--address=127.0.0.1", "--port=" + port(1), "--metrics-port=" + port(3), "--redis=" + redis,
		}, Ready: accepts(repo)},
		{Name: "argocd-application-controller", Args: []string{
			"--namespace=argocd", "--kubeconfig=" + e.KubeconfigPath, "--repo-server=" + repo, "--repo-server-plaintext",
			"--redis=" + redis, "--metrics-port=" + port(4),
		}, Ready: accepts(free[4])},
		{Name: "argocd-applicationset-controller", Args: []string{
			"--namespace=argocd", "--kubeconfig=" + e.KubeconfigPath, "--argocd-repo-server=" + repo, "--repo-server-plaintext",
			"--metrics-addr=" + free[5], "--probe-addr=" + free[6], "--webhook-addr=" + free[7],
		}, Ready: accepts(free[5])},
		{Name: "argocd-server", Args: []string{
			"--insecure", "--namespace=argocd", "--kubeconfig=" + e.KubeconfigPath, "--address=127.0.0.1", "--port=" + port(2),
			"--metrics-port=" + port(8), "--repo-server=" + repo, "--repo-server-plaintext", "--redis=" + redis, "--staticassets=" + e.dir,
		}, Ready: answersOK("http://" + server + "/healthz")},
	} {
		p.Path, p.Env = filepath.Join(programs, p.Name), environment
		e.Must(e.Cluster.Run(e.Context(), p))
	}
	a := &argoCD{env: e, url: "http://" + server, tokens: map[string]string{}, seen: e.startHistory()}
	for user, password := range argoUsers {
		var answer struct{ Token string }
		if err := a.call(user, http.MethodPost, "/session", map[string]string{"username": user, "password": password}, &answer); err != nil {
			e.Fatalf("logging %s in: %v", user, err)
		}
		a.tokens[user] = answer.Token
	}
	return a
}

// argoManifests are Argo CD's CustomResourceDefinitions of the version that is built.
func (e *env) argoManifests() string {
	e.Helper()
	return e.moduleFiles("hack/argocd", "github.com/argoproj/argo-cd/v3", "manifests/crds/*-crd.yaml")
}

// moduleFiles returns YAML files of a module that a nested module requires, as one.
func (e *env) moduleFiles(nested, module, pattern string) string {
	e.Helper()
	cmd := exec.CommandContext(e.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Dir, cmd.Env = filepath.Join(e.Root, nested), append(os.Environ(), "GOWORK=off")
	dir, err := cmd.Output()
	e.Must(err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), filepath.FromSlash(pattern)))
	e.Must(err)
	var all strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		e.Must(err)
		all.WriteString("\n---\n" + string(content))
	}
	if all.Len() == 0 {
		e.Fatalf("%s of %s in %q: no files", pattern, module, dir)
	}
	return all.String()
}

// configureArgoCD creates what an installation of Argo CD consists of, and then adds to
// it what docs/gitops.md tells users to.
func (e *env) configureArgoCD(rbac string) {
	e.Helper()
	labels := map[string]string{"app.kubernetes.io/part-of": "argocd"}
	object := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "argocd", Name: name, Labels: labels}
	}
	secret := map[string]string{"server.secretkey": "a key of this test"}
	for user, password := range argoUsers {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		e.Must(err)
		key := "accounts." + user + ".password"
		if user == "admin" {
			key = "admin.password"
		}
		secret[key] = string(hash)
	}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "argocd"}},
		&corev1.ConfigMap{ObjectMeta: object("argocd-cm"), Data: map[string]string{"accounts.alice": "login", "accounts.bob": "login"}},
		&corev1.ConfigMap{ObjectMeta: object("argocd-rbac-cm"), Data: map[string]string{"policy.csv": rbac}},
		&corev1.Secret{ObjectMeta: object("argocd-secret"), StringData: secret},
	} {
		e.Must(e.Client.Create(e.Context(), o))
	}
	e.apply(`{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: default, namespace: argocd}, spec: {
		sourceRepos: ["*"], destinations: [{server: "*", namespace: "*"}], clusterResourceWhitelist: [{group: "*", kind: "*"}]}}`)
	e.followDocs("argocd-cm")
	var installed corev1.ConfigMap
	e.Must(e.Client.Get(e.Context(), client.ObjectKey{Namespace: "argocd", Name: "argocd-cm"}, &installed))
	want := []string{
		"accounts.alice", "accounts.bob", "resource.customizations.actions.iam.podidentity.io_PodIdentity",
		"resource.customizations.health.argoproj.io_Application", "resource.customizations.health.iam.podidentity.io_PodIdentity",
	}
	if got := slices.Sorted(maps.Keys(installed.Data)); !slices.Equal(got, want) {
		e.Errorf("argocd-cm has the keys %q, want %q", got, want)
	}
}

// followDocs runs the commands of docs/gitops.md that mention a text.
func (e *env) followDocs(mention string) {
	e.Helper()
	commands := 0
	for _, script := range e.blocks("sh") {
		for command := range strings.Lines(strings.ReplaceAll(script, "\\\n", "")) {
			if fields := strings.Fields(command); len(fields) > 0 && fields[0] == "kubectl" && strings.Contains(command, mention) {
				e.MustKubectl("", fields[1:]...)
				commands++
			}
		}
	}
	if commands == 0 {
		e.Fatalf("docs/gitops.md has no command about %s", mention)
	}
}

// argoEnvironment is that of Argo CD's programs: outside of a cluster, and without the
// configuration of this machine's user.
func (e *env) argoEnvironment(programs string) []string {
	e.Helper()
	home := filepath.Join(e.dir, "argocd")
	e.Must(os.MkdirAll(filepath.Join(home, "tmp"), 0o755))
	return controlplane.Environ(map[string]string{
		"ARGOCD_FAKE_IN_CLUSTER": "true", "ARGOCD_GPG_ENABLED": "false", "KUBECONFIG": e.KubeconfigPath,
		"HOME": home, "TMPDIR": filepath.Join(home, "tmp"), "PATH": programs + string(filepath.ListSeparator) + os.Getenv("PATH"),
	})
}

// call calls Argo CD's REST API as a user.
func (a *argoCD) call(user, method, path string, body, answer any) error {
	a.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(a.Context(), method, a.url+"/api/v1"+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+a.tokens[user])
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	said, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s (%w)", method, path, response.Status, said, err)
	}
	return json.Unmarshal(said, answer)
}

// run runs an action on a PodIdentity of Application shop, as a click of the user does.
func (a *argoCD) run(user, action, identity string) error {
	a.Helper()
	return a.call(user, http.MethodPost, "/applications/shop/resource/actions/v2", map[string]string{
		"name": "shop", "appNamespace": "argocd", "namespace": "shop", "resourceName": identity,
		"group": "iam.podidentity.io", "version": "v1alpha1", "kind": "PodIdentity", "action": action,
	}, &struct{}{})
}

// offered returns the actions that Argo CD offers for a PodIdentity, and whether each is
// disabled.
func (a *argoCD) offered(identity string) map[string]bool {
	a.Helper()
	query := url.Values{
		"namespace": {"shop"}, "resourceName": {identity}, "group": {"iam.podidentity.io"}, "version": {"v1alpha1"}, "kind": {"PodIdentity"},
	}
	var answer struct {
		Actions []struct {
			Name     string
			Disabled bool
		}
	}
	a.Must(a.call("admin", http.MethodGet, "/applications/shop/resource/actions?"+query.Encode(), nil, &answer))
	actions := map[string]bool{}
	for _, action := range answer.Actions {
		actions[action.Name] = action.Disabled
	}
	return actions
}

// node is an object in the tree that Argo CD shows of an Application.
type node struct {
	Kind, Name string
	ParentRefs []struct{ Kind, Name string }
	Health     struct{ Status, Message string }
}

// node returns an object of the tree of an Application; the zero value if it is not there.
func (a *argoCD) node(app, kind, name string) node {
	a.Helper()
	var tree struct{ Nodes []node }
	a.Must(a.call("admin", http.MethodGet, "/applications/"+app+"/resource-tree", nil, &tree))
	for _, n := range tree.Nodes {
		if n.Kind == kind && n.Name == name {
			return n
		}
	}
	return node{}
}

// accepts returns a check that a server accepts connections.
func accepts(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return connection.Close()
	}
}

// answersOK returns a check that a URL answers with 200 OK.
func answersOK(address string) func(context.Context) error {
	return func(ctx context.Context) error { return testenv.GetOK(ctx, address) }
}

// logOf returns what a program has said.
func (e *env) logOf(program string) string {
	content, err := os.ReadFile(filepath.Join(e.dir, "logs", program+".log"))
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// A sight is a status of an Application at some time.
type sight struct{ App, Sync, Health string }

// history is every status of every Application, in order.
type history struct {
	mu     sync.Mutex
	sights []sight
}

// startHistory watches the Applications until the test ends.
func (e *env) startHistory() *history {
	e.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(application)
	ctx, stop := context.WithCancel(context.WithoutCancel(e.Context()))
	watch, err := e.Client.Watch(ctx, list, client.InNamespace("argocd"))
	e.Must(err)
	h, ended := &history{}, make(chan struct{})
	go func() {
		defer close(ended)
		for event := range watch.ResultChan() {
			if u, ok := event.Object.(*unstructured.Unstructured); ok {
				h.mu.Lock()
				h.sights = append(h.sights, sightOf(u))
				h.mu.Unlock()
			}
		}
	}()
	e.Cleanup(func() { watch.Stop(); stop(); <-ended })
	return h
}

func sightOf(app *unstructured.Unstructured) sight {
	return sight{app.GetName(), text(app, "status", "sync", "status"), text(app, "status", "health", "status")}
}

// since returns what was seen after so many statuses, and how many there are now.
func (h *history) since(n int) ([]sight, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]sight(nil), h.sights[n:]...), len(h.sights)
}

// text returns a field of an object; empty if it is not there.
func text(u *unstructured.Unstructured, path ...string) string {
	if u == nil {
		return ""
	}
	value, _, _ := unstructured.NestedString(u.Object, path...)
	return value
}

// now is the time as annotations have it.
func now() string { return time.Now().UTC().Format(time.RFC3339) }
