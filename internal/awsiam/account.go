package awsiam

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Account describes the AWS account that the operator works in.
type Account struct{ api STS }

// NewAccount returns an Account that calls api.
func NewAccount(api STS) *Account { return &Account{api: api} }

// Identity returns the account and the principal of the operator. The call needs no
// permission, so it fails only because of credentials or the network.
func (a *Account) Identity(ctx context.Context) (plan.Account, error) {
	out, err := a.api.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return plan.Account{}, classify(operation{name: "GetCallerIdentity"}, err, unknownQuota)
	}
	parsed, err := arn.Parse(aws.ToString(out.Arn))
	if err != nil {
		return plan.Account{}, fault.Errorf(fault.Transient, v1alpha1.ReasonAWSUnavailable, "STS returned an invalid caller ARN %q", aws.ToString(out.Arn))
	}
	return plan.Account{Partition: parsed.Partition, ID: aws.ToString(out.Account), CallerARN: parsed.String()}, nil
}

// quotaTTL is the time for which the account's quotas are cached. It is short, so that a
// blocked object soon sees a raised quota.
const quotaTTL = time.Minute

// quotas caches the account's quotas, which are read when first needed. It is safe for
// concurrent use: callers wait while they are read.
type quotas struct {
	api interface {
		GetAccountSummary(context.Context, *iam.GetAccountSummaryInput, ...func(*iam.Options)) (*iam.GetAccountSummaryOutput, error)
	}
	now func() time.Time

	mu      sync.Mutex
	readAt  time.Time
	summary map[string]int32
}

func newQuotas(api API) *quotas { return &quotas{api: api, now: time.Now} }

// value returns the quota with that key in GetAccountSummary, if it is known. If the
// quotas cannot be read, the known values stay until quotaTTL has passed again: quotas
// are needed only when something has failed or is about to fail.
func (q *quotas) value(ctx context.Context, key string) (int32, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now := q.now(); q.readAt.IsZero() || now.Sub(q.readAt) >= quotaTTL {
		q.readAt = now
		if out, err := q.api.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{}); err == nil {
			q.summary = out.SummaryMap
		}
	}
	v, ok := q.summary[key]
	return v, ok
}

// Quotas returns the account's quotas on a role. Unknown quotas are zero.
func (r *Roles) Quotas(ctx context.Context) plan.Quotas {
	value := func(key string) int {
		v, _ := r.quotas.value(ctx, key)
		return int(v)
	}
	return plan.Quotas{
		AttachedPoliciesPerRole: value("AttachedPoliciesPerRoleQuota"),
		AssumeRolePolicySize:    value("AssumeRolePolicySizeQuota"),
		RolePolicySize:          value("RolePolicySizeQuota"),
	}
}

// unknownQuota knows no quota.
func unknownQuota(string) (int32, bool) { return 0, false }
