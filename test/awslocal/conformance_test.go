package awslocal_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// The scenarios run against another endpoint too, or against AWS itself, and each answer is
// compared with that of this endpoint: make conformance.
var (
	conformanceURL     = flag.String("conformance-endpoint", "", "URL of the endpoint that TestConformance_EndpointsGiveTheSameAnswers compares with; aws is AWS itself, with the credentials of AWS_PROFILE")
	conformanceAccount = flag.String("conformance-account", "", "the ID of the account in which TestConformance_EndpointsGiveTheSameAnswers may create IAM resources, under a path of its own; required for aws")
)

// target is an account that is not this test's own: names get a prefix, and all that has a path
// gets one, so that nothing else in the account is touched.
type target struct {
	partition, account, caller string
	name                       string // the prefix of names
	retry                      time.Duration
}

func (g target) path() string { return "/awslocal-conformance/" + g.name + "/" }

// TestConformance_EndpointsGiveTheSameAnswers compares the scenarios' answers here with those of the endpoint of
// -conformance-endpoint. Without that flag this endpoint is the other one, as a process of its own.
func TestConformance_EndpointsGiveTheSameAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and starts a program")
	}
	url := *conformanceURL
	if url == "" {
		url = startAwslocal(t)
	}
	other := external(t, url)
	t.Cleanup(func() { removeAll(t, other) })
	for _, table := range []map[string][]scenario{iamScenarios(), stsScenarios(), eksScenarios()} {
		for code, list := range table {
			for _, s := range list {
				for _, action := range s.actions {
					t.Run(action+"/"+code, func(t *testing.T) {
						if why := s.local(action); why != "" {
							t.Skip(why)
						}
						compare(t, s, action, other)
					})
				}
			}
		}
	}
}

// local states why a scenario can not, or must not, run in another account.
func (s scenario) local(action string) string {
	switch {
	case s.call != nil:
		return "it has an issuer of its own"
	case s.options.Quotas != nil:
		return "it has other quotas"
	case s.alters != "":
		return s.alters
	case action == "CreateCluster":
		return "a cluster costs money"
	}
	return ""
}

// compare runs one scenario here and there.
func compare(t *testing.T, s scenario, action string, other *endpoint) {
	t.Helper()
	g := *other.target
	here := newEndpoint(t, awslocal.Options{Account: g.account, Partition: g.partition, CallerARN: g.caller})
	here.target = other.target
	want := failureOf(t, s.in(t, here, action))
	defer removeAll(t, other)
	for attempt := range 5 {
		err := s.in(t, other, action)
		if err == nil {
			t.Errorf("%s\nthere is no error, want %v", s.reason, want)
			return
		}
		got := failureOf(t, err)
		if got == want {
			return
		}
		if attempt == 4 || g.retry == 0 {
			t.Errorf("%s\n-here, +there:\n%s", s.reason, cmp.Diff(want, got))
			return
		}
		time.Sleep(g.retry) //nolint:forbidigo // AWS shows what was written some seconds later, and has no event for it
	}
}

// in brings a scenario about in an account, and returns its error.
func (s scenario) in(t *testing.T, e *endpoint, action string) error {
	t.Helper()
	for _, prepare := range s.given {
		prepare(t, e)
	}
	return invoke(t, e, action, s.with)
}

// external returns the clients of another endpoint, and what is known of its account.
func external(t *testing.T, url string) *endpoint {
	t.Helper()
	var load []func(*config.LoadOptions) error
	name := fmt.Sprintf("c%x-", time.Now().UnixNano()%0xffffff)
	g := target{name: name}
	if url == "aws" {
		g.retry = 3 * time.Second
	} else {
		load = append(load, config.WithBaseEndpoint(url), config.WithCredentialsProvider(aws.CredentialsProviderFunc(
			func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
			})))
	}
	if os.Getenv("AWS_REGION")+os.Getenv("AWS_DEFAULT_REGION") == "" {
		load = append(load, config.WithDefaultRegion("us-east-1"))
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), load...)
	if err != nil {
		t.Fatal(err)
	}
	e := &endpoint{iam: iam.NewFromConfig(cfg), sts: sts.NewFromConfig(cfg), eks: eks.NewFromConfig(cfg)}
	who := must(e.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	g.account, g.caller, g.partition = *who.Account, *who.Arn, strings.Split(*who.Arn, ":")[1]
	if url == "aws" && *conformanceAccount != g.account {
		t.Fatalf("the credentials are of account %s: set ACCOUNT=%s if this test may create IAM resources there", g.account, g.account)
	}
	e.target = &g
	return e
}

// startAwslocal builds and starts cmd/awslocal, and returns its URL.
func startAwslocal(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "awslocal")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/awslocal").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, "--listen", "127.0.0.1:0", "--seed", "1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	first, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`http://[0-9.:]+`).FindString(first)
}

var ownARN = regexp.MustCompile(`arn:aws:iam::` + account + `:(role|policy|instance-profile)/`)

// localize returns the members of an input as they are in a target's account.
func (g target) localize(operation string, members map[string]any) {
	for name, value := range members {
		switch v := value.(type) {
		case string:
			members[name] = g.localizeText(name, v)
		case *string:
			members[name] = g.localizeText(name, *v)
		}
	}
	switch operation {
	case "CreateRole", "CreatePolicy", "CreateInstanceProfile":
		if members["Path"] == nil {
			members["Path"] = g.path()
		}
	case "CreateOpenIDConnectProvider":
		if members["ThumbprintList"] == nil {
			members["ThumbprintList"] = named["ThumbprintList"] // without one AWS asks the issuer
		}
	}
}

func (g target) localizeText(member, text string) string {
	if slices.Contains([]string{"RoleName", "PolicyName", "InstanceProfileName"}, member) && !strings.HasPrefix(text, "AWSServiceRole") {
		return g.name + text
	}
	text = ownARN.ReplaceAllString(text, "arn:aws:iam::"+account+":$1"+g.path()+g.name)
	text = strings.ReplaceAll(text, "oidc-provider/issuer", "oidc-provider/"+g.name+"issuer.example.com")
	text = strings.ReplaceAll(text, "https://issuer", "https://"+g.name+"issuer.example.com")
	text = strings.ReplaceAll(text, "arn:aws:", "arn:"+g.partition+":")
	return strings.ReplaceAll(text, account, g.account)
}

// removeAll removes what the scenarios have made: all under the target's path, and its providers.
func removeAll(t *testing.T, e *endpoint) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	path := aws.String(e.target.path())
	profiles := must(e.iam.ListInstanceProfiles(ctx, &iam.ListInstanceProfilesInput{PathPrefix: path}))(t)
	for _, p := range profiles.InstanceProfiles {
		for _, r := range p.Roles {
			must(e.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: p.InstanceProfileName, RoleName: r.RoleName}))(t)
		}
		must(e.iam.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: p.InstanceProfileName}))(t)
	}
	roles := must(e.iam.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: path}))(t)
	for _, r := range roles.Roles {
		removeRole(ctx, t, e, r.RoleName)
	}
	policies := must(e.iam.ListPolicies(ctx, &iam.ListPoliciesInput{PathPrefix: path}))(t)
	for _, p := range policies.Policies {
		versions := must(e.iam.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: p.Arn}))(t)
		for _, v := range versions.Versions {
			if !v.IsDefaultVersion {
				must(e.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: p.Arn, VersionId: v.VersionId}))(t)
			}
		}
		must(e.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: p.Arn}))(t)
	}
	providers := must(e.iam.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{}))(t)
	for _, p := range providers.OpenIDConnectProviderList {
		if strings.Contains(*p.Arn, "oidc-provider/"+e.target.name) {
			must(e.iam.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: p.Arn}))(t)
		}
	}
}

func removeRole(ctx context.Context, t *testing.T, e *endpoint, name *string) {
	t.Helper()
	attached := must(e.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name}))(t)
	for _, p := range attached.AttachedPolicies {
		must(e.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: p.PolicyArn}))(t)
	}
	inline := must(e.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: name}))(t)
	for _, policy := range inline.PolicyNames {
		must(e.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: &policy}))(t)
	}
	must(e.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}))(t)
}

// All names in a target have its prefix, so that nothing else in its account is touched.
func TestConformance_NamesStayInTheirOwnSpace(t *testing.T) {
	g := target{partition: "aws-cn", account: "222222222222", name: "x-"}
	members := map[string]any{
		"RoleName": "r", "PolicyArn": policyARN("p"), "Url": aws.String("https://issuer"), "PolicyDocument": anyTrust,
		"PermissionsBoundary": servicePolicy,
	}
	g.localize("CreateRole", members)
	want := map[string]any{
		"RoleName": "x-r", "PolicyArn": "arn:aws-cn:iam::222222222222:policy/awslocal-conformance/x-/x-p", "Url": "https://x-issuer.example.com",
		"PolicyDocument": strings.ReplaceAll(anyTrust, account, "222222222222"), "PermissionsBoundary": strings.Replace(servicePolicy, "aws", "aws-cn", 1),
		"Path": "/awslocal-conformance/x-/",
	}
	if diff := cmp.Diff(want, members); diff != "" {
		t.Errorf("localize(...): -want, +got:\n%s", diff)
	}
}
