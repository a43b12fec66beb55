// Package walkthrough_test does what pages of the documentation tell their readers to
// do, block by block, with kubectl on a real control plane and with the AWS CLI on the
// AWS endpoint of the tests.
package walkthrough_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/go-logr/logr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/docs"
	"github.com/podidentity/podidentity-operator/test/installation"
)

const (
	root    = "../../.."
	account = "123456789012"
	region  = "eu-west-1"
	// issuer is that of the pages; the control plane has its own.
	issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"
)

// A reader who copies the blocks of the guide, one after the other, gets what it says.
func TestGettingStartedEKS_CanBeFollowed(t *testing.T) {
	w := open(t)
	page := w.pages()["docs/getting-started-eks.md"]
	w.sh("aws eks create-cluster --name prod-eu --role-arn arn:aws:iam::123456789012:role/eks --resources-vpc-config subnetIds=subnet-1,subnet-2")
	ran, pending := 0, false
	for _, block := range page.Blocks {
		text := strings.ReplaceAll(block.Text, issuer, w.cluster.Issuer)
		switch block.Language {
		case "yaml":
			w.write("checkout.yaml", text)
			pending = true
		case "sh":
			if pending && !strings.Contains(text, "kubectl apply") { // the text says to apply it
				w.kubectl("apply", "--filename=checkout.yaml")
			}
			pending = false
			if !w.follow(page.Path, block.Line, text) {
				continue
			}
			ran++
			if strings.Contains(text, "create-open-id-connect-provider") { // step 2 of the page
				granted, err := w.installation().Grant(t.Context(), w.iam)
				w.must(err)
				w.startOperator(granted.Role, granted.Boundary)
			}
		}
	}
	if ran < 5 {
		t.Errorf("only %d blocks were run", ran)
	}
	roles, err := w.iam.ListRoles(t.Context(), &iam.ListRolesInput{PathPrefix: aws.String("/podidentity/")})
	if err != nil || len(roles.Roles) != 0 {
		t.Errorf("roles that the guide leaves: %v, %v", roles, err)
	}
}

// Every shell block of every other page runs where the identity of the guide exists,
// unless it needs what is not here. The operator's own role is made by the commands of
// config/aws.
func TestShell_BlocksOfAllPagesRun(t *testing.T) {
	w := open(t)
	all := w.pages()
	w.must(os.Symlink(absolute(t, filepath.Join(root, "config")), filepath.Join(w.dir, "config")))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(w.dir, "kubectl-podidentity"), "./cmd/kubectl-podidentity")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the plugin: %v\n%s", err, out)
	}

	const own = "config/aws/README.md"
	for _, block := range all[own].Blocks {
		if block.Language == "sh" {
			w.follow(own, block.Line, block.Text)
		}
	}
	role := w.kubectl("get", "serviceaccount", installation.ServiceAccount, "--namespace="+installation.Namespace, `--output=jsonpath={.metadata.annotations.eks\.amazonaws\.com/role-arn}`)
	w.startOperator(role, "arn:aws:iam::"+account+":policy/podidentity-boundary")
	w.createIdentities(all["docs/getting-started-eks.md"])

	ran := 0
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if path == own || path == "docs/getting-started-eks.md" {
			continue
		}
		for _, block := range all[path].Blocks {
			if block.Language == "sh" && w.follow(path, block.Line, block.Text) {
				ran++
			}
		}
	}
	t.Logf("%d blocks were run", ran)
	if ran < 15 {
		t.Errorf("only %d blocks were run", ran)
	}
}

// createIdentities creates the identity of the guide, and one that is rejected, which
// examples look for.
func (w *world) createIdentities(guide docs.Page) {
	w.Helper()
	for _, block := range guide.Blocks {
		if block.Language == "yaml" {
			w.write("checkout.yaml", block.Text)
			break
		}
	}
	w.write("rejected.yaml", `
apiVersion: iam.podidentity.io/v1alpha1
kind: PodIdentity
metadata: {name: rejected, namespace: default}
spec: {policies: {inline: [{name: all, statements: [{effect: Allow, actions: ["iam:*"], resources: ["*"]}]}]}}
`)
	w.sh(`kubectl apply -f checkout.yaml -f rejected.yaml
		kubectl wait -n shop podid/checkout --for=condition=Ready --timeout=2m
		kubectl wait podid/rejected --for=condition=Stalled --timeout=2m`)
}

// elsewhere are commands that need what is not here.
var elsewhere = []struct{ command, reason string }{
	{"eksctl ", "it needs EKS; pages name it as what the operator replaces"},
	{"kubectl exec", noNodes},
	{"kubectl run ", noNodes},
	{"kubectl logs", noNodes},
	{"kubectl get deployment", noNodes},
	{"kubectl rollout", noNodes},
	{"helm ", "test/chart installs, upgrades and uninstalls the chart with the Helm library"},
	{"make ", "targets are run by CI or by hand; another test checks that they exist"},
	{"go install", "it installs what is released"},
	{"./cmd/awslocal", "the endpoint is running here already"},
	{"curl ", "it asks a server that is not here"},
	{"aws cloudformation", "the endpoint is IAM, STS and EKS; tests check the template itself"},
	{"aws cloudtrail", "the endpoint is IAM, STS and EKS"},
	{"aws s3", "the endpoint is IAM, STS and EKS"},
	{"terraform ", "it needs a state of its own"},
	{"iam.services.k8s.aws", "it needs the controllers of ACK"},
	{"OLD_ROLE", "it has a placeholder"},
	{"podidentity audit", verb},
	{"podidentity doctor", verb},
	{"podidentity import", verb},
	{"podidentity orphans", verb},
	{"podidentity plan", verb},
	{"podidentity reconcile", verb},
	{"podidentity restart", verb},
	{"podidentity resume", verb},
	{"podidentity status", verb},
	{"podidentity suggest", verb},
	{"podidentity suspend", verb},
	{"podidentity verify", verb},
	{"podidentity version", verb},
	{"podidentity why", verb},
	{"argocd", "Argo CD is not here; tests of the controllers run its scripts"},
	{"samples/catalog", "test/catalog and test/manifests apply the catalog"},
	{"completion kubectl", "it writes into the user's home"},
	{"https://prod-eu-oidc.s3", "the issuer of the page does not exist"},
	{"kubectl delete crd", "it removes the API"},
	{"AWS_ENDPOINT_URL=http://127.0.0.1:4566", "the endpoint of the page does not run; test/awslocal runs the AWS CLI"},
}

const (
	verb    = "the plugin's own tests run its verbs, on states that this cluster is not in"
	noNodes = "there are no nodes; the operator runs as a process, and test/webhook stands for a pod"
)

// follow runs a block, unless it needs what is not here. It reports whether it did.
func (w *world) follow(path string, line int, script string) bool {
	w.Helper()
	for _, e := range elsewhere {
		if strings.Contains(script, e.command) {
			w.Logf("%s:%d: not run: %q: %s", path, line, e.command, e.reason)
			return false
		}
	}
	w.Logf("%s:%d:\n%s%s", path, line, script, w.sh(script))
	return true
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// The issuer of an EKS cluster looks as in the guide.
func (w *world) checkIssuer(said string) {
	w.Helper()
	if form := regexp.MustCompile(`^https://oidc\.eks\.` + region + `\.amazonaws\.com/id/[0-9A-F]{32}$`); !form.MatchString(strings.TrimSpace(said)) {
		w.Errorf("issuer %q", said)
	}
}

// pages returns the pages of the repository by path.
func (w *world) pages() map[string]docs.Page {
	w.Helper()
	list, err := docs.Read(root)
	w.must(err)
	pages := map[string]docs.Page{}
	for _, page := range list {
		pages[page.Path] = page
	}
	return pages
}

// world is a cluster with the API installed, and an AWS account.
type world struct {
	*testing.T
	cluster *controlplane.ControlPlane
	iam     *iam.Client
	aws     string // URL of the endpoint
	dir     string // of the reader
}

func open(t *testing.T) *world {
	t.Helper()
	for _, program := range []string{"aws", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not on the PATH, so that the blocks of the pages cannot be run", program)
		}
	}
	logf.SetLogger(logr.Discard())
	w := &world{T: t, dir: t.TempDir()}
	var err error
	w.cluster, err = controlplane.Start(t.Context(), controlplane.Options{})
	w.must(err)
	t.Cleanup(func() { w.must(w.cluster.Stop()) })
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.cluster.CAData)
	server := httptest.NewServer(awslocal.New(awslocal.Options{
		Seed: 1, Account: account, Region: region, RootCAs: pool, Authorize: true, AccessKeys: map[string]string{"local": "local"},
	}))
	t.Cleanup(server.Close)
	w.aws = server.URL
	w.iam = iam.NewFromConfig(aws.Config{
		Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	w.must(w.installation().Apply(t.Context(), w.cluster))
	w.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/podidentities.iam.podidentity.io", "crd/podidentityguardrails.iam.podidentity.io")
	return w
}

func (w *world) installation() installation.Installation {
	return installation.Installation{Root: root, Cluster: "prod-eu", AccountID: account, Issuer: w.cluster.Issuer}
}

// startOperator starts the operator's binary as it is installed.
func (w *world) startOperator(role, boundary string) {
	w.Helper()
	binary := filepath.Join(w.TempDir(), "manager")
	w.must(installation.Build(w.Context(), root, binary))
	user, err := client.New(w.cluster.Config, client.Options{Scheme: clientgoscheme.Scheme})
	w.must(err)
	kubeconfig, token := filepath.Join(w.TempDir(), "kubeconfig"), filepath.Join(w.TempDir(), "token")
	w.must(w.cluster.WriteKubeconfig(kubeconfig, installation.User()))
	w.must(installation.WriteToken(w.Context(), user, installation.Account(), token))
	env := installation.Credentials(role, token, region, w.aws)
	env["KUBECONFIG"] = kubeconfig
	free, err := controlplane.FreeAddresses(1)
	w.must(err)
	w.must(w.cluster.Run(w.Context(), controlplane.Program{
		Name: "operator",
		Path: binary,
		Args: []string{
			"--cluster-name=prod-eu", "--permissions-boundary=" + boundary, "--leader-election-namespace=" + installation.Namespace,
			"--iam-propagation-delay=1s", "--health-probe-bind-address=" + free[0], "--metrics-bind-address=0",
		},
		Env:   controlplane.Environ(env),
		Ready: func(ctx context.Context) error { return get(ctx, "http://"+free[0]+"/readyz") },
	}))
}

func (w *world) write(name, content string) {
	w.Helper()
	w.must(os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600))
}

// sh runs a script as a reader's shell does, which stops at no error but reports the
// last; here the first is fatal.
func (w *world) sh(script string) string {
	w.Helper()
	return w.run(exec.CommandContext(w.Context(), "bash", "-euo", "pipefail", "-c", script))
}

func (w *world) kubectl(args ...string) string {
	w.Helper()
	return w.run(exec.CommandContext(w.Context(), filepath.Join(w.cluster.AssetsDir, "kubectl"), args...))
}

// run runs a command with the reader's kubeconfig and AWS profile.
func (w *world) run(cmd *exec.Cmd) string {
	w.Helper()
	cmd.Dir = w.dir
	cmd.Env = controlplane.Environ(map[string]string{
		"PATH": strings.Join([]string{w.dir, w.cluster.AssetsDir, os.Getenv("PATH")}, string(os.PathListSeparator)), "KUBECONFIG": w.cluster.KubeconfigPath, "HOME": w.dir,
		"AWS_ENDPOINT_URL": w.aws, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_PAGER": "",
	})
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		w.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, stdout.String(), stderr.String())
	}
	if strings.Contains(strings.Join(cmd.Args, " "), "cluster.identity.oidc.issuer") {
		w.checkIssuer(stdout.String())
	}
	return stdout.String()
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// get returns nil if the answer is 200 OK.
func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // nothing was read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return nil
}
