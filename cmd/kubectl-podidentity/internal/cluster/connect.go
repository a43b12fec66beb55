// Package cluster reads a Kubernetes cluster, and changes it where a command asks for
// it, with the permissions of the user's kubeconfig.
package cluster

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// A Cluster is the cluster of one context of the kubeconfig.
type Cluster struct {
	client.WithWatch

	// Namespace is the one that the user chose, by flag or by the context.
	Namespace string

	config *rest.Config
}

// timeout bounds one request. A user waits for the answer.
const timeout = 30 * time.Second

// Connect returns the cluster that the flags choose. It makes no request.
func Connect(flags *genericclioptions.ConfigFlags) (*Cluster, error) {
	c, err := connect(flags)
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		err = &kubeconfigError{file}
	}
	return c, err
}

func connect(flags *genericclioptions.ConfigFlags) (*Cluster, error) {
	if err := requireKubeconfig(flags); err != nil {
		return nil, err
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, err
	}
	config.WarningHandler = rest.NoWarnings{} // of the API server, to clients that write manifests
	config.QPS, config.Burst = 50, 100        // a tree takes many small reads
	if config.Timeout == 0 {
		config.Timeout = timeout
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: Scheme()})
	if err != nil {
		return nil, err
	}
	return &Cluster{WithWatch: c, Namespace: namespace, config: config}, nil
}

// Scheme returns the types that the plugin reads.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // two types of one name: a mistake in this program
		}
	}
	return scheme
}

// requireKubeconfig returns an error if nothing names the cluster, or if the
// chosen context does not exist. Otherwise the client would try localhost:8080, as
// kubectl does.
func requireKubeconfig(flags *genericclioptions.ConfigFlags) error {
	raw, err := flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return err
	}
	if name := chosenContext(flags, raw); name != "" && raw.Contexts[name] == nil {
		return &contextError{name}
	}
	inPod := os.Getenv("KUBERNETES_SERVICE_HOST") != ""
	if len(raw.Clusters) == 0 && !inPod && (flags.APIServer == nil || *flags.APIServer == "") {
		return ErrNoKubeconfig
	}
	return nil
}

func chosenContext(flags *genericclioptions.ConfigFlags, raw clientcmdapi.Config) string {
	if flags.Context != nil && *flags.Context != "" {
		return *flags.Context
	}
	return raw.CurrentContext
}
