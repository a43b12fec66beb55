// Command manager is the PodIdentity operator: it gives the pods of a
// ServiceAccount an AWS identity, declared in one PodIdentity.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	uberzap "go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/internal/awsiam"
	"github.com/podidentity/podidentity-operator/internal/logline"
	"github.com/podidentity/podidentity-operator/internal/options"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
	"github.com/podidentity/podidentity-operator/internal/tracing"
)

// version is set when a release is built.
var version = "dev"

// shutdown is how long work in progress has when the operator is stopped. It is
// below the 30 seconds that Kubernetes gives a pod by default.
const shutdown = 20 * time.Second

// lastSpans is how long the last spans may take to reach the collector after that.
const lastSpans = 2 * time.Second

func main() {
	err := run(ctrl.SetupSignalHandler(), os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := options.Parse(args, os.Getenv)
	if err != nil {
		return err
	}
	if o.Version {
		fmt.Println(version) //nolint:forbidigo // the user requested it
		return nil
	}
	logger := zap.New(zap.UseDevMode(false), logging(o))
	ctrl.SetLogger(logger)
	klog.SetLogger(logger) // client-go's lines, which contain rejected events
	saveMemory()

	tracer, err := tracing.New(ctx, tracing.Options{Endpoint: o.OTLPEndpoint, Version: version, Cluster: o.ClusterName, OnSend: reportTraces})
	if err != nil {
		return err
	}
	defer closeTracer(context.WithoutCancel(ctx), tracer)
	clients, err := awsiam.NewClients(ctx, awsiam.ClientOptions{
		Version:        version,
		Limiter:        ratelimit.New(o.AWSReadsPerSecond, o.AWSWritesPerSecond),
		OnAttempt:      func(c awsiam.Attempt) { controllers.ObserveAWSRequest(c.Operation, c.Outcome, c.Duration) },
		OnThrottleWait: controllers.ObserveRateLimitWait,
		Trace:          tracer != nil,
	})
	if err != nil {
		return err
	}
	mgr, err := newManager(o)
	if err != nil {
		return fmt.Errorf("setting up the manager: %w", err)
	}
	aws := controllers.AWS{
		Roles:     awsiam.NewRoles(clients.IAM, o.IgnoreTagPrefixes...),
		Providers: awsiam.NewProviders(clients.IAM),
		Account:   awsiam.NewAccount(clients.STS),
	}
	if o.EventQueueURL != "" {
		aws.Events = clients.EventQueue(o.EventQueueURL)
	}
	if err := controllers.Setup(ctx, mgr, config(o, tracer), aws); err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}
	ctrl.Log.Info("Starting the operator", "version", version, "cluster", o.ClusterName, "rolePath", o.RolePath)
	return mgr.Start(ctx)
}

// reportTraces logs that sending traces begins to fail, and that it succeeds again.
func reportTraces(err error) {
	if err != nil {
		ctrl.Log.Info("Sending traces to --otlp-endpoint failed; they are dropped until it succeeds", "reason", err.Error())
		return
	}
	ctrl.Log.Info("Sending traces to --otlp-endpoint succeeds again")
}

// closeTracer sends the last spans. A collector that does not answer delays the end of
// the process by no more than lastSpans.
func closeTracer(ctx context.Context, tracer *tracing.Tracer) {
	ctx, cancel := context.WithTimeout(ctx, lastSpans)
	defer cancel()
	if err := tracer.Close(ctx); err != nil {
		ctrl.Log.Info("The last spans were not sent", "reason", err.Error())
	}
}

// saveMemory makes the garbage collector run when the heap has grown by a quarter, not
// only when it has doubled: the heap is mostly long-lived caches, so this trades a
// little CPU time for memory. GOGC in the environment overrides it.
func saveMemory() {
	const percent = 25
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// config returns the settings of the controller. Options that only main needs, such as
// those of leader election, are not among them.
func config(o options.Options, tracer *tracing.Tracer) controllers.Config {
	return controllers.Config{
		ClusterName:             o.ClusterName,
		RolePath:                o.RolePath,
		PermissionsBoundary:     o.PermissionsBoundary,
		OrphanedRoles:           controllers.OrphanPolicy(o.OrphanedRoles),
		AdoptFromClusterID:      o.AdoptFromClusterID,
		IgnoredTagPrefixes:      o.IgnoreTagPrefixes,
		Audience:                o.Audience,
		OIDCIssuer:              o.OIDCIssuer,
		RequireGuardrail:        o.RequireGuardrail,
		CreateOIDCProvider:      o.OIDCProvider == options.OIDCProviderCreate,
		Pod:                     pod(),
		DriftCheckInterval:      o.DriftCheckInterval,
		IAMPropagationDelay:     o.IAMPropagationDelay,
		MaxConcurrentReconciles: o.MaxConcurrentReconciles,
		Tracer:                  tracer,
	}
}

// pod returns the pod that the operator runs in, and the zero value outside of a
// cluster. A pod's name is its host name.
func pod() types.NamespacedName {
	namespace, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	if err != nil {
		return types.NamespacedName{}
	}
	name, err := os.Hostname()
	if err != nil {
		return types.NamespacedName{}
	}
	return types.NamespacedName{Namespace: strings.TrimSpace(string(namespace)), Name: name}
}

func newManager(o options.Options) (manager.Manager, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return nil, err
	}
	grace := shutdown
	// controller-runtime's defaults are 15, 10 and 2 seconds. A standby waits up to 2.2 retry
	// periods before it reads the lease again (JitterFactor in client-go's leaderelection),
	// and users wait with it, so a retry period is half as long here.
	renew, retry := o.LeaseDuration*10/15, o.LeaseDuration/15
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         controllers.CacheOptions(),
		Metrics:                       metricsOptions(o),
		HealthProbeBindAddress:        o.HealthProbeBindAddress,
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              "podidentity-operator.iam.podidentity.io",
		LeaderElectionNamespace:       o.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true, // the process ends with the manager
		LeaseDuration:                 &o.LeaseDuration,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
		GracefulShutdownTimeout:       &grace,
	})
	if err != nil {
		return nil, err
	}
	return mgr, errors.Join(
		mgr.AddHealthzCheck("healthz", healthz.Ping),
		mgr.AddReadyzCheck("readyz", healthz.Ping),
	)
}

// metricsOptions serves metrics to clients that the API server authorizes to read them.
func metricsOptions(o options.Options) metricsserver.Options {
	metrics := metricsserver.Options{
		BindAddress:   o.MetricsBindAddress,
		SecureServing: o.MetricsSecure,
		// HTTP/2 is off for the sake of CVE-2023-44487 and CVE-2023-39325.
		TLSOpts: []func(*tls.Config){func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }},
	}
	if o.MetricsSecure {
		metrics.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return metrics
}

func logging(o options.Options) zap.Opts {
	return func(z *zap.Options) {
		level := zapcore.InfoLevel
		if err := level.UnmarshalText([]byte(o.LogLevel)); err == nil {
			z.Level = level
		}
		if o.LogFormat == "text" {
			zap.ConsoleEncoder()(z)
		} else {
			zap.JSONEncoder()(z)
		}
		zap.RawZapOpts(uberzap.WrapCore(logline.Bound))(z)
		zap.StacktraceLevel(zapcore.DPanicLevel)(z) // the stack of a reconcile is always the same
	}
}
