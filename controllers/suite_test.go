package controllers_test

import (
	"context"
	"os"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/test/testenv"
)

// The control plane of all tests, nil with -short, and a client of its administrator.
var (
	cluster *testenv.Cluster
	user    client.WithWatch
)

func TestMain(m *testing.M) {
	os.Exit(testenv.Main(m, testenv.ClusterOptions{}, func(_ context.Context, c *testenv.Cluster) error {
		cluster, user = c, c.Client
		return nil
	}))
}
