package testenv

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/internal/awsiam"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// Operator defines how to run the operator in the process of the test.
type Operator struct {
	Config controllers.Config
	// Kubernetes is how it calls the API server; by default as an administrator.
	Kubernetes *rest.Config
	// Namespaces are all that it knows of; by default that of the environment. So
	// operators of several tests share a cluster.
	Namespaces []string
	// AWS is how it calls AWS; by default as an administrator.
	AWS aws.CredentialsProvider
	// Endpoint is that of AWS; by default that of the account.
	Endpoint string
	// EventQueue is the URL of a queue with events of CloudTrail, empty for none.
	EventQueue string
	// Limiter bounds its calls to AWS; by default nothing does.
	Limiter *ratelimit.Limiter
}

// DefaultConfig returns the operator's configuration for a cluster name, with drift checks
// that a test does not see.
func DefaultConfig(clusterName string) controllers.Config {
	return controllers.Config{
		ClusterName:             clusterName,
		RolePath:                "/podidentity/" + clusterName + "/",
		Audience:                plan.DefaultAudience,
		DriftCheckInterval:      time.Hour,
		MaxConcurrentReconciles: 2,
	}
}

// StartOperator starts the operator in the process of the test, and returns what stops it.
// It ends with the environment. It is safe to stop it more than once.
func (e *Env) StartOperator(o Operator) (stop func()) {
	e.Helper()
	o = e.withDefaults(o)
	cacheOptions := controllers.CacheOptions()
	cacheOptions.DefaultNamespaces = map[string]cache.Config{}
	for _, namespace := range o.Namespaces {
		cacheOptions.DefaultNamespaces[namespace] = cache.Config{}
	}
	anyName := true // several operators in one process
	mgr, err := ctrl.NewManager(o.Kubernetes, ctrl.Options{
		Scheme:     e.Client.Scheme(),
		Cache:      cacheOptions,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: &anyName},
	})
	e.Must(err)
	clients := e.AWSClients(o)
	connections := controllers.AWS{
		Roles:     awsiam.NewRoles(clients.IAM, o.Config.IgnoredTagPrefixes...),
		Providers: awsiam.NewProviders(clients.IAM),
		Account:   awsiam.NewAccount(clients.STS),
	}
	if o.EventQueue != "" {
		connections.Events = clients.EventQueue(o.EventQueue)
	}
	ctx, cancel := context.WithCancel(e.owner.Context())
	e.Must(controllers.Setup(ctx, mgr, o.Config, connections))
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				e.owner.Errorf("the operator ended with: %v", err)
			}
		})
	}
	e.owner.Cleanup(stop)
	return stop
}

func (e *Env) withDefaults(o Operator) Operator {
	if o.Kubernetes == nil {
		o.Kubernetes = e.Config
	}
	if o.Namespaces == nil {
		o.Namespaces = []string{e.Namespace}
	}
	if o.AWS == nil {
		o.AWS = credentials.StaticCredentialsProvider{Value: Administrator()}
	}
	if o.Endpoint == "" {
		o.Endpoint = e.AWS.URL
	}
	return o
}

// AWSClients returns the operator's own clients.
func (e *Env) AWSClients(o Operator) *awsiam.Clients {
	e.Helper()
	o = e.withDefaults(o)
	clients, err := awsiam.NewClients(e.Context(), awsiam.ClientOptions{
		Version:        "test",
		Limiter:        o.Limiter,
		OnAttempt:      func(c awsiam.Attempt) { controllers.ObserveAWSRequest(c.Operation, c.Outcome, c.Duration) },
		OnThrottleWait: controllers.ObserveRateLimitWait,
		Load: []func(*awsconfig.LoadOptions) error{
			awsconfig.WithBaseEndpoint(o.Endpoint),
			awsconfig.WithRegion(e.AWS.Region),
			awsconfig.WithCredentialsProvider(o.AWS),
		},
	})
	e.Must(err)
	return clients
}
