package controllers_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/controlplane"
)

// The control plane of all stories, nil with -short, and a cluster administrator.
var (
	cluster *controlplane.ControlPlane
	user    client.WithWatch
	scheme  = runtime.NewScheme()
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run()) // the stories skip
	}
	code, err := withCluster(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func withCluster(run func() int) (code int, err error) {
	logf.SetLogger(logr.Discard())
	if testing.Verbose() {
		logf.SetLogger(zap.New(zap.UseDevMode(true)))
	}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return 0, err
		}
	}
	cluster, err = controlplane.Start(context.Background(), controlplane.Options{
		CRDPaths: []string{"../config/crd/bases"},
	})
	if err != nil {
		return 0, err
	}
	defer func() {
		if stopErr := cluster.Stop(); err == nil {
			err = stopErr
		}
	}()
	user, err = client.NewWithWatch(cluster.Config, client.Options{Scheme: scheme})
	if err != nil {
		return 0, err
	}
	return run(), nil
}
