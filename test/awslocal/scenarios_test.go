package awslocal_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// scenario brings one of AWS's errors about in some actions, by what is in the
// account and by the request.
type scenario struct {
	reason  string
	options awslocal.Options
	given   []func(*testing.T, *endpoint) // what is in the account
	with    map[string]any                // the input, in addition to what the action requires
	call    func(*testing.T) error        // instead of all that
	alters  string                        // what it does to an account that TestConformance_EndpointsGiveTheSameAnswers must not do; empty means nothing
	actions []string
}

// inside is an error of some actions that neither the account's state nor an
// input brings about here, and why. The fault injector does.
type inside struct {
	reason  string
	actions []string // empty means all that document it
}

func (s scenario) run(t *testing.T, action string) error {
	t.Helper()
	if s.call != nil {
		return s.call(t)
	}
	return s.in(t, newEndpoint(t, s.options), action)
}

// Every error that AWS documents for an action is brought about through the SDK:
// by a scenario, or by a fault if it comes from inside AWS alone.
func TestErrors_EveryDocumentedOneOccurs(t *testing.T) {
	scenarios := map[string][]scenario{}
	for _, table := range []map[string][]scenario{iamScenarios(), stsScenarios(), eksScenarios()} {
		for code, list := range table {
			scenarios[code] = append(scenarios[code], list...)
		}
	}
	used := map[string]bool{}
	for name, m := range models {
		if name == "sqs" {
			continue // its errors have codes of an older protocol: TestQueue_Errors
		}
		for _, action := range m.OperationNames() {
			for code, status := range documented(m, action) {
				t.Run(action+"/"+code, func(t *testing.T) {
					used[action+"/"+code] = true
					got := failureOf(t, bringAbout(t, scenarios[code], action, code))
					if got.Code != code || got.Status != status || got.Message == "" {
						t.Errorf("got %v, want %s with status %d", got, code, status)
					}
				})
			}
		}
	}
	expectUsed := func(code string, actions []string) {
		for _, action := range actions {
			if !used[action+"/"+code] {
				t.Errorf("AWS does not document %s for %s", code, action)
			}
		}
	}
	for code, list := range scenarios {
		for _, s := range list {
			expectUsed(code, s.actions)
		}
	}
	for code, list := range fromInside {
		for _, i := range list {
			expectUsed(code, i.actions)
		}
	}
}

// bringAbout finds the one entry for an action and a code, and makes the error happen.
func bringAbout(t *testing.T, scenarios []scenario, action, code string) error {
	t.Helper()
	scenarios = slices.DeleteFunc(slices.Clone(scenarios), func(s scenario) bool { return !slices.Contains(s.actions, action) })
	faults := slices.DeleteFunc(slices.Clone(fromInside[code]), func(i inside) bool {
		return len(i.actions) > 0 && !slices.Contains(i.actions, action)
	})
	if n := len(scenarios) + len(faults); n != 1 {
		t.Fatalf("it has %d entries, want one", n)
	}
	var err error
	if len(scenarios) == 1 {
		err = scenarios[0].run(t, action)
	} else {
		e := newEndpoint(t, awslocal.Options{Faults: rules(awslocal.Rule{Error: code, Action: action})})
		err = invoke(t, e, action, nil)
	}
	if err == nil {
		t.Fatal("there is no error")
	}
	return err
}

// documented are the statuses of an action's errors by code.
func documented(m *model.Service, action string) map[string]int {
	codes := map[string]int{"Throttling": http.StatusBadRequest}
	if m.Metadata.Protocol != "query" {
		codes = map[string]int{"ThrottlingException": http.StatusBadRequest}
	}
	for _, name := range m.Operations[action].Errors {
		code := m.Shapes[name].Error.Code
		if code == "" {
			code = name
		}
		codes[code] = m.Shapes[name].Error.HTTPStatusCode
	}
	return codes
}

// fromInside are the errors that only AWS's own inside brings about.
var fromInside = map[string][]inside{
	"Throttling":                  {{reason: "Only a fault injects throttling."}},
	"ThrottlingException":         {{reason: "Only a fault injects throttling."}},
	"ServiceFailure":              {{reason: "Only AWS itself can fail so."}},
	"ServerException":             {{reason: "Only AWS itself can fail so."}},
	"ServiceUnavailableException": {{reason: "Only AWS itself can fail so."}},
	"ConcurrentModification":      {{reason: "The endpoint applies one change after the other."}},
	"ClientException":             {{reason: "With --authenticate, wrong credentials have other codes."}},
	"RegionDisabledException":     {{reason: "There is one region, in which STS is enabled."}},
	"OpenIdIdpCommunicationError": {{reason: "The issuer is not called when its provider is created."}},
	"IDPCommunicationError":       {{reason: "An unreachable issuer leads to InvalidIdentityToken, as observed in AWS."}},
	"IDPRejectedClaim":            {{reason: "The issuer is not called about single tokens."}},

	"UnsupportedAvailabilityZoneException": {{reason: "Subnets are not checked, as there are no zones."}},

	"ExpiredTokenException": {{reason: "The error is about context assertions of IAM Identity Center.", actions: []string{"AssumeRole"}}},
	"EntityAlreadyExists": {{
		reason:  "The quota of one role in an instance profile comes first.",
		actions: []string{"AddRoleToInstanceProfile"},
	}},
	"NoSuchEntity": {{
		reason:  "A service-linked role refers to nothing that could be missing.",
		actions: []string{"CreateServiceLinkedRole"},
	}},
	"InvalidInput": {{
		reason: "A malformed ARN of a policy leads to ValidationError, as observed in AWS; no other parameter can be invalid.",
		actions: []string{
			"AttachRolePolicy", "DetachRolePolicy", "ListAttachedRolePolicies", "GetPolicy", "DeletePolicy", "ListEntitiesForPolicy", "UntagPolicy",
			"ListPolicyTags", "CreatePolicyVersion", "GetPolicyVersion", "ListPolicyVersions", "SetDefaultPolicyVersion", "DeletePolicyVersion",
		},
	}, {
		reason:  "Invalid names and keys lead to ValidationError.",
		actions: []string{"GetServiceLastAccessedDetails", "UntagInstanceProfile"},
	}},
	"LimitExceeded": {{
		reason: "A deletion cannot exceed a quota.",
		actions: []string{
			"DeleteInstanceProfile", "DeletePolicy", "DeletePolicyVersion", "DeleteRole", "DeleteRolePolicy", "DeleteServiceLinkedRole",
			"DetachRolePolicy", "RemoveRoleFromInstanceProfile", "SetDefaultPolicyVersion",
		},
	}, {
		reason:  "Service-linked roles do not count, as AWS documents.",
		actions: []string{"CreateServiceLinkedRole"},
	}},
	"UnmodifiableEntity": {{
		reason:  "The description of a service-linked role can be changed, as AWS documents.",
		actions: []string{"UpdateRoleDescription"},
	}},
	"InvalidParameterException": {{
		reason:  "The model accepts any cluster and ID; one that does not exist leads to ResourceNotFoundException.",
		actions: []string{"DescribePodIdentityAssociation", "DeletePodIdentityAssociation"},
	}},
	"InvalidRequestException": {{
		reason:  "A cluster always accepts these requests.",
		actions: []string{"DescribePodIdentityAssociation", "DeletePodIdentityAssociation", "ListPodIdentityAssociations"},
	}},
	"ResourceInUseException": {{
		reason:  "A cluster has no node groups that could prevent its deletion.",
		actions: []string{"DeleteCluster"},
	}},
}
