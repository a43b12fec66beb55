package awslocal_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// cliStep is one command line of the AWS CLI. $trust and $policy stand for documents,
// $last for the last word of the output of the previous step.
type cliStep struct {
	line  string
	want  string // a regular expression for its whole output
	fails string // or a part of its error message
}

// The AWS CLI works against the endpoint: its waiters, its paging, its decoding of
// documents, its messages about errors.
func TestCLI_Works(t *testing.T) {
	program, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the AWS CLI is not on the PATH, so that it cannot be run")
	}
	documents := strings.NewReplacer("$trust", ec2Trust, "$policy", readS3)
	for name, family := range cliFamilies() {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != shortFamily {
				t.Skip("a command of the AWS CLI takes almost a second; make test runs all of them")
			}
			t.Parallel()
			e := newEndpoint(t, awslocal.Options{})
			for _, prepare := range family.given {
				prepare(t, e)
			}
			last := ""
			for _, step := range family.steps {
				args := strings.Fields(strings.ReplaceAll(documents.Replace(step.line), "$last", last))
				out, said, failed := runCLI(t, e, program, args)
				switch {
				case failed && (step.fails == "" || !strings.Contains(said, step.fails)):
					t.Fatalf("aws %s\nsays: %s\nwant: %s%s", step.line, said, step.want, step.fails)
				case !failed && (step.fails != "" || !regexp.MustCompile("^(?:"+step.want+")$").MatchString(out)):
					t.Fatalf("aws %s\nprints: %q\nwant: %q, or that it fails: %q", step.line, out, step.want, step.fails)
				}
				last = out[strings.LastIndex(out, " ")+1:]
			}
		})
	}
}

// shortFamily is the one that also runs with -short: it has a waiter, a decoded document
// and an error.
const shortFamily = "Roles"

// runCLI runs the AWS CLI with nothing but the endpoint and credentials in its
// configuration, and returns what it prints, in one line, and what it complains of.
func runCLI(t *testing.T, e *endpoint, program string, args []string) (out, said string, failed bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append(args, "--output", "text")...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL="+e.url, "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_PAGER=")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	return strings.Join(strings.Fields(stdout.String()), " "), strings.TrimSpace(stderr.String()), err != nil
}

type cliFamily struct {
	given []func(*testing.T, *endpoint)
	steps []cliStep
}

func cliFamilies() map[string]cliFamily {
	three := []func(*testing.T, *endpoint){
		does("CreateRole", map[string]any{"RoleName": "r1"}), does("CreateRole", map[string]any{"RoleName": "r2"}), does("CreateRole", map[string]any{"RoleName": "r3"}),
	}
	return map[string]cliFamily{
		"Roles": {nil, []cliStep{
			{line: "iam create-role --role-name r --path /team/ --assume-role-policy-document $trust --query Role.Arn", want: "arn:aws:iam::123456789012:role/team/r"},
			{line: "iam wait role-exists --role-name r"},
			{line: "iam get-role --role-name r --query Role.AssumeRolePolicyDocument.Statement[0].Principal.Service", want: "ec2.amazonaws.com"},
			{line: "iam delete-role --role-name r"},
			{line: "iam get-role --role-name r", fails: "An error occurred (NoSuchEntity) when calling the GetRole operation: The role with name r cannot be found."},
		}},
		"Pages": {three, []cliStep{
			{line: "iam list-roles --page-size 1 --query Roles[].RoleName", want: "r1 r2 r3"},
			{line: "iam list-roles --max-items 2 --query NextToken", want: "None [A-Za-z0-9+/=]+"},
			{line: "iam list-roles --starting-token $last --query Roles[].RoleName", want: "r3"},
		}},
		"RolePolicies": {steps("CreateRole"), []cliStep{
			{line: "iam put-role-policy --role-name r --policy-name p --policy-document $policy"},
			{line: "iam get-role-policy --role-name r --policy-name p --query PolicyDocument.Statement[0].Action", want: "s3:GetObject"},
			{line: "iam attach-role-policy --role-name r --policy-arn arn:aws:iam::aws:policy/ReadOnlyAccess"},
			{line: "iam list-attached-role-policies --role-name r --query AttachedPolicies[].PolicyName", want: "ReadOnlyAccess"},
		}},
		"ManagedPolicies": {nil, []cliStep{
			{line: "iam create-policy --policy-name p --policy-document $policy --query Policy.Arn", want: policyARN("p")},
			{line: "iam create-policy-version --policy-arn $last --policy-document $policy --set-as-default --query PolicyVersion.[VersionId,IsDefaultVersion]", want: "v2 True"},
			{line: "iam get-policy-version --policy-arn " + policyARN("p") + " --version-id v1 --query PolicyVersion.Document.Version", want: "2012-10-17"},
			{line: "iam delete-policy --policy-arn " + policyARN("p"), fails: "(DeleteConflict)"},
		}},
		"Providers": {nil, []cliStep{
			{line: "iam create-open-id-connect-provider --url https://issuer.example/a --client-id-list x", want: "arn:aws:iam::123456789012:oidc-provider/issuer.example/a"},
			{line: "iam get-open-id-connect-provider --open-id-connect-provider-arn $last --query [Url,ClientIDList]", want: "issuer.example/a x"},
		}},
		"InstanceProfiles": {steps("CreateRole"), []cliStep{
			{line: "iam create-instance-profile --instance-profile-name i --query InstanceProfile.Arn", want: "arn:aws:iam::123456789012:instance-profile/i"},
			{line: "iam add-role-to-instance-profile --instance-profile-name i --role-name r"},
			{line: "iam list-instance-profiles-for-role --role-name r --query InstanceProfiles[].Roles[].RoleName", want: "r"},
		}},
		"Tags": {steps("CreateRole"), []cliStep{
			{line: "iam tag-role --role-name r --tags Key=a,Value=1 Key=b,Value=2"},
			{line: "iam untag-role --role-name r --tag-keys A"},
			{line: "iam list-role-tags --role-name r --query Tags[].[Key,Value]", want: "b 2"},
		}},
		"Account": {steps("CreateRole"), []cliStep{
			{line: "iam get-account-summary --query SummaryMap.Roles", want: "1"},
			{line: "iam get-account-authorization-details --filter Role --query RoleDetailList[].RoleName", want: "r"},
		}},
		"STS": {[]func(*testing.T, *endpoint){does("CreateRole", map[string]any{"AssumeRolePolicyDocument": anyTrust})}, []cliStep{
			{line: "sts get-caller-identity --query Account", want: account},
			{line: "sts assume-role --role-arn " + roleARN("r") + " --role-session-name test --query AssumedRoleUser.Arn", want: "arn:aws:sts::123456789012:assumed-role/r/test"},
			{line: "sts assume-role --role-arn " + roleARN("none") + " --role-session-name test", fails: "(AccessDenied) when calling the AssumeRole operation: User: "},
		}},
		"Associations": {[]func(*testing.T, *endpoint){withCluster}, []cliStep{
			{line: "eks create-pod-identity-association --cluster-name c --namespace shop --service-account a --role-arn " + roleARN("pods") +
				" --query association.associationId", want: "a-[a-z0-9]+"},
			{line: "eks describe-pod-identity-association --cluster-name c --association-id $last --query association.associationArn", want: "arn:.*:podidentityassociation/c/a-.*"},
			{line: "eks tag-resource --resource-arn $last --tags team=shop"},
			{line: "eks list-pod-identity-associations --cluster-name c --namespace shop --query associations[].serviceAccount", want: "a"},
		}},
	}
}
