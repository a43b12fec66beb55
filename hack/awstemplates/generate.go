package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/hashicorp/hcl/v2/hclwrite"
)

//go:embed templates
var templates embed.FS

// A target is a language that policies are written in. Each placeholder of the
// policies, and each value that is a setting in the target, is replaced by an
// expression of the target.
type target struct {
	output   string // file that is written
	template string
	replacer *strings.Replacer
	format   func([]byte) []byte // of the language; nil leaves the file as it is
}

// The longest text comes first: strings.Replacer tries them in order. A dollar
// sign with a brace starts an expression in both targets, so that of an IAM policy
// variable, such as ${aws:username}, is escaped.
var targets = []target{
	{
		output:   filepath.Join("event-queue", "cloudformation.yaml"),
		template: "event-queue.yaml.tmpl",
		replacer: strings.NewReplacer(
			"${", "${!",
			"PARTITION", "${AWS::Partition}",
			"ACCOUNT_ID", "${AWS::AccountId}",
			"EVENT_REGION", "${AWS::Region}",
			"CLUSTER", "${ClusterName}",
		),
	},
	{
		output:   filepath.Join("event-queue", "main.tf"),
		template: "event-queue.tf.tmpl",
		format:   hclwrite.Format,
		replacer: strings.NewReplacer(
			"${", "$${",
			"%{", "%%{",
			"PARTITION", "${local.partition}",
			"ACCOUNT_ID", "${local.account_id}",
			"EVENT_REGION", "${local.region}",
			"CLUSTER", "${var.cluster_name}",
		),
	},
	{
		output:   "cloudformation.yaml",
		template: "cloudformation.yaml.tmpl",
		replacer: strings.NewReplacer(
			"${", "${!",
			"/podidentity/CLUSTER/", "${RolePath}",
			"policy/podidentity-boundary", "policy/${BoundaryName}",
			"system:serviceaccount:podidentity-system:podidentity-controller-manager", "system:serviceaccount:${Namespace}:${ServiceAccount}",
			`"podidentity-system"`, `"${Namespace}"`,
			`"podidentity-controller-manager"`, `"${ServiceAccount}"`,
			"PARTITION", "${AWS::Partition}",
			"ACCOUNT_ID", "${AWS::AccountId}",
			"REGION", "${AWS::Region}",
			"EKS_NAME", "${EKSClusterName}",
			"CLUSTER", "${ClusterName}",
			"ISSUER", "${OIDCIssuer}",
		),
	},
	{
		output:   filepath.Join("terraform", "policies.tf"),
		template: "policies.tf.tmpl",
		format:   hclwrite.Format,
		replacer: strings.NewReplacer(
			"${", "$${",
			"%{", "%%{",
			"/podidentity/CLUSTER/", "${local.role_path}",
			"policy/podidentity-boundary", "policy/${var.boundary_name}",
			"system:serviceaccount:podidentity-system:podidentity-controller-manager", "system:serviceaccount:${var.namespace}:${var.service_account}",
			`"podidentity-system"`, `"${var.namespace}"`,
			`"podidentity-controller-manager"`, `"${var.service_account}"`,
			"PARTITION", "${local.partition}",
			"ACCOUNT_ID", "${local.account_id}",
			"REGION", "${local.region}",
			"EKS_NAME", "${var.eks_cluster_name}",
			"CLUSTER", "${var.cluster_name}",
			"ISSUER", "${local.issuer}",
		),
	},
}

// generate returns the files that the policies of a directory give, by their paths
// below it.
func generate(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, t := range targets {
		content, err := t.render(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.output, err)
		}
		files[t.output] = content
	}
	return files, nil
}

func (t target) render(dir string) ([]byte, error) {
	functions := template.FuncMap{
		// policy returns the policy of a file, its lines indented.
		"policy": func(name string, spaces int) (string, error) {
			text, err := t.translate(dir, name)
			return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", spaces)), err
		},
		// sub returns the function of CloudFormation that a policy needs, which is none
		// if the policy has no expressions.
		"sub": func(name string) (string, error) {
			text, err := t.translate(dir, name)
			if strings.Contains(text, "${") {
				return "!Sub |", err
			}
			return "|", err
		},
	}
	parsed, err := template.New(t.template).Funcs(functions).ParseFS(templates, "templates/"+t.template)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, nil); err != nil {
		return nil, err
	}
	if t.format != nil {
		return t.format(out.Bytes()), nil
	}
	return out.Bytes(), nil
}

// translate returns the policy of a file as an expression of the target.
func (t target) translate(dir, name string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	var formatted bytes.Buffer
	if err := json.Indent(&formatted, bytes.TrimSpace(raw), "", "  "); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return t.replacer.Replace(formatted.String()), nil
}
