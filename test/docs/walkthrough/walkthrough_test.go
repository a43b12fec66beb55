// Package walkthrough_test does what pages of the documentation tell their readers to
// do, block by block, with kubectl on a real control plane and with the AWS CLI on the
// AWS endpoint of the tests.
package walkthrough_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/docs"
	"github.com/podidentity/podidentity-operator/test/installation"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

const (
	clusterName = "prod-eu"
	region      = "eu-west-1"
	// issuer is that of the pages; the control plane has its own.
	issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"
)

// A reader who copies the blocks of the guide, one after the other, gets what it says.
func TestGettingStartedEKS_CanBeFollowed(t *testing.T) {
	e := newEnv(t)
	page := e.pages()["docs/getting-started-eks.md"]
	e.sh("aws eks create-cluster --name prod-eu --role-arn arn:aws:iam::123456789012:role/eks --resources-vpc-config subnetIds=subnet-1,subnet-2")
	ran, pending := 0, false
	for _, block := range page.Blocks {
		text := strings.ReplaceAll(block.Text, issuer, e.Issuer)
		switch block.Language {
		case "yaml":
			e.write("checkout.yaml", text)
			pending = true
		case "sh":
			if pending && !strings.Contains(text, "kubectl apply") { // the text says to apply it
				e.kubectl("apply", "--filename=checkout.yaml")
			}
			pending = false
			if !e.follow(page.Path, block.Line, text) {
				continue
			}
			ran++
			if strings.Contains(text, "create-open-id-connect-provider") { // step 2 of the page
				granted, err := e.Installation(clusterName).Grant(t.Context(), e.AWS.IAM)
				e.Must(err)
				e.startOperator(granted.Role, granted.Boundary)
			}
		}
	}
	if ran < 5 {
		t.Errorf("only %d blocks were run", ran)
	}
	roles, err := e.AWS.IAM.ListRoles(t.Context(), &iam.ListRolesInput{PathPrefix: aws.String("/podidentity/")})
	if err != nil || len(roles.Roles) != 0 {
		t.Errorf("roles that the guide leaves: %v, %v", roles, err)
	}
}

// selfHosted is the issuer of the page about clusters other than EKS.
const selfHosted = "https://prod-eu-oidc.s3.eu-west-1.amazonaws.com"

// So does a reader of the guide for other clusters, who pastes all blocks into one shell:
// the bucket holds what the API server publishes, the public may read that and nothing
// else, and IAM has the provider. A directory takes the place of S3.
func TestGettingStartedSelfHosted_CanBeFollowed(t *testing.T) {
	e := newEnv(t)
	page := e.pages()["docs/getting-started-self-hosted.md"]
	buckets := e.replaceS3()
	t.Setenv("CURL_CA_BUNDLE", e.CAFile)
	var script strings.Builder
	for _, block := range page.Blocks {
		if block.Language == "sh" {
			script.WriteString(strings.ReplaceAll(block.Text, selfHosted, e.Issuer))
		}
	}
	t.Logf("%s:\n%s", page.Path, e.sh(script.String()))

	var discovery struct {
		Issuer string `json:"issuer"`
	}
	e.Must(json.Unmarshal(e.read(buckets+"/prod-eu-oidc/.well-known/openid-configuration"), &discovery))
	if discovery.Issuer != e.Issuer {
		t.Errorf("the bucket holds the discovery document of %q, want %q", discovery.Issuer, e.Issuer)
	}
	if keys := string(e.read(buckets + "/prod-eu-oidc/openid/v1/jwks")); !strings.Contains(keys, `"kid"`) {
		t.Errorf("the bucket holds the keys %s", keys)
	}
	var policy struct{ Statement []struct{ Resource []string } }
	e.Must(json.Unmarshal(e.read(buckets+"/policy"), &policy))
	want := []string{"arn:aws:s3:::prod-eu-oidc/.well-known/openid-configuration", "arn:aws:s3:::prod-eu-oidc/openid/v1/jwks"}
	if len(policy.Statement) != 1 || !slices.Equal(policy.Statement[0].Resource, want) {
		t.Errorf("the public may read %+v, want %q", policy.Statement, want)
	}
	providers, err := e.AWS.IAM.ListOpenIDConnectProviders(t.Context(), &iam.ListOpenIDConnectProvidersInput{})
	e.Must(err)
	if list := providers.OpenIDConnectProviderList; len(list) != 1 || !strings.HasSuffix(aws.ToString(list[0].Arn), strings.TrimPrefix(e.Issuer, "https://")) {
		t.Errorf("IAM has the providers %v, want that of %s", list, e.Issuer)
	}
}

// replaceS3 lets a directory take the place of S3 for the AWS CLI, and returns it. The
// policy of a bucket is in the file policy.
func (e *env) replaceS3() string {
	e.Helper()
	cli, err := exec.LookPath("aws")
	e.Must(err)
	buckets := e.TempDir()
	e.write("aws", strings.NewReplacer("BUCKETS", buckets, "CLI", cli).Replace(`#!/bin/bash
case "$1 $2" in
"s3 cp") mkdir -p "$(dirname "BUCKETS/${4#s3://}")" && cp "$3" "BUCKETS/${4#s3://}" ;;
"s3api put-bucket-policy") echo "${@: -1}" >BUCKETS/policy ;;
"s3api create-bucket" | "s3api put-public-access-block") ;;
*) exec CLI "$@" ;;
esac
`))
	e.Must(os.Chmod(filepath.Join(e.dir, "aws"), 0o755))
	return buckets
}

func (e *env) read(file string) []byte {
	e.Helper()
	content, err := os.ReadFile(file)
	e.Must(err)
	return content
}

// Every shell block of every other page runs where the identity of the guide exists,
// unless it needs what is not here. The operator's own role is made by the commands of
// config/aws.
func TestShell_BlocksOfAllPagesRun(t *testing.T) {
	e := newEnv(t)
	all := e.pages()
	e.Must(os.Symlink(filepath.Join(e.Root, "config"), filepath.Join(e.dir, "config")))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(e.dir, "kubectl-podidentity"), "./cmd/kubectl-podidentity")
	build.Dir = e.Root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the plugin: %v\n%s", err, out)
	}

	const own = "config/aws/README.md"
	for _, block := range all[own].Blocks {
		if block.Language == "sh" {
			e.follow(own, block.Line, block.Text)
		}
	}
	role := e.kubectl("get", "serviceaccount", installation.ServiceAccount, "--namespace="+installation.Namespace, `--output=jsonpath={.metadata.annotations.eks\.amazonaws\.com/role-arn}`)
	e.startOperator(role, "arn:aws:iam::"+testenv.AccountID+":policy/podidentity-boundary")
	e.createIdentities(all["docs/getting-started-eks.md"])

	ran := 0
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if path == own || strings.HasPrefix(path, "docs/getting-started-") { // which other tests follow
			continue
		}
		for _, block := range all[path].Blocks {
			if block.Language == "sh" && e.follow(path, block.Line, block.Text) {
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
func (e *env) createIdentities(guide docs.Page) {
	e.Helper()
	for _, block := range guide.Blocks {
		if block.Language == "yaml" {
			e.write("checkout.yaml", block.Text)
			break
		}
	}
	e.write("rejected.yaml", `
apiVersion: iam.podidentity.io/v1alpha1
kind: PodIdentity
metadata: {name: rejected, namespace: default}
spec: {policies: {inline: [{name: all, statements: [{effect: Allow, actions: ["iam:*"], resources: ["*"]}]}]}}
`)
	e.sh(`kubectl apply -f checkout.yaml -f rejected.yaml
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
	{"terraform ", "it needs a state of its own"},
	{"iam.services.k8s.aws", "it needs the controllers of ACK"},
	{"OLD_ROLE", "it has a placeholder"},
	{"podidentity audit", plugin},
	{"podidentity doctor", plugin},
	{"podidentity import", plugin},
	{"podidentity orphans", plugin},
	{"podidentity plan", plugin},
	{"podidentity restart", plugin},
	{"podidentity status", plugin},
	{"podidentity suggest", plugin},
	{"podidentity verify", plugin},
	{"podidentity why", plugin},
	{"argocd", "Argo CD is not here; test/gitops follows these commands"},
	{"samples/catalog", "test/catalog and test/manifests apply the catalog"},
	{"completion kubectl", "it writes into the user's home"},
	{"kubectl delete crd", "it removes the API"},
	{"AWS_ENDPOINT_URL=http://127.0.0.1:4566", "the endpoint of the page does not run; test/awslocal runs the AWS CLI"},
}

const (
	plugin  = "the plugin's own tests run its commands, on states that this cluster is not in"
	noNodes = "there are no nodes; the operator runs as a process, and test/webhook stands for a pod"
)

// An entry that no block has would hide a block that comes later.
func TestElsewhere_NamesCommandsOfThePages(t *testing.T) {
	var all strings.Builder
	list, err := docs.Read("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range list {
		for _, block := range page.Blocks {
			if block.Language == "sh" {
				all.WriteString(block.Text)
			}
		}
	}
	for _, other := range elsewhere {
		if !strings.Contains(all.String(), other.command) {
			t.Errorf("no block has the command %q", other.command)
		}
	}
}

// follow runs a block, unless it needs what is not here. It reports whether it did.
func (e *env) follow(path string, line int, script string) bool {
	e.Helper()
	for _, other := range elsewhere {
		if strings.Contains(script, other.command) {
			e.Logf("%s:%d: not run: %q: %s", path, line, other.command, other.reason)
			return false
		}
	}
	e.Logf("%s:%d:\n%s%s", path, line, script, e.sh(script))
	return true
}

// The issuer of an EKS cluster looks as in the guide.
func (e *env) checkIssuer(said string) {
	e.Helper()
	if form := regexp.MustCompile(`^https://oidc\.eks\.` + region + `\.amazonaws\.com/id/[0-9A-F]{32}$`); !form.MatchString(strings.TrimSpace(said)) {
		e.Errorf("issuer %q", said)
	}
}

// pages returns the pages of the repository by path.
func (e *env) pages() map[string]docs.Page {
	e.Helper()
	list, err := docs.Read(e.Root)
	e.Must(err)
	pages := map[string]docs.Page{}
	for _, page := range list {
		pages[page.Path] = page
	}
	return pages
}

// env is a cluster with the API installed, and an AWS account.
type env struct {
	*testenv.Env

	dir string // of the reader
}

func newEnv(t *testing.T) *env {
	t.Helper()
	for _, program := range []string{"aws", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not on the PATH, so that the blocks of the pages cannot be run", program)
		}
	}
	cluster := testenv.Start(t, testenv.ClusterOptions{Installed: true})
	return &env{Env: cluster.NewEnv(t, testenv.Options{AWS: awslocal.Options{Region: region}}), dir: t.TempDir()}
}

// startOperator starts the operator's binary as it is installed.
func (e *env) startOperator(role, boundary string) {
	e.Helper()
	e.StartBinary(testenv.Binary{
		Path: testenv.Build(e.T), Role: role,
		Args: []string{
			"--cluster-name=" + clusterName, "--permissions-boundary=" + boundary,
			"--leader-election-namespace=" + installation.Namespace, "--iam-propagation-delay=1s",
		},
	})
}

func (e *env) write(name, content string) {
	e.Helper()
	e.Must(os.WriteFile(filepath.Join(e.dir, name), []byte(content), 0o600))
}

// sh runs a script as a reader's shell does, which stops at no error but reports the
// last; here the first is fatal.
func (e *env) sh(script string) string {
	e.Helper()
	return e.run(exec.CommandContext(e.Context(), "bash", "-euo", "pipefail", "-c", script))
}

func (e *env) kubectl(args ...string) string {
	e.Helper()
	return e.run(exec.CommandContext(e.Context(), filepath.Join(e.AssetsDir, "kubectl"), args...))
}

// run runs a command with the reader's kubeconfig and AWS profile.
func (e *env) run(cmd *exec.Cmd) string {
	e.Helper()
	cmd.Dir = e.dir
	admin := testenv.Administrator()
	cmd.Env = controlplane.Environ(map[string]string{
		"PATH": strings.Join([]string{e.dir, e.AssetsDir, os.Getenv("PATH")}, string(os.PathListSeparator)), "KUBECONFIG": e.KubeconfigPath, "HOME": e.dir,
		"AWS_ENDPOINT_URL": e.AWS.URL, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_ACCESS_KEY_ID": admin.AccessKeyID, "AWS_SECRET_ACCESS_KEY": admin.SecretAccessKey, "AWS_PAGER": "",
	})
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		e.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, stdout.String(), stderr.String())
	}
	if strings.Contains(strings.Join(cmd.Args, " "), "cluster.identity.oidc.issuer") {
		e.checkIssuer(stdout.String())
	}
	return stdout.String()
}
