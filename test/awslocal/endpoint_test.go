package awslocal_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

const (
	account  = "123456789012"
	ec2Trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	anyTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`
	readS3   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}`
)

// endpoint is a server with the AWS SDK's own clients for it.
type endpoint struct {
	*awslocal.Server
	url string
	iam *iam.Client
	sts *sts.Client
	eks *eks.Client
	sqs *sqs.Client
	// target, if set, is the account that invoke calls, with names of its own.
	target *target
}

func newEndpoint(t *testing.T, o awslocal.Options) *endpoint {
	t.Helper()
	if o.Seed == 0 {
		o.Seed = 1
	}
	server := awslocal.New(o)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return clients(server, web.URL, "AKIDLOCAL", "secret", "")
}

// clients are the SDK's with the given credentials. They do not retry, so that
// a test sees what the endpoint says.
func clients(server *awslocal.Server, url, key, secret, token string) *endpoint {
	cfg := aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: &url,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, SessionToken: token}, nil
		}),
		Retryer:    func() aws.Retryer { return aws.NopRetryer{} },
		HTTPClient: wholeAnswers{},
	}
	return &endpoint{
		Server: server,
		url:    url,
		iam:    iam.NewFromConfig(cfg),
		sts:    sts.NewFromConfig(cfg),
		eks:    eks.NewFromConfig(cfg),
		sqs:    sqs.NewFromConfig(cfg),
	}
}

// wholeAnswers is an HTTP client that hands over answers when it has all of
// them: see writeAnswer for what can become of the rest on a busy machine.
type wholeAnswers struct{}

func (wholeAnswers) Do(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}

// failure is what a caller sees of an error of AWS's.
type failure struct {
	Status  int
	Code    string
	Message string
}

func failureOf(t *testing.T, err error) failure {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		t.Fatalf("want an API error, got %v", err)
	}
	var f failure
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		f.Status = answer.HTTPStatusCode()
		if answer.ServiceRequestID() == "" {
			t.Errorf("the answer has no request ID: %v", err)
		}
	}
	f.Code, f.Message = api.ErrorCode(), api.ErrorMessage()
	return f
}

// errorCase is one call that AWS rejects.
type errorCase struct {
	reason string
	call   func(context.Context, *endpoint) error
	want   failure
}

func runErrors(t *testing.T, cases map[string]errorCase, prepare func(*testing.T, *endpoint), o awslocal.Options) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			e := newEndpoint(t, o)
			if prepare != nil {
				prepare(t, e)
			}
			err := tc.call(t.Context(), e)
			if err == nil {
				t.Fatalf("want %v, got no error", tc.want)
			}
			if diff := cmp.Diff(tc.want, failureOf(t, err)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// must fails the test if a preparation does.
func must[T any](out T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// createRole makes a role with the least that it needs.
func (e *endpoint) createRole(t *testing.T, name string, edit ...func(*iam.CreateRoleInput)) *iam.CreateRoleOutput {
	t.Helper()
	in := &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(ec2Trust)}
	for _, f := range edit {
		f(in)
	}
	return must(e.iam.CreateRole(t.Context(), in))(t)
}

func (e *endpoint) createPolicy(t *testing.T, name string) string {
	t.Helper()
	out := must(e.iam.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: aws.String(readS3)}))(t)
	return *out.Policy.Arn
}

// send makes a plain HTTP request and follows no redirect. It may be used from any goroutine.
func send(t *testing.T, method, url, body string, header http.Header) (answered http.Header, status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return nil, 0, ""
	}
	maps.Copy(req.Header, header)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return nil, 0, ""
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.Header, resp.StatusCode, string(raw)
}

// fakeClock stands still until it is moved.
type fakeClock struct{ at time.Time }

func newClock() *fakeClock                   { return &fakeClock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }
func (c *fakeClock) now() time.Time          { return c.at }
func (c *fakeClock) advance(d time.Duration) { c.at = c.at.Add(d) }
func policyARN(name string) string           { return "arn:aws:iam::" + account + ":policy/" + name }
func roleARN(name string) string             { return "arn:aws:iam::" + account + ":role/" + name }
func ignore[T any](_ T, err error) error     { return err }
func document(statements string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":` + statements + `}`)
}
