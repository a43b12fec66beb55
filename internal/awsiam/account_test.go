package awsiam

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

func TestIdentity_IsThatOfTheCaller(t *testing.T) {
	cases := map[string]struct {
		reason string
		in     awslocal.Options
		want   plan.Account
	}{
		"User": {
			reason: "A user tries the operator on a workstation.",
			want:   plan.Account{Partition: "aws", ID: "123456789012", CallerARN: "arn:aws:iam::123456789012:user/awslocal"},
		},
		"China": {
			reason: "The partition is that of the caller's own ARN.",
			in:     awslocal.Options{Partition: "aws-cn", Region: "cn-north-1", Account: "210987654321", CallerARN: "arn:aws-cn:sts::210987654321:assumed-role/operator/session"},
			want:   plan.Account{Partition: "aws-cn", ID: "210987654321", CallerARN: "arn:aws-cn:sts::210987654321:assumed-role/operator/session"},
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			_, _, c := account(t, tc.in)
			got, err := NewAccount(c.STS).Identity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Caller(...): -want, +got:\n%s", diff)
			}
		})
	}
}

func TestIdentity_FailureNamesTheCause(t *testing.T) {
	cases := map[string]struct {
		reason     string
		answer     http.HandlerFunc
		wantKind   fault.Kind
		wantReason string
		want       string
	}{
		"Rejected": {
			reason: "The credentials are wrong.",
			answer: func(w http.ResponseWriter, _ *http.Request) {
				rejectWith(w, 403, "InvalidClientTokenId", "The security token included in the request is invalid.")
			},
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonCredentialsUnavailable,
			want: "AWS STS rejected the operator's credentials (InvalidClientTokenId): invalid, expired or inactive, or node clock skew; see config/aws/README.md",
		},
		"Denied": {
			reason: "An organization can deny even this call.",
			answer: func(w http.ResponseWriter, _ *http.Request) {
				rejectWith(w, 403, "AccessDenied", denial+"sts:GetCallerIdentity with an explicit deny in a service control policy")
			},
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonAccessDenied,
			want: "sts:GetCallerIdentity is explicitly denied by a service control policy; see config/aws/operator-policy.json",
		},
		"Nonsense": {
			reason: "The server is not STS.",
			answer: func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte("<R><GetCallerIdentityResult><Arn>me</Arn></GetCallerIdentityResult></R>"))
			},
			wantKind: fault.Transient, wantReason: v1alpha1.ReasonAWSUnavailable,
			want: `STS returned an invalid caller ARN "me"`,
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			c := serve(t, tc.answer, ClientOptions{})
			_, err := NewAccount(c.STS).Identity(t.Context())
			if diff := cmp.Diff(reported{tc.wantKind, tc.wantReason, tc.want}, reportedBy(err)); diff != "" {
				t.Errorf("error: -want, +got:\n%s", diff)
			}
		})
	}
}

// summaries is an account whose quotas can be read or not.
type summaries struct {
	calls int
	roles int32
	err   error
}

func (s *summaries) GetAccountSummary(context.Context, *iam.GetAccountSummaryInput, ...func(*iam.Options)) (*iam.GetAccountSummaryOutput, error) {
	s.calls++
	if s.err != nil {
		return nil, s.err
	}
	return &iam.GetAccountSummaryOutput{SummaryMap: map[string]int32{"RolesQuota": s.roles}}, nil
}

// Quotas are read rarely, and keep their last known values: a message must not change
// because of a throttled call.
func TestQuotas_KeepTheirLastKnownValues(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	api := &summaries{roles: 1000}
	q := &quotas{api: api, now: func() time.Time { return now }}
	expect := func(reason string, wantValue int32, wantKnown bool, wantCalls int) {
		t.Helper()
		value, known := q.value(t.Context(), "RolesQuota")
		if value != wantValue || known != wantKnown || api.calls != wantCalls {
			t.Errorf("%s: value = %d, %v after %d calls; want %d, %v after %d", reason, value, known, api.calls, wantValue, wantKnown, wantCalls)
		}
	}

	expect("first", 1000, true, 1)
	api.roles = 5000
	expect("cached", 1000, true, 1)
	now = now.Add(quotaTTL)
	expect("outdated", 5000, true, 2)
	now, api.err = now.Add(quotaTTL), errors.New("denied")
	expect("failed, and still known", 5000, true, 3)
	expect("failed, and not called again", 5000, true, 3)
	if _, known := q.value(t.Context(), "Other"); known {
		t.Error("a quota is known that AWS did not return")
	}

	q = &quotas{api: api, now: time.Now}
	expect("never known", 0, false, 4)
}

// identity is an STS that returns a caller.
type identity struct{ arn string }

func (i identity) GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error) {
	return &sts.GetCallerIdentityOutput{Arn: aws.String(i.arn), Account: aws.String("123456789012")}, nil
}

func TestIdentity_OfEveryPartition(t *testing.T) {
	for _, partition := range []string{"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b"} {
		got, err := NewAccount(identity{"arn:" + partition + ":sts::123456789012:assumed-role/r/s"}).Identity(t.Context())
		if err != nil || got.Partition != partition {
			t.Errorf("Caller(...) = %+v, %v; want partition %s", got, err, partition)
		}
	}
}
