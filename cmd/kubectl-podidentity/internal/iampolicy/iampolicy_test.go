package iampolicy

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

var settings = Settings{
	Cluster: "prod-eu", Partition: "aws-cn", AccountID: "123456789012",
	Issuer: "https://oidc.eks.cn-north-1.amazonaws.com.cn/id/0A1B",
}

// AWS accepts every document, whatever the settings, and no placeholder is left.
func TestDocuments_AreAcceptedByIAM(t *testing.T) {
	other := settings
	other.RolePath, other.BoundaryName, other.Namespace, other.ServiceAccount = "/team/aws/", "fence", "iam", "operator"
	other.CreateProvider = true
	unbounded := settings
	unbounded.NoBoundary = true
	cases := map[string]struct {
		reason   string
		settings Settings
		names    []string
		holds    []string
	}{
		"Defaults": {
			"The flags are those that config/default needs.", settings,
			[]string{"operator-policy", "operator-trust-policy", "boundary-policy"},
			[]string{
				"arn:aws-cn:iam::123456789012:role/podidentity/prod-eu/*", "policy/podidentity-boundary",
				"oidc.eks.cn-north-1.amazonaws.com.cn/id/0A1B:sub", "system:serviceaccount:podidentity-system:podidentity-controller-manager",
			},
		},
		"OtherNames": {
			"Every name can be changed.", other,
			[]string{"operator-policy", "operator-trust-policy", "boundary-policy", "operator-policy-oidc-provider"},
			[]string{"role/team/aws/*", "policy/fence", "system:serviceaccount:iam:operator"},
		},
		"NoBoundary": {
			"Without a boundary the policies differ.", unbounded,
			[]string{"operator-policy-without-boundary", "operator-trust-policy"},
			nil,
		},
	}
	queue := settings
	queue.EventQueueURL = "https://sqs.cn-north-1.amazonaws.com.cn/210987654321/changes"
	cases["EventQueue"] = struct {
		reason   string
		settings Settings
		names    []string
		holds    []string
	}{
		"The queue has its own region, account and name.", queue,
		[]string{"operator-policy", "operator-trust-policy", "boundary-policy", "operator-policy-event-queue"},
		[]string{`"Resource": "arn:aws-cn:sqs:cn-north-1:210987654321:changes"`, "sqs:ReceiveMessage"},
	}
	eks := settings
	eks.EKSCluster, eks.Region, eks.Namespace = "prod", "cn-north-1", "iam"
	cases["EKSPodIdentity"] = struct {
		reason   string
		settings Settings
		names    []string
		holds    []string
	}{
		"The operator's own role comes from EKS Pod Identity.", eks,
		[]string{"operator-policy", "operator-trust-policy-eks-pod-identity", "boundary-policy"},
		[]string{"arn:aws-cn:eks:cn-north-1:123456789012:cluster/prod", `"aws:RequestTag/kubernetes-namespace": "iam"`},
	}
	placeholder := regexp.MustCompile(`[A-Z]+_[A-Z]+|PARTITION|CLUSTER|ISSUER`)
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			documents, err := Documents(tc.settings)
			if err != nil {
				t.Fatal(err)
			}
			var names, texts []string
			for _, d := range documents {
				names, texts = append(names, d.Name), append(texts, d.JSON)
				if left := placeholder.FindString(d.JSON); left != "" {
					t.Errorf("%s: placeholder %s is left", d.Name, left)
				}
				parsed, err := policy.Parse([]byte(d.JSON))
				if err != nil {
					t.Errorf("%s: %v", d.Name, err)
				}
				accepted := parsed.Policy().CheckIdentity
				if strings.HasPrefix(d.Name, "operator-trust-policy") {
					accepted = parsed.Policy().CheckTrust
				}
				if err := accepted(); err != nil {
					t.Errorf("%s: AWS rejects it: %v", d.Name, err)
				}
			}
			if diff := cmp.Diff(tc.names, names); diff != "" {
				t.Errorf("names: -want, +got:\n%s", diff)
			}
			for _, text := range tc.holds {
				if !slices.ContainsFunc(texts, func(document string) bool { return strings.Contains(document, text) }) {
					t.Errorf("no document holds %s", text)
				}
			}
		})
	}
}

// A value that is not what it should be would widen the policies or break them.
func TestDocuments_RejectsInvalidSettings(t *testing.T) {
	for flag, change := range map[string]func(*Settings){
		"--cluster-name":             func(s *Settings) { s.Cluster = "*" },
		"--role-path":                func(s *Settings) { s.RolePath = "/*/" },
		"--boundary-name":            func(s *Settings) { s.BoundaryName = `a","b` },
		"--operator-namespace":       func(s *Settings) { s.Namespace = "*" },
		"--operator-service-account": func(s *Settings) { s.ServiceAccount = "a:b" },
		"--partition":                func(s *Settings) { s.Partition = "*" },
		"--eks-cluster":              func(s *Settings) { s.EKSCluster = "*" },
		"--aws-region":               func(s *Settings) { s.EKSCluster, s.Region = "prod", "*" },
		"--account-id":               func(s *Settings) { s.AccountID = "12345678901" },
		"--issuer":                   func(s *Settings) { s.Issuer = "https://example.com/*" },
		"--event-queue-url":          func(s *Settings) { s.EventQueueURL = "https://sqs.us-east-1.amazonaws.com/123456789012/*" },
	} {
		t.Run(flag, func(t *testing.T) {
			s := settings
			change(&s)
			documents, err := Documents(s)
			if err == nil || !strings.Contains(err.Error(), flag) || documents != nil {
				t.Errorf("Documents() = %v, %v, want an error about %s", documents, err, flag)
			}
		})
	}
}

// Every form of a queue's URL gives its ARN; a URL that is none of AWS's names no region.
func TestQueueOf_ParsesEveryFormOfURL(t *testing.T) {
	for url, want := range map[string]string{
		"https://sqs.us-east-1.amazonaws.com/123456789012/podidentity-prod":     "arn:aws:sqs:us-east-1:123456789012:podidentity-prod",
		"https://us-east-1.queue.amazonaws.com/123456789012/a":                  "arn:aws:sqs:us-east-1:123456789012:a",
		"https://sqs.us-gov-west-1.api.aws/123456789012/a.fifo":                 "arn:aws:sqs:us-gov-west-1:123456789012:a.fifo",
		"http://127.0.0.1:4566/123456789012/a":                                  "",
		"https://sqs.us-east-1.amazonaws.com/123456789012/a/b":                  "",
		"https://sqs.us-east-1.amazonaws.com/123456789012/a\",\"Resource\":\"*": "",
	} {
		q, err := QueueOf(url)
		if got := q.ARN("aws"); err == nil && got != want || (err != nil) != (want == "") {
			t.Errorf("QueueOf(%q) = %q, %v, want %q", url, got, err, want)
		}
	}
}
