package plugin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// simulator answers iam:SimulatePrincipalPolicy, which the endpoint does not have, as
// an account of an AWS organization: a service control policy denies s3:PutObject.
// All other requests are for the endpoint.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
type simulator struct{ endpoint http.Handler }

const simulation = `<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult>
<IsTruncated>false</IsTruncated><EvaluationResults><member>
<EvalActionName>%s</EvalActionName><EvalResourceName>%s</EvalResourceName><EvalDecision>%s</EvalDecision>
<MatchedStatements><member><SourcePolicyId>user_role_simulated_read</SourcePolicyId><SourcePolicyType>IAM Policy</SourcePolicyType></member></MatchedStatements>
<MissingContextValues/><OrganizationsDecisionDetail><AllowedByOrganizations>%t</AllowedByOrganizations></OrganizationsDecisionDetail>
</member></EvaluationResults></SimulatePrincipalPolicyResult>
<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></SimulatePrincipalPolicyResponse>`

func (s simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/policy/validation" {
		validatePolicy(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") != "SimulatePrincipalPolicy" {
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.endpoint.ServeHTTP(w, r)
		return
	}
	action := form.Get("ActionNames.member.1")
	decision, allowed := "allowed", action != "s3:PutObject"
	if !allowed {
		decision = "implicitDeny"
	}
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, simulation, action, form.Get("ResourceArns.member.1"), decision, allowed)
}

// validatePolicy answers access-analyzer:ValidatePolicy, which the endpoint does not
// have.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_ValidatePolicy.html
func validatePolicy(w http.ResponseWriter, r *http.Request) {
	var request struct{ PolicyDocument, PolicyType string }
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || request.PolicyType != "IDENTITY_POLICY" || !json.Valid([]byte(request.PolicyDocument)) {
		http.Error(w, `{"message": "invalid request"}`, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"findings": [{"findingType": "SUGGESTION", "issueCode": "REDUNDANT_ACTION", "findingDetails": "the action is redundant", "learnMoreLink": "https://docs.aws.amazon.com/", "locations": []}]}`)
}

// why --aws asks IAM's simulator, too, and says where it differs.
func (e *env) simulated() {
	e.Helper()
	all := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
	scenario{inline: all}.setUp(e, "simulated")
	for action, want := range map[string]struct {
		code int
		says string
	}{
		"s3:GetObject": {0, "IAM's policy simulator allows it, too"},
		"s3:PutObject": {1, "IAM's policy simulator differs: implicitDeny (a service control policy of the AWS organization)"},
	} {
		e.Run(action, func(t *testing.T) {
			r := e.with(t).kubectl(nil, "why", "-n", "simulated", "simulated", "--aws", "--action", action, "--resource", "arn:aws:s3:::bucket/key")
			if r.code != want.code || !strings.Contains(r.stdout, want.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s%s", r.code, want.code, want.says, r.stdout, r.stderr)
			}
		})
	}
}
