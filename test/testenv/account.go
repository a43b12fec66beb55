package testenv

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// AccountID is the ID of every AWS account, unless a test sets another one.
const AccountID = "123456789012"

// Administrator returns the credentials with which every call is allowed in every account.
func Administrator() aws.Credentials {
	return aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"} //nolint:gosec // of AWS's documentation
}

// Account is an AWS account. It authorizes every call.
type Account struct {
	*awslocal.Server

	ID     string
	Region string
	URL    string      // of the endpoint
	IAM    *iam.Client // of the administrator
	STS    *sts.Client // of the administrator
}

// newAccount opens an account that can verify the tokens of the cluster. It sets what o
// leaves open. Wrap, if it is set, gets each request before the account does.
func newAccount(t *testing.T, c *Cluster, o awslocal.Options, wrap func(*awslocal.Server) http.Handler) *Account {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.CAData)
	o.RootCAs, o.Authorize = pool, true
	admin := Administrator()
	o.AccessKeys = map[string]string{admin.AccessKeyID: admin.SecretAccessKey}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Account == "" {
		o.Account = AccountID
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	a := &Account{Server: awslocal.New(o), ID: o.Account, Region: o.Region}
	var handler http.Handler = a.Server
	if wrap != nil {
		handler = wrap(a.Server)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	a.URL = server.URL
	config := a.ConfigFor(credentials.StaticCredentialsProvider{Value: admin})
	a.IAM, a.STS = iam.NewFromConfig(config), sts.NewFromConfig(config)
	return a
}

// ConfigFor returns the configuration of a caller of the account.
func (a *Account) ConfigFor(caller aws.CredentialsProvider) aws.Config {
	return aws.Config{Region: a.Region, BaseEndpoint: &a.URL, Credentials: caller}
}
