package awslocal_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// A role is used when its credentials sign a request, allowed or not; to assume it is
// no use of it. GetRole and GetAccountAuthorizationDetails show that, ListRoles does
// not.
func TestRoleLastUsed_CountsSignedRequests(t *testing.T) {
	clock := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	e := newEndpoint(t, awslocal.Options{Clock: func() time.Time { return clock }})
	ctx := t.Context()
	e.createRole(t, "r")
	must(e.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("r"), PolicyDocument: aws.String(anyTrust)}))(t)
	expect := func(reason string, want *iamtypes.RoleLastUsed) {
		t.Helper()
		one := must(e.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("r")}))(t).Role.RoleLastUsed
		bulk := must(e.iam.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{}))(t).RoleDetailList[0].RoleLastUsed
		if diff := cmp.Diff([]*iamtypes.RoleLastUsed{want, want}, []*iamtypes.RoleLastUsed{one, bulk}, ignoreUnexported); diff != "" {
			t.Errorf("%s\n-want, +got:\n%s", reason, diff)
		}
	}
	expect("It is new.", &iamtypes.RoleLastUsed{})
	c := must(e.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(roleARN("r")), RoleSessionName: aws.String("session")}))(t).Credentials
	expect("It was assumed only.", &iamtypes.RoleLastUsed{})

	session := clients(e.Server, e.url, *c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	must(session.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	expect("It made a request.", &iamtypes.RoleLastUsed{LastUsedDate: aws.Time(clock), Region: aws.String("us-east-1")})

	first := clock
	clock = clock.Add(400 * 24 * time.Hour)
	expect("That is as far as records go back.", &iamtypes.RoleLastUsed{LastUsedDate: aws.Time(first), Region: aws.String("us-east-1")})
	clock = clock.Add(time.Second)
	expect("Records go back 400 days.", &iamtypes.RoleLastUsed{})

	if err := e.Record(awslocal.Access{Role: "r", Action: "s3:ListAllMyBuckets", At: clock, Region: "eu-west-1"}); err != nil {
		t.Fatal(err)
	}
	expect("It is in the records.", &iamtypes.RoleLastUsed{LastUsedDate: aws.Time(clock), Region: aws.String("eu-west-1")})
	must(e.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("r")}))(t)
	e.createRole(t, "r")
	expect("Another role of that name was not used.", &iamtypes.RoleLastUsed{})
}

// A report lists the services that the policies allow, those that were not used
// without a time, and the tracked actions.
func TestServiceLastAccessed_ListsAllowedServices(t *testing.T) {
	now := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	e := newEndpoint(t, awslocal.Options{Clock: func() time.Time { return now }})
	ctx := t.Context()
	e.createRole(t, "r")
	must(e.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("p"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:ListAllMyBuckets","sqs:SendMessage","sts:GetCallerIdentity","sts:AssumeRole"],"Resource":"*"},` +
			`{"Effect":"Deny","Action":"ec2:*","Resource":"*"}]}`)}))(t)
	at := now.Add(-time.Hour)
	if err := e.Record(
		awslocal.Access{Role: "R", Action: "s3:GetObject", At: at, Region: "eu-west-1", Untracked: true},
		awslocal.Access{Role: "r", Action: "s3:ListAllMyBuckets"},
		awslocal.Access{Role: "r", Action: "sts:GetCallerIdentity", At: at},
	); err != nil {
		t.Fatal(err)
	}
	report := func(granularity iamtypes.AccessAdvisorUsageGranularityType) *iam.GetServiceLastAccessedDetailsOutput {
		job := must(e.iam.GenerateServiceLastAccessedDetails(ctx, &iam.GenerateServiceLastAccessedDetailsInput{Arn: aws.String(roleARN("r")), Granularity: granularity}))(t).JobId
		ask := &iam.GetServiceLastAccessedDetailsInput{JobId: job}
		if first := must(e.iam.GetServiceLastAccessedDetails(ctx, ask))(t); first.JobStatus != iamtypes.JobStatusTypeInProgress || first.JobCompletionDate != nil {
			t.Errorf("the report is ready immediately: %v", first)
		}
		ask.MaxItems = aws.Int32(2)
		got := must(e.iam.GetServiceLastAccessedDetails(ctx, ask))(t)
		ask.Marker = got.Marker
		rest := must(e.iam.GetServiceLastAccessedDetails(ctx, ask))(t)
		if !got.IsTruncated || rest.IsTruncated {
			t.Errorf("three services are on two pages: %v, %v", got, rest)
		}
		got.ServicesLastAccessed = append(got.ServicesLastAccessed, rest.ServicesLastAccessed...)
		return got
	}
	arn := aws.String(roleARN("r"))
	want := []iamtypes.ServiceLastAccessed{{
		ServiceName: aws.String("Amazon S3"), ServiceNamespace: aws.String("s3"), TotalAuthenticatedEntities: aws.Int32(1),
		LastAuthenticated: &at, LastAuthenticatedEntity: arn, LastAuthenticatedRegion: aws.String("eu-west-1"),
		TrackedActionsLastAccessed: []iamtypes.TrackedActionLastAccessed{{ActionName: aws.String("ListAllMyBuckets")}},
	}, {
		ServiceName: aws.String("Amazon SQS"), ServiceNamespace: aws.String("sqs"), TotalAuthenticatedEntities: aws.Int32(0),
	}, {
		ServiceName: aws.String("AWS Security Token Service"), ServiceNamespace: aws.String("sts"), TotalAuthenticatedEntities: aws.Int32(1),
		LastAuthenticated: &at, LastAuthenticatedEntity: arn, LastAuthenticatedRegion: aws.String("us-east-1"),
		TrackedActionsLastAccessed: []iamtypes.TrackedActionLastAccessed{
			{ActionName: aws.String("AssumeRole")},
			{ActionName: aws.String("GetCallerIdentity"), LastAccessedEntity: arn, LastAccessedTime: &at, LastAccessedRegion: aws.String("us-east-1")},
		},
	}}
	got := report(iamtypes.AccessAdvisorUsageGranularityTypeActionLevel)
	if diff := cmp.Diff(want, got.ServicesLastAccessed, ignoreUnexported); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if got.JobStatus != iamtypes.JobStatusTypeCompleted || got.JobType != iamtypes.AccessAdvisorUsageGranularityTypeActionLevel || got.JobCompletionDate == nil {
		t.Errorf("the report is not complete: %v", got)
	}
	for i := range want {
		want[i].TrackedActionsLastAccessed = nil
	}
	if diff := cmp.Diff(want, report("").ServicesLastAccessed, ignoreUnexported); diff != "" {
		t.Errorf("without actions: -want, +got:\n%s", diff)
	}
}

// Uses can be reported over HTTP: all of a request or none.
func TestControlAccess_RecordsAllOrNone(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	e.createRole(t, "r")
	for body, want := range map[string]int{
		`[{"role":"r","action":"s3:ListAllMyBuckets","at":"2026-11-01T10:00:00Z"}]`:           http.StatusOK,
		`[{"role":"r","action":"s3:GetObject","at":"2026-11-01T10:00:00Z","untracked":true}]`: http.StatusOK,
		`[{"role":"other","action":"s3:ListAllMyBuckets"}]`:                                   http.StatusBadRequest,
		`[{"role":"r","action":"s3"}]`:                                                        http.StatusBadRequest,
		`[{"role":"r","action":"s3:GetObject","untracked":true}]`:                             http.StatusBadRequest,
		`{}`: http.StatusBadRequest,
	} {
		r, err := http.Post(e.url+"/_awslocal/access", "application/json", strings.NewReader(body)) //nolint:noctx // a test server
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Body.Close(); err != nil || r.StatusCode != want {
			t.Errorf("%s: status %d, want %d (%v)", body, r.StatusCode, want, err)
		}
	}
}
