// Package account reads an AWS account with the credentials of the user. It is the
// only package of the plugin that knows the AWS SDK. Its errors are sentences for
// the user.
package account

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
)

// fallbackRegion is correct for IAM in partition aws, where it is one service. In every
// other partition the user sets the region, which determines the partition.
const fallbackRegion = "us-east-1"

// Options choose the credentials.
type Options struct {
	Profile string // empty: as for every AWS tool
	Region  string // empty: as for every AWS tool
	Version string // of the plugin, for CloudTrail
}

// An Account is an AWS account, read with the credentials of the user.
type Account struct {
	iam     *iam.Client
	sts     *sts.Client
	analyze *accessanalyzer.Client
	sqs     *sqs.Client
	profile string
	region  string
	caller  *Caller // once known

	ahead      time.Duration // of AWS's clock, once known
	aheadKnown bool

	documents map[string]role.Document // of managed policies, by ARN
}

// Open returns the account of the user's AWS configuration. It makes no request.
func Open(ctx context.Context, o Options) (*Account, error) {
	cfg, err := config.LoadDefaultConfig(ctx, load(o)...)
	if err != nil {
		return nil, explainConfig(err)
	}
	if cfg.Credentials != nil {
		cfg.Credentials = taggedCredentials{cfg.Credentials}
	}
	return &Account{
		iam: iam.NewFromConfig(cfg), sts: sts.NewFromConfig(cfg), analyze: accessanalyzer.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg),
		profile: o.Profile, region: cfg.Region,
		documents: map[string]role.Document{},
	}, nil
}

// load returns how the SDK's configuration is loaded.
func load(o Options) []func(*config.LoadOptions) error {
	load := []func(*config.LoadOptions) error{
		config.WithDefaultRegion(fallbackRegion),
		config.WithAppID("kubectl-podidentity/" + o.Version),
	}
	if o.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(o.Profile))
	}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	return load
}

func explainConfig(err error) error {
	if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return &Error{text: "AWS profile " + missing.Profile + " does not exist; list the profiles with: aws configure list-profiles", err: err}
	}
	return &Error{text: "the AWS configuration cannot be used: " + oneLine(err), err: err}
}

// taggedCredentials marks errors of getting credentials, which otherwise look like
// those of the call that needs them.
type taggedCredentials struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (m taggedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := m.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &credentialsError{err}
	}
	return c, nil
}

type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// Region returns the region of the user's AWS configuration.
func (a *Account) Region() string { return a.region }

// Caller is who the user is to AWS.
type Caller struct {
	ARN       string `json:"arn"`
	AccountID string `json:"accountID"`
	Partition string `json:"partition"`
}

// Caller returns who the user is to AWS. The call needs no permission.
func (a *Account) Caller(ctx context.Context) (Caller, error) {
	if a.caller != nil {
		return *a.caller, nil
	}
	out, err := a.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Caller{}, a.explain("sts:GetCallerIdentity", "", err)
	}
	a.caller = callerOf(aws.ToString(out.Arn), aws.ToString(out.Account))
	if date, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
		a.ahead, a.aheadKnown = time.Until(date), true
	}
	return *a.caller, nil
}

// ClockAhead returns how far AWS's clock is ahead of this machine's, in whole seconds.
// It is known once AWS has answered Caller.
func (a *Account) ClockAhead() (ahead time.Duration, known bool) { return a.ahead, a.aheadKnown }

func callerOf(arn, id string) *Caller {
	c := &Caller{ARN: arn, AccountID: id, Partition: "aws"}
	if p := partitionOf(arn); p != "" {
		c.Partition = p
	}
	return c
}
