package account

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/narrow"
)

// The first and the longest pause between two requests for a report.
const (
	firstPoll   = time.Second
	longestPoll = 5 * time.Second
)

// LastAccessed requests IAM's report of the services and actions that a role used, and
// returns it by service prefix. It waits for the report until ctx ends.
func (a *Account) LastAccessed(ctx context.Context, roleARN string) (map[string]narrow.Service, error) {
	const start, ask = "iam:GenerateServiceLastAccessedDetails", "iam:GetServiceLastAccessedDetails"
	target := "role " + roleARN
	job, err := a.iam.GenerateServiceLastAccessedDetails(ctx, &iam.GenerateServiceLastAccessedDetailsInput{
		Arn: &roleARN, Granularity: iamtypes.AccessAdvisorUsageGranularityTypeActionLevel,
	})
	if err != nil {
		return nil, a.explain(start, target, err)
	}
	input := &iam.GetServiceLastAccessedDetailsInput{JobId: job.JobId, MaxItems: aws.Int32(1000)}
	services := map[string]narrow.Service{}
	for pause := firstPoll; ; {
		out, err := a.iam.GetServiceLastAccessedDetails(ctx, input)
		switch {
		case err != nil:
			return nil, a.explain(ask, target, err)
		case out.JobStatus == iamtypes.JobStatusTypeFailed:
			return nil, &Error{text: "IAM failed to generate the report for " + target + ": " + failureOf(out.Error) + "; try again later"}
		case out.JobStatus == iamtypes.JobStatusTypeInProgress:
			if err := sleep(ctx, pause); err != nil {
				return nil, a.explain(ask, target, err)
			}
			pause = min(2*pause, longestPoll)
			continue
		}
		for i := range out.ServicesLastAccessed {
			addService(services, &out.ServicesLastAccessed[i])
		}
		if !out.IsTruncated {
			return services, nil
		}
		input.Marker = out.Marker
	}
}

func addService(to map[string]narrow.Service, s *iamtypes.ServiceLastAccessed) {
	service := narrow.Service{LastUsed: aws.ToTime(s.LastAuthenticated), Actions: map[string]time.Time{}}
	for _, action := range s.TrackedActionsLastAccessed {
		service.Actions[aws.ToString(action.ActionName)] = aws.ToTime(action.LastAccessedTime)
	}
	to[strings.ToLower(aws.ToString(s.ServiceNamespace))] = service
}

func failureOf(e *iamtypes.ErrorDetails) string {
	if e == nil {
		return "without a reason"
	}
	return oneLine(errors.New(aws.ToString(e.Code) + ": " + aws.ToString(e.Message)))
}

// sleep waits, or returns the error of ctx if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
