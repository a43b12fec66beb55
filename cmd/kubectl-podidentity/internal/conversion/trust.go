package conversion

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// trusted is what a trust policy admits that a PodIdentity can express.
type trusted struct {
	// accounts holds the names of ServiceAccounts by namespace; * for all of it.
	accounts map[string][]string
	losses   []string
}

func (t *trusted) lose(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(t.losses, text) {
		t.losses = append(t.losses, text)
	}
}

func (t *trusted) add(namespace, name string) {
	if !slices.Contains(t.accounts[namespace], name) {
		t.accounts[namespace] = append(t.accounts[namespace], name)
	}
}

// everyName is the name that stands for all ServiceAccounts of a namespace.
const everyName = "*"

// readTrust reads a trust policy. The issuer is that of the cluster without https://;
// empty if it is not known, and then every issuer counts.
func readTrust(document, issuer string) trusted {
	t := trusted{accounts: map[string][]string{}}
	p, err := policy.Decode([]byte(document))
	if err != nil {
		t.lose("the trust policy cannot be read: %v", err)
		return t
	}
	issuers := map[string]bool{}
	for i, s := range p.Statements {
		t.statement(fmt.Sprintf("Statement[%d] of the trust policy", i), s, issuer, issuers)
	}
	if len(issuers) > 1 {
		t.lose("the trust policy admits tokens of %d issuers (%s); the new role admits those of the cluster that it is in",
			len(issuers), strings.Join(slices.Sorted(maps.Keys(issuers)), ", "))
	}
	return t
}

func (t *trusted) statement(where string, s policy.Statement, issuer string, issuers map[string]bool) {
	if s.Effect != policy.Allow {
		t.lose("%s denies something; a generated trust policy denies nothing", where)
		return
	}
	if s.NotPrincipals != nil || s.NotActions != nil {
		t.lose("%s has NotPrincipal or NotAction", where)
		return
	}
	host := ""
	for _, p := range s.Principals {
		_, of, isProvider := strings.Cut(p.ID, ":oidc-provider/")
		switch {
		case p.Type != policy.Federated || !isProvider:
			t.lose("%s admits %s %s, which is not a ServiceAccount of this cluster", where, p.Type, p.ID)
		case issuer != "" && of != issuer:
			t.lose("%s admits tokens of another issuer, %s", where, of)
		default:
			host = of
		}
	}
	if host == "" || !t.actions(where, s.Actions) {
		return
	}
	issuers[host] = true
	t.conditions(where, s.Conditions, host)
}

// actions reports whether one of the actions is what pods call.
func (t *trusted) actions(where string, actions []string) bool {
	found := false
	for _, a := range actions {
		if strings.EqualFold(a, "sts:AssumeRoleWithWebIdentity") {
			found = true
		} else {
			t.lose("%s allows %s, which the generated trust policy does not", where, a)
		}
	}
	return found
}

// conditions reads who is admitted. A condition that is not understood admits no one
// here: without it, the role would admit more.
func (t *trusted) conditions(where string, conditions []policy.Condition, host string) {
	var subjects []policy.Condition
	audience := false
	for _, c := range conditions {
		claim, ofHost := strings.CutPrefix(strings.ToLower(c.Key), strings.ToLower(host)+":")
		switch {
		case ofHost && claim == "sub":
			subjects = append(subjects, c)
		case ofHost && claim == "aud":
			audience = true
			if !slices.Equal(c.Values, []string{plan.DefaultAudience}) {
				t.lose("%s admits the audience %s; the new role admits that of the operator, %s by default", where, strings.Join(c.Values, ", "), plan.DefaultAudience)
			}
		default:
			t.lose("%s has the condition %s on %s, which cannot be expressed; what it admits was left out", where, c.Operator, c.Key)
			return
		}
	}
	if !audience {
		t.lose("%s tests no audience; the generated trust policy does", where)
	}
	if len(subjects) != 1 {
		t.lose("%s has %d conditions on the subject, and 1 is needed to name ServiceAccounts", where, len(subjects))
		return
	}
	t.subjects(where, subjects[0])
}

func (t *trusted) subjects(where string, c policy.Condition) {
	operator := strings.TrimPrefix(strings.ToLower(c.Operator), "foranyvalue:")
	if operator != "stringequals" && operator != "stringlike" {
		t.lose("%s tests the subject with %s; a generated trust policy uses StringEquals", where, c.Operator)
		return
	}
	for _, value := range c.Values {
		part := strings.Split(value, ":")
		isAccount := len(part) == 4 && part[0] == "system" && part[1] == "serviceaccount" //nolint:mnd // system:serviceaccount:NAMESPACE:NAME
		whole := isAccount && operator == "stringlike" && part[3] == everyName && len(validation.IsDNS1123Label(part[2])) == 0
		switch {
		case !isAccount:
			t.lose("%s admits %s, which is not a ServiceAccount", where, value)
		case whole:
			t.add(part[2], everyName)
		case strings.ContainsAny(value, "*?$") && operator == "stringequals":
			t.lose("%s compares with %s by %s, which takes * literally: it admits no one", where, value, c.Operator)
		case strings.ContainsAny(value, "*?$"):
			t.lose("%s admits every subject like %s; a PodIdentity names ServiceAccounts, or trusts a whole namespace", where, value)
		case len(validation.IsDNS1123Label(part[2])) > 0 || len(validation.IsDNS1123Subdomain(part[3])) > 0:
			t.lose("%s admits %s, which cannot be the name of a ServiceAccount", where, value)
		default:
			t.add(part[2], part[3])
		}
	}
}
