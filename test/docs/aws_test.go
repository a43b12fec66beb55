package docs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// modelled are the services of the AWS CLI with a model here. An action outside of
// the model is known to AWS, and not checked.
var modelled = model.Load()

// everywhere are the options that every command of the AWS CLI has.
var everywhere = []string{"cli-input-json", "output", "profile", "query", "region"}

// A command of the AWS CLI is one that the service's own model knows, with its
// options and with all that it requires.
func TestShell_CallsAWSAsItsModels(t *testing.T) {
	known := 0
	for _, page := range pages(t) {
		for _, block := range page.Blocks {
			if block.Language != "sh" {
				continue
			}
			for _, command := range awsCommands(block.Text) {
				ok, err := command.check()
				if err != nil {
					t.Errorf("%s:%d: %v", page.Path, block.Line, err)
				}
				if ok {
					known++
				}
			}
		}
	}
	if known < 10 {
		t.Errorf("only %d commands were checked", known)
	}
}

// awsCommand is a call of the AWS CLI in a script.
type awsCommand struct {
	service, action string
	options         []string
}

var (
	command = regexp.MustCompile(`\baws ([a-z0-9]+) ([a-z0-9-]+)((?:'[^']*'|"[^"]*"|[^|;&)'"\n])*)`)
	quoted  = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	option  = regexp.MustCompile(`(?:^|\s)--([a-z0-9-]+)`)
)

// awsCommands returns the calls of the AWS CLI in a script.
func awsCommands(script string) []awsCommand {
	var found []awsCommand
	for _, m := range command.FindAllStringSubmatch(strings.ReplaceAll(script, "\\\n", " "), -1) {
		c := awsCommand{service: m[1], action: m[2]}
		for _, o := range option.FindAllStringSubmatch(quoted.ReplaceAllString(m[3], "x"), -1) {
			c.options = append(c.options, o[1])
		}
		found = append(found, c)
	}
	return found
}

// check returns whether the command's action is in a model, and what is wrong with
// its options.
func (c awsCommand) check() (known bool, err error) {
	service, ok := modelled[c.service]
	if !ok {
		return false, nil
	}
	for name, operation := range service.Operations {
		if kebab(name) != c.action {
			continue
		}
		input := service.Shapes[operation.Input]
		if input == nil {
			input = &model.Shape{}
		}
		return true, c.checkOptions(input)
	}
	return false, nil
}

func (c awsCommand) checkOptions(input *model.Shape) error {
	allowed := slices.Clone(everywhere)
	for _, member := range input.Members {
		allowed = append(allowed, kebab(member.Name))
	}
	for _, o := range c.options {
		if !slices.Contains(allowed, o) {
			return fmt.Errorf("aws %s %s has no option --%s", c.service, c.action, o)
		}
	}
	for _, required := range input.Required {
		if !slices.Contains(c.options, kebab(required)) {
			return fmt.Errorf("aws %s %s requires --%s", c.service, c.action, kebab(required))
		}
	}
	return nil
}

var (
	wordBegins = regexp.MustCompile(`(.)([A-Z][a-z]+)`)
	caseRises  = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

// kebab writes a name of a model as the AWS CLI does, as in
// https://github.com/boto/botocore/blob/develop/botocore/__init__.py, xform_name.
func kebab(name string) string {
	return strings.ToLower(caseRises.ReplaceAllString(wordBegins.ReplaceAllString(name, "$1-$2"), "$1-$2"))
}

func TestAWSCommand_Check(t *testing.T) {
	for script, want := range map[string]string{
		"aws iam get-role --role-name a --query Role.Arn":                              "",
		"x=$(aws sts get-caller-identity --output text)":                               "",
		"aws iam create-role \\\n  --role-name a --assume-role-policy-document '--no'": "",
		"aws iam list-open-id-connect-providers":                                       "",
		"aws iam create-open-id-connect-provider --url u --client-id-list c":           "",
		"aws s3 cp a b":                       "",
		"aws iam get-role --name a":           "aws iam get-role has no option --name",
		"aws iam get-role | grep --role-name": "aws iam get-role requires --role-name",
		"aws eks describe-cluster --query cluster.identity.oidc.issuer":                     "aws eks describe-cluster requires --name",
		"aws iam attach-role-policy --role-name a --policy-arn b && aws iam tag-role --x y": "aws iam tag-role has no option --x",
	} {
		got := ""
		for _, c := range awsCommands(script) {
			if _, err := c.check(); err != nil {
				got = err.Error()
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
}
