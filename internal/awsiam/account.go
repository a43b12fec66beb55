package awsiam

import "context"

// Caller is who the operator is to AWS.
type Caller struct{ Partition, AccountID, ARN string }

// Account tells about the AWS account that the operator works in.
type Account struct{ api STS }

// NewAccount returns an Account that calls api.
func NewAccount(api STS) *Account { return &Account{api: api} }

// Caller returns who the operator is to AWS.
func (a *Account) Caller(ctx context.Context) (Caller, error) { return Caller{}, nil }
