package plugin_test

import (
	"bytes"
	"embed"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// models are AWS's published service models of the actions that the endpoint does not
// have, reduced by test/awslocal/model/reduce.
//
//go:embed testdata/*.json
var models embed.FS

func readModel(name string) *model.Service {
	raw, err := models.ReadFile("testdata/" + name + ".json")
	if err == nil {
		var s *model.Service
		if s, err = model.Parse(raw); err == nil {
			return s
		}
	}
	panic(err)
}

// beyond answers what the endpoint does not have: IAM's policy simulator, IAM Access
// Analyzer and the attributes of queues. It decodes and validates requests, and encodes
// its answers, by AWS's published models, so that a request or an answer which does not
// fit them fails the test. What it answers is fixed: an account of an AWS organization
// in which a service control policy denies s3:PutObject, an analyzer that has one finding
// of each type, and a queue without messages. All other requests are for the endpoint.
type beyond struct {
	endpoint                   http.Handler
	simulator, analyzer, queue *model.Service
}

func newBeyond(endpoint http.Handler) beyond {
	return beyond{endpoint, readModel("iam-simulate"), readModel("accessanalyzer"), readModel("sqs-attributes")}
}

func (b beyond) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	form, _ := url.ParseQuery(string(body)) // no form has no action
	action, _ := b.analyzer.Route(r.Method, r.URL)
	switch {
	case action == "ValidatePolicy" && signedFor(r, "access-analyzer"):
		b.validatePolicy(w, r, body)
	case form.Get("Action") == "SimulatePrincipalPolicy" && signedFor(r, "iam"):
		b.simulate(w, form)
	case r.Header.Get("X-Amz-Target") == "AmazonSQS.GetQueueAttributes" && signedFor(r, "sqs"):
		b.queueAttributes(w, body)
	default:
		r.Body = io.NopCloser(bytes.NewReader(body))
		b.endpoint.ServeHTTP(w, r)
	}
}

// signedFor reports whether a request is signed for a service, as AWS demands.
func signedFor(r *http.Request, service string) bool {
	return strings.Contains(r.Header.Get("Authorization"), "/"+service+"/aws4_request")
}

func answer(w http.ResponseWriter, contentType string, body []byte, err error) {
	w.Header().Set("Content-Type", contentType)
	if err != nil {
		http.Error(w, `{"message": "the request does not fit the service model: `+strings.ReplaceAll(err.Error(), `"`, "'")+`"}`, http.StatusBadRequest)
		return
	}
	_, _ = w.Write(body) // the caller may have gone
}

// simulate answers one action.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
func (b beyond) simulate(w http.ResponseWriter, form url.Values) {
	const operation = "SimulatePrincipalPolicy"
	in, err := b.simulator.DecodeQuery(operation, form)
	if err == nil {
		err = b.simulator.Validate(operation, in)
	}
	if err != nil {
		answer(w, "text/xml", nil, err)
		return
	}
	action, resources := in.Strings("ActionNames")[0], append(in.Strings("ResourceArns"), "*")
	decision, allowed := "allowed", action != "s3:PutObject"
	if !allowed {
		decision = "implicitDeny"
	}
	out := model.Struct{"IsTruncated": false, "EvaluationResults": model.List([]model.Struct{{
		"EvalActionName": action, "EvalResourceName": resources[0], "EvalDecision": decision,
		"MatchedStatements":           model.List([]model.Struct{{"SourcePolicyId": "user_role_simulated_read", "SourcePolicyType": "role"}}),
		"OrganizationsDecisionDetail": model.Struct{"AllowedByOrganizations": allowed},
	}})}
	body, err := b.simulator.EncodeQuery(operation, out, "0")
	answer(w, "text/xml", body, err)
}

// validatePolicy answers with a page of two findings, and one of two more.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_ValidatePolicy.html
func (b beyond) validatePolicy(w http.ResponseWriter, r *http.Request, body []byte) {
	const operation = "ValidatePolicy"
	in, err := b.analyzer.DecodeREST(operation, nil, r.URL.Query(), body)
	if err == nil {
		err = b.analyzer.Validate(operation, in)
	}
	if err != nil || in.Str("policyType") != "IDENTITY_POLICY" || !strings.Contains(in.Str("policyDocument"), `"Statement"`) {
		answer(w, "application/json", nil, err)
		return
	}
	finding := func(kind, code, details string) model.Struct {
		at := model.Struct{"line": int64(1), "column": int64(0), "offset": int64(0)}
		return model.Struct{
			"findingType": kind, "issueCode": code, "findingDetails": details, "learnMoreLink": "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html",
			"locations": model.List([]model.Struct{{"path": model.List([]model.Struct{{"value": "Statement"}}), "span": model.Struct{"start": at, "end": at}}}),
		}
	}
	out := model.Struct{"nextToken": "2", "findings": model.List([]model.Struct{
		finding("ERROR", "INVALID_ACTION", "the action does not exist"), finding("SECURITY_WARNING", "PASS_ROLE_WITH_STAR_IN_RESOURCE", "the resource is a wildcard"),
	})}
	if in.Str("nextToken") == "2" {
		out = model.Struct{"findings": model.List([]model.Struct{
			finding("WARNING", "MISSING_VERSION", "the version is missing"), finding("SUGGESTION", "REDUNDANT_ACTION", "the action is redundant"),
		})}
	}
	text, err := b.analyzer.EncodeREST(operation, out)
	answer(w, "application/json", text, err)
}

// queueAttributes answers that no message waits.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
func (b beyond) queueAttributes(w http.ResponseWriter, body []byte) {
	const operation = "GetQueueAttributes"
	in, err := b.queue.DecodeREST(operation, nil, nil, body)
	if err == nil {
		err = b.queue.Validate(operation, in)
	}
	if err != nil {
		answer(w, "application/x-amz-json-1.0", nil, err)
		return
	}
	if strings.HasSuffix(in.Str("QueueUrl"), "/gone") {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Header().Set("X-Amzn-Query-Error", "AWS.SimpleQueueService.NonExistentQueue;Sender")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "The specified queue does not exist."}`)
		return
	}
	text, err := b.queue.EncodeREST(operation, model.Struct{"Attributes": model.Struct{"ApproximateNumberOfMessages": "0"}})
	answer(w, "application/x-amz-json-1.0", text, err)
}

// why --aws also asks IAM's simulator, and reports where it differs.
func (e *env) simulated() {
	e.Helper()
	all := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
	scenario{inline: all}.setUp(e, "simulated")
	for action, want := range map[string]struct {
		code int
		says string
	}{
		"s3:GetObject": {0, "IAM's policy simulator also allows it"},
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
