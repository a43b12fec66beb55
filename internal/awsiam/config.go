package awsiam

import (
	"context"
	"time"
)

// ClientOptions say how to talk to AWS.
type ClientOptions struct {
	// Version of the operator, for the user agent.
	Version string
	// OnCall is told of every attempt of a call to AWS. It must be fast and safe
	// for concurrent use; nil means nobody wants to know.
	OnCall func(Call)
}

// Call is one attempt of a call to AWS.
type Call struct {
	Service   string // IAM, STS
	Operation string // CreateRole
	Outcome   string // Success or an error code
	Duration  time.Duration
}

// Clients are the SDK's clients for one AWS account.
type Clients struct {
	IAM    API
	STS    STS
	Region string
}

// NewClients returns clients configured from the environment.
func NewClients(ctx context.Context, o ClientOptions) (*Clients, error) { return &Clients{}, nil }
