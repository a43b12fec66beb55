package awslocal_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// scenario brings one of AWS's errors about in some actions, by what is in the
// account and by what is asked.
type scenario struct {
	reason  string
	options awslocal.Options
	given   []func(*testing.T, *endpoint) // what is in the account
	with    map[string]any                // what is asked, beyond what the action requires
	call    func(*testing.T) error        // instead of all that
	alters  string                        // what it does to an account that TestConformance must not do; empty means nothing
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
func TestDocumentedErrors(t *testing.T) {
	scenarios := map[string][]scenario{}
	for _, table := range []map[string][]scenario{iamScenarios(), stsScenarios(), eksScenarios()} {
		for code, list := range table {
			scenarios[code] = append(scenarios[code], list...)
		}
	}
	used := map[string]bool{}
	for name, m := range models {
		if name == "sqs" {
			continue // its errors have codes of an older protocol: TestQueueErrors
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
	"Throttling":                  {{reason: "Rates are those of a fault's token buckets."}},
	"ThrottlingException":         {{reason: "Rates are those of a fault's token buckets."}},
	"ServiceFailure":              {{reason: "AWS itself fails."}},
	"ServerException":             {{reason: "AWS itself fails."}},
	"ServiceUnavailableException": {{reason: "AWS itself fails."}},
	"ConcurrentModification":      {{reason: "Calls have their effects one after the other here."}},
	"ClientException":             {{reason: "The caller's credentials may not be used so; --authenticate has other codes for it."}},
	"RegionDisabledException":     {{reason: "There is one region, and STS is on in it."}},
	"OpenIdIdpCommunicationError": {{reason: "The issuer is not called when its provider is made."}},
	"IDPCommunicationError":       {{reason: "An unreachable issuer is reported as InvalidIdentityToken, as seen of AWS."}},
	"IDPRejectedClaim":            {{reason: "Issuers of ID tokens are not asked about single tokens."}},

	"UnsupportedAvailabilityZoneException": {{reason: "Subnets are taken as given; there are no zones."}},

	"ExpiredTokenException": {{reason: "It is about context assertions of IAM Identity Center.", actions: []string{"AssumeRole"}}},
	"EntityAlreadyExists": {{
		reason:  "The quota of one role in a profile comes first.",
		actions: []string{"AddRoleToInstanceProfile"},
	}},
	"NoSuchEntity": {{
		reason:  "A role for a service refers to nothing that could be missing.",
		actions: []string{"CreateServiceLinkedRole"},
	}},
	"InvalidInput": {{
		reason: "A malformed ARN of a policy is a ValidationError, as seen of AWS; nothing else is there to be invalid.",
		actions: []string{
			"AttachRolePolicy", "DetachRolePolicy", "ListAttachedRolePolicies", "GetPolicy", "DeletePolicy", "ListEntitiesForPolicy", "UntagPolicy",
			"ListPolicyTags", "CreatePolicyVersion", "GetPolicyVersion", "ListPolicyVersions", "SetDefaultPolicyVersion", "DeletePolicyVersion",
		},
	}, {
		reason:  "Faults in names and keys are reported as ValidationError.",
		actions: []string{"GetServiceLastAccessedDetails", "UntagInstanceProfile"},
	}},
	"LimitExceeded": {{
		reason: "What takes away exceeds no quota.",
		actions: []string{
			"DeleteInstanceProfile", "DeletePolicy", "DeletePolicyVersion", "DeleteRole", "DeleteRolePolicy", "DeleteServiceLinkedRole",
			"DetachRolePolicy", "RemoveRoleFromInstanceProfile", "SetDefaultPolicyVersion",
		},
	}, {
		reason:  "Roles of services do not count, says AWS.",
		actions: []string{"CreateServiceLinkedRole"},
	}},
	"UnmodifiableEntity": {{
		reason:  "The description of a service's role may be changed, says AWS.",
		actions: []string{"UpdateRoleDescription"},
	}},
	"InvalidParameterException": {{
		reason:  "The model takes any text for a cluster and an ID; what is not there is ResourceNotFoundException.",
		actions: []string{"DescribePodIdentityAssociation", "DeletePodIdentityAssociation"},
	}},
	"InvalidRequestException": {{
		reason:  "Clusters have no state in which it could not be asked.",
		actions: []string{"DescribePodIdentityAssociation", "DeletePodIdentityAssociation", "ListPodIdentityAssociations"},
	}},
	"ResourceInUseException": {{
		reason:  "Clusters have no node groups that could stand in the way.",
		actions: []string{"DeleteCluster"},
	}},
}
