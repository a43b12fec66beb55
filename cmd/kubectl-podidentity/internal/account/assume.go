package account

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	smithy "github.com/aws/smithy-go"
)

// Session is a session of a role. Its credentials stay in this package.
type Session struct {
	Caller  Caller
	Expires time.Time
}

// Rejection is AWS's answer to a token that gets no session.
type Rejection struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Meaning returns what the rejection means for the configuration.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
func (r Rejection) Meaning() string {
	switch r.Code {
	case "AccessDenied":
		return "the role does not exist, or its trust policy does not admit this token"
	case "InvalidIdentityToken":
		return "IAM has no OIDC provider for the issuer, does not accept the audience, or cannot fetch the issuer's keys"
	case "ExpiredTokenException":
		return "the token has expired: the clock of the cluster or of this machine may be wrong"
	case "IDPCommunicationError":
		return "AWS cannot reach the issuer"
	default:
		return "see the documentation of sts:AssumeRoleWithWebIdentity"
	}
}

// Assume exchanges a ServiceAccount's token for a session of a role, as the AWS SDK
// in a pod does, and asks AWS who that session is. It needs no credentials of the
// user: the token is the proof.
func Assume(ctx context.Context, o Options, roleARN, token string) (*Session, *Rejection, error) {
	cfg, err := config.LoadDefaultConfig(ctx, append(load(o), config.WithCredentialsProvider(aws.AnonymousCredentials{}))...)
	if err != nil {
		return nil, nil, explainConfig(err)
	}
	a := &Account{profile: o.Profile}
	const action = "sts:AssumeRoleWithWebIdentity"
	out, err := sts.NewFromConfig(cfg).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &roleARN, RoleSessionName: aws.String("kubectl-podidentity"), WebIdentityToken: &token,
	})
	if rejection := rejectionOf(err); rejection != nil {
		return nil, rejection, nil
	}
	if err != nil {
		return nil, nil, a.explain(action, "role "+roleARN, err)
	}
	caller, err := a.callerOfSession(ctx, cfg, out.Credentials)
	if err != nil {
		return nil, nil, err
	}
	return &Session{Caller: *caller, Expires: aws.ToTime(out.Credentials.Expiration)}, nil, nil
}

func rejectionOf(err error) *Rejection {
	answer, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return nil
	}
	switch code := answer.ErrorCode(); code {
	case "AccessDenied", "InvalidIdentityToken", "ExpiredTokenException", "IDPRejectedClaim", "IDPCommunicationError":
		return &Rejection{Code: code, Message: messageOf(err)}
	default:
		return nil
	}
}

func (a *Account) callerOfSession(ctx context.Context, cfg aws.Config, c *ststypes.Credentials) (*Caller, error) {
	cfg.Credentials = credentials.NewStaticCredentialsProvider(aws.ToString(c.AccessKeyId), aws.ToString(c.SecretAccessKey), aws.ToString(c.SessionToken))
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, a.explain("sts:GetCallerIdentity", "", err)
	}
	return callerOf(aws.ToString(out.Arn), aws.ToString(out.Account)), nil
}
