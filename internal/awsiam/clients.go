package awsiam

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsratelimit "github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// userAgent is the operator's name in CloudTrail, before its version.
const userAgent = "podidentity-operator"

// fallbackRegion is the region that requests are signed for if none is configured. IAM is
// one service for the whole partition, and requests in the partition aws are signed for
// us-east-1 in every region. In other partitions the region must be set, because it
// determines the partition.
const fallbackRegion = "us-east-1"

// The timeouts of calls. An attempt as a whole has one, so that a connection without
// traffic does not block a worker.
const (
	dialTimeout    = 5 * time.Second
	attemptTimeout = 30 * time.Second
)

// renewBefore is the time before their expiry at which credentials from a ServiceAccount's
// token are renewed. By default the SDK uses these to the last moment, unlike most other
// kinds: AWS then rejects a call that arrives a little later, or one from a node with a
// slow clock. AWS tolerates clocks that differ by this much.
const renewBefore = 5 * time.Minute

// ClientOptions configure the clients.
type ClientOptions struct {
	// Version of the operator, for the user agent.
	Version string
	// OnAttempt is called after every attempt of a call to AWS. It must be fast and safe
	// for concurrent use; it may be nil.
	OnAttempt func(Attempt)
	// Limiter limits the rate of attempts of calls to IAM; nil is unlimited.
	Limiter *ratelimit.Limiter
	// OnThrottleWait is called with the time that a call waited for the rate limiter, and
	// its priority; it may be nil.
	OnThrottleWait func(ratelimit.Priority, time.Duration)
	// Trace makes every call a span of the trace that its context is part of.
	Trace bool
	// Load are settings that override those of the environment, for a program that works
	// in several accounts.
	Load []func(*config.LoadOptions) error
}

// Clients are the SDK's clients for one AWS account. They share connections, credentials
// and the retryer.
type Clients struct {
	IAM API
	STS STS
	// Region that requests are signed for.
	Region string

	config aws.Config
	own    *sessions
}

// NewClients returns clients that are configured as every AWS tool is: by
// environment variables, shared files, the ServiceAccount's token or the
// machine. AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_IAM, AWS_ENDPOINT_URL_STS,
// AWS_CA_BUNDLE, AWS_REGION, AWS_RETRY_MODE and AWS_MAX_ATTEMPTS are honored. It
// makes no call: if there are no credentials, the first call fails.
func NewClients(ctx context.Context, o ClientOptions) (*Clients, error) {
	cfg, err := config.LoadDefaultConfig(ctx, append([]func(*config.LoadOptions) error{
		config.WithDefaultRegion(fallbackRegion),
		config.WithAppID(userAgent + "/" + o.Version),
		config.WithCredentialsCacheOptions(func(c *aws.CredentialsCacheOptions) { c.ExpiryWindow = renewBefore }),
		// A plain *http.Client would not support AWS_CA_BUNDLE.
		config.WithHTTPClient(awshttp.NewBuildableClient().
			WithTimeout(attemptTimeout).
			WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout })),
	}, o.Load...)...)
	if err != nil {
		return nil, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	own := &sessions{}
	if cfg.Credentials != nil {
		cfg.Credentials = taggedCredentials{cfg.Credentials, own}
	}
	retryer := newRetryer(cfg.RetryMode)
	cfg.Retryer = func() aws.Retryer { return retryer } // after loading, otherwise AWS_MAX_ATTEMPTS would have no effect
	if o.OnAttempt != nil {
		cfg.APIOptions = append(cfg.APIOptions, attemptRecorder(o.OnAttempt))
	}
	if o.Trace {
		cfg.APIOptions = append(cfg.APIOptions, callTracer)
	}
	limited := func(io *iam.Options) {
		if o.Limiter != nil {
			io.APIOptions = append(io.APIOptions, attemptLimiter(o.Limiter, o.OnThrottleWait))
		}
	}
	return &Clients{IAM: iam.NewFromConfig(cfg, limited), STS: sts.NewFromConfig(cfg), Region: cfg.Region, config: cfg, own: own}, nil
}

// newRetryer returns the SDK's retryer, standard or adaptive, which also retries
// concurrent modifications. IAM's LimitExceeded, a quota, is not retried, although it
// sounds like throttling.
//
// The SDK's own limit of retries is off: once it is used up, every transient failure
// of any caller becomes final. The rate limiter limits retries like first attempts.
func newRetryer(mode aws.RetryMode) aws.Retryer {
	unlimited := func(o *retry.StandardOptions) { o.RateLimiter = awsratelimit.None }
	var retryer aws.Retryer = retry.NewStandard(unlimited)
	if mode == aws.RetryModeAdaptive {
		retryer = retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) { o.StandardOptions = append(o.StandardOptions, unlimited) })
	}
	return retry.AddWithErrorCodes(retryer, "ConcurrentModification")
}

// taggedCredentials marks the errors of a credentials provider, which otherwise look like
// errors of the call that needs the credentials. It also remembers the access keys.
type taggedCredentials struct {
	aws.CredentialsProvider
	own *sessions
}

// Retrieve implements aws.CredentialsProvider.
func (m taggedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := m.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &credentialsError{err}
	}
	m.own.add(c.AccessKeyID)
	return c, nil
}
