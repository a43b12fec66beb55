package guardrail

import (
	"fmt"
	"strings"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// reservedActions is a row of the baseline: actions that no policy may allow unless a
// guardrail allows them.
type reservedActions struct {
	title   string   // names the row in docs/guardrails.md
	actions []string // patterns
	except  []string // patterns of actions that stay allowed
	phrase  phrase
	reason  string // explains the row in docs/guardrails.md
}

// baseline lists all reserved actions. Each row leads to permissions that its
// owner was not given. docs/guardrails.md shows the table.
//
// The names of services and actions are those of the AWS Service Authorization
// Reference:
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
var baseline = []reservedActions{
	{
		title:   "IAM",
		actions: []string{"iam:*"},
		except:  []string{"iam:Get*", "iam:List*", "iam:Simulate*", "iam:Generate*", "iam:CreateServiceLinkedRole", passRole},
		phrase:  phrase{"administers IAM", "administer IAM"},
		reason:  "A caller that writes to IAM grants itself any other permission. AWS alone defines the permissions of a service-linked role.",
	},
	{
		title:   "Roles of others",
		actions: roleActions,
		phrase:  phrase{"grants the permissions of other roles", "grant the permissions of other roles"},
		reason:  "The caller gets the permissions of the role, and the operator does not know them. This also applies to one named role.",
	},
	{
		title:   "IAM Identity Center",
		actions: []string{"sso:*", "sso-directory:*", "sso-oauth:*", "identitystore:*", "identitystore-auth:*", "identity-sync:*"},
		except: []string{
			"sso:Describe*", "sso:Get*", "sso:List*", "sso:Search*",
			"sso-directory:Describe*", "sso-directory:Get*", "sso-directory:List*", "sso-directory:Search*",
			"identitystore:Describe*", "identitystore:Get*", "identitystore:IsMember*", "identitystore:List*",
			"identitystore-auth:BatchGet*", "identitystore-auth:List*",
			"identity-sync:Get*", "identity-sync:List*",
		},
		phrase: phrase{"administers IAM Identity Center", "administer IAM Identity Center"},
		reason: "It decides which people have which permissions, in all accounts of the organization.",
	},
	{
		title:   "AWS Organizations",
		actions: []string{"organizations:*"},
		except:  []string{"organizations:Describe*", "organizations:List*"},
		phrase:  phrase{"administers AWS Organizations", "administer AWS Organizations"},
		reason:  "It decides what every account may do, and can create accounts and close them.",
	},
	{
		title:   "Account Management",
		actions: []string{"account:*"},
		except:  []string{"account:Get*", "account:List*"},
		phrase:  phrase{"administers the AWS account", "administer the AWS account"},
		reason:  "The account's email address and contacts lead to its root user.",
	},
	{
		title:   "IAM Roles Anywhere",
		actions: []string{"rolesanywhere:*"},
		except:  []string{"rolesanywhere:Get*", "rolesanywhere:List*"},
		phrase:  phrase{"administers IAM Roles Anywhere", "administer IAM Roles Anywhere"},
		reason:  "A trust anchor lets machines outside AWS assume roles.",
	},
	{
		title:   "AWS Resource Access Manager",
		actions: []string{"ram:*"},
		except:  []string{"ram:Get*", "ram:List*"},
		phrase:  phrase{"shares resources with other accounts", "share resources with other accounts"},
		reason:  "It gives other accounts access to resources of this one.",
	},
	{
		title:   "AWS Control Tower",
		actions: []string{"controltower:*"},
		except:  []string{"controltower:Describe*", "controltower:Get*", "controltower:List*"},
		phrase:  phrase{"administers AWS Control Tower", "administer AWS Control Tower"},
		reason:  "It creates accounts, and the controls on all of them.",
	},
	{
		title: "Access to EKS clusters",
		actions: []string{
			"eks:*AccessEntry", "eks:*AccessEntries", "eks:*AccessPolicy", "eks:*AccessPolicies",
			"eks:*IdentityProviderConfig", "eks:*PodIdentityAssociation",
		},
		except: []string{"eks:Describe*", "eks:List*"},
		phrase: phrase{"grants access to EKS clusters", "grant access to EKS clusters"},
		reason: "An access entry makes its principal administrator of a cluster. A Pod Identity association gives pods the permissions of a role.",
	},
}

// passRole lets the caller hand a role to an AWS service.
const passRole = "iam:PassRole"

// roleActions give the caller the permissions of the role that they name. A guardrail that
// allows one of them must also allow the roles, as resources.
var roleActions = []string{passRole, "sts:AssumeRole", "sts:AssumeRoot"}

// maxWholeServices is the number of services that an identity may have in whole on
// all resources. It is above what an application uses, and far below the number of
// AWS services, about 450.
const maxWholeServices = 10

// The violations of action patterns that are too broad.
var (
	everyAction  = phrase{"allows every action of AWS", "allow every action of AWS"}
	everyService = phrase{"matches actions of several services; name each service", "match actions of several services; name each service"}
)

// breadth are the rows of the baseline that no list of actions can express.
var breadth = []struct{ title, rejected, reason string }{
	{"Everything", "`*`, patterns that match several services, and `Allow` with `NotAction` or `NotResource`", "They include all of the above."},
	{
		"Whole services",
		fmt.Sprintf("more than %d whole services (`s3:*`) on all resources, counted over all policies of the identity", maxWholeServices),
		"Together they amount to everything.",
	},
}

// reservedInService is a row of the baseline, for the actions of one service.
type reservedInService struct {
	actions *policy.Denylist
	except  *policy.Allowlist
	phrase  phrase
}

// byService are the rows of the baseline by the service of their actions, in lower
// case.
var byService = indexBaseline()

func indexBaseline() map[string][]reservedInService {
	index := map[string][]reservedInService{}
	for _, row := range baseline {
		services := map[string][]string{}
		for _, action := range row.actions {
			service, _, _ := strings.Cut(action, ":")
			services[service] = append(services[service], action)
		}
		for service, actions := range services {
			index[service] = append(index[service], reservedInService{
				actions: policy.NewDenylist(policy.AnyCase, actions...),
				except:  policy.NewAllowlist(policy.AnyCase, row.except...),
				phrase:  row.phrase,
			})
		}
	}
	return index
}

// baselineAction returns the violation of an action pattern by the baseline; the zero
// phrase if there is none.
func baselineAction(action string) phrase {
	service, _, found := strings.Cut(action, ":")
	switch {
	case strings.Trim(action, everything) == "" && action != "":
		return everyAction
	case isPattern(service) || !found:
		return everyService
	}
	for _, row := range byService[lower(service)] {
		if row.actions.Overlaps(action) && !row.except.Covers(action) {
			return row.phrase
		}
	}
	return phrase{}
}

// wholeService returns the service of an action pattern whose action name begins with a
// wildcard, such as s3:*; empty if the pattern is narrower.
func wholeService(action string) string {
	service, name, _ := strings.Cut(action, ":")
	if name == "" || !isPattern(name[:1]) {
		return ""
	}
	return lower(service)
}

// allResources reports whether the resource part of a resource pattern begins with a
// wildcard.
func allResources(resource string) bool {
	const segments = 6 // arn:partition:service:region:account:resource
	parts := strings.SplitN(resource, ":", segments)
	last := parts[len(parts)-1]
	// A policy variable has colons itself, and so moves the last segment.
	return len(parts) < segments || last == "" || isPattern(last[:1]) || strings.Contains(strings.Join(parts[:segments-1], ""), "$")
}

// isPattern reports whether s may match several strings. A policy variable may
// have any value.
func isPattern(s string) bool { return strings.ContainsAny(s, "*?$") }

// lower folds the case of ASCII letters, as IAM does.
func lower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' || s[i] >= 0x80 {
			return strings.Map(func(r rune) rune {
				if r >= 'A' && r <= 'Z' {
					return r + 'a' - 'A'
				}
				return r
			}, s)
		}
	}
	return s
}
