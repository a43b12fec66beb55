// Package iampolicy fills the placeholders of the IAM policies in config/aws.
package iampolicy

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	awspolicies "github.com/podidentity/podidentity-operator/config/aws"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Settings are what the policies depend on.
type Settings struct {
	Cluster   string // value of --cluster-name
	Partition string
	AccountID string
	Issuer    string // URL

	RolePath       string // default /podidentity/CLUSTER/
	BoundaryName   string // default podidentity-boundary
	Namespace      string // of the operator; default podidentity-system
	ServiceAccount string // of the operator; default podidentity-controller-manager

	// NoBoundary reports that the operator runs without --permissions-boundary.
	NoBoundary bool
	// EKSCluster is the name of the cluster in EKS, if the operator gets its role through
	// EKS Pod Identity; Region is that of the cluster.
	EKSCluster, Region string
	// CreateProvider reports that the operator runs with --oidc-provider=Create.
	CreateProvider bool
	// EventQueueURL is the value of --event-queue-url; empty if the operator runs without.
	EventQueueURL string
}

// Defaults of config/default.
const (
	DefaultBoundary       = "podidentity-boundary"
	DefaultNamespace      = "podidentity-system"
	DefaultServiceAccount = "podidentity-controller-manager"
)

// Document is one policy.
type Document struct {
	Name    string `json:"name"` // also that of its file, without .json
	Purpose string `json:"purpose"`
	JSON    string `json:"document"`
}

// The forms that the operator itself accepts. They hold no wildcard: one would widen
// the policies.
var (
	clusterName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,38}[a-z0-9])?$`)
	rolePath    = regexp.MustCompile(`^(/[A-Za-z0-9_+=,.@-]+)+/$`)
	policyName  = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{1,128}$`)
	objectName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
	partition   = regexp.MustCompile(`^aws[a-z0-9-]*$`)
	accountID   = regexp.MustCompile(`^\d{12}$`)
	eksCluster  = regexp.MustCompile(`^([0-9A-Za-z][A-Za-z0-9_-]{0,99})?$`) // https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html
	region      = regexp.MustCompile(`^([a-z]{2,4}(-[a-z]+)+-\d+)?$`)
)

// Documents returns the policies that the operator needs with these settings. The
// error names each setting that is wrong.
func Documents(s Settings) ([]Document, error) {
	s.RolePath = cmp.Or(s.RolePath, "/podidentity/"+s.Cluster+"/")
	s.BoundaryName = cmp.Or(s.BoundaryName, DefaultBoundary)
	s.Namespace = cmp.Or(s.Namespace, DefaultNamespace)
	s.ServiceAccount = cmp.Or(s.ServiceAccount, DefaultServiceAccount)
	if err := s.check(); err != nil {
		return nil, err
	}
	list := []Document{{Name: "operator-policy", Purpose: "permissions of the operator"}}
	if s.NoBoundary {
		list[0].Name = "operator-policy-without-boundary"
	}
	trust := "operator-trust-policy"
	if s.EKSCluster != "" {
		trust = "operator-trust-policy-eks-pod-identity"
	}
	list = append(list, Document{Name: trust, Purpose: "trust policy of the operator's role"})
	if !s.NoBoundary {
		list = append(list, Document{Name: "boundary-policy", Purpose: "permissions boundary of every role, an example to edit"})
	}
	if s.CreateProvider {
		list = append(list, Document{Name: "operator-policy-oidc-provider", Purpose: "permissions for --oidc-provider=Create, in addition"})
	}
	if s.EventQueueURL != "" {
		list = append(list, Document{Name: "operator-policy-event-queue", Purpose: "permissions for --event-queue-url, in addition"})
	}
	for i := range list {
		text, err := s.fill(list[i].Name)
		if err != nil {
			return nil, err
		}
		list[i].JSON = text
	}
	return list, nil
}

func (s Settings) check() error {
	var problems []error
	for _, field := range []struct {
		name, value, allowed string
		form                 *regexp.Regexp
	}{
		{"--cluster-name", s.Cluster, "1 to 40 lower-case letters, digits, - and ., such as prod-eu", clusterName},
		{"--role-path", s.RolePath, "a path with a slash at both ends, such as /podidentity/prod-eu/", rolePath},
		{"--boundary-name", s.BoundaryName, "the name of an IAM policy, such as podidentity-boundary", policyName},
		{"--operator-namespace", s.Namespace, "the name of a namespace", objectName},
		{"--operator-service-account", s.ServiceAccount, "the name of a ServiceAccount", objectName},
		{"--partition", s.Partition, "aws, aws-cn, aws-us-gov or another of AWS's", partition},
		{"--account-id", s.AccountID, "twelve digits", accountID},
		{"--eks-cluster", s.EKSCluster, "the name of a cluster in EKS", eksCluster},
		{"--aws-region", s.Region, "an AWS region, such as eu-west-1", region},
	} {
		if !field.form.MatchString(field.value) {
			problems = append(problems, fmt.Errorf("invalid value %q for %s: must be %s", field.value, field.name, field.allowed))
		}
	}
	if _, err := QueueOf(s.EventQueueURL); s.EventQueueURL != "" && err != nil {
		problems = append(problems, err)
	}
	hostPath, err := policy.IssuerHostPath(s.Issuer)
	if err != nil || strings.ContainsAny(hostPath, "*?$\"\\ ") {
		problems = append(problems, fmt.Errorf("invalid value %q for --issuer: must be the https:// URL of the cluster's OIDC issuer", s.Issuer))
	}
	return errors.Join(problems...)
}

// fill returns a policy with its placeholders filled. strings.Replacer tries longer
// texts first if they come first.
func (s Settings) fill(name string) (string, error) {
	raw, err := awspolicies.Files.ReadFile(name + ".json")
	if err != nil {
		return "", err
	}
	queue := Queue{}
	if s.EventQueueURL != "" {
		if queue, err = QueueOf(s.EventQueueURL); err != nil {
			return "", err
		}
	}
	return strings.NewReplacer(
		"arn:PARTITION:sqs:EVENT_REGION:ACCOUNT_ID:podidentity-CLUSTER", queue.ARN(s.Partition),
		"/podidentity/CLUSTER/", s.RolePath,
		"policy/"+DefaultBoundary, "policy/"+s.BoundaryName,
		"system:serviceaccount:"+DefaultNamespace+":"+DefaultServiceAccount, "system:serviceaccount:"+s.Namespace+":"+s.ServiceAccount,
		`"`+DefaultNamespace+`"`, `"`+s.Namespace+`"`,
		`"`+DefaultServiceAccount+`"`, `"`+s.ServiceAccount+`"`,
		"PARTITION", s.Partition,
		"REGION", s.Region,
		"EKS_NAME", s.EKSCluster,
		"ACCOUNT_ID", s.AccountID,
		"CLUSTER", s.Cluster,
		"ISSUER", strings.TrimPrefix(s.Issuer, "https://"),
	).Replace(string(raw)), nil
}
