package v1alpha1_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/controlplane"
)

var (
	// user applies PodIdentities to a real API server.
	user client.Client
	// config is how to call that API server as an administrator.
	config *rest.Config
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := withAPIServer(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withAPIServer(run func() int) (int, error) {
	cluster, err := controlplane.Start(context.Background(), controlplane.Options{CRDPaths: []string{"../../config/crd/bases"}})
	if err != nil {
		return 0, err
	}
	defer cluster.Stop() //nolint:errcheck // the tests have ended
	config = cluster.Config
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return 0, err
	}
	if user, err = client.New(cluster.Config, client.Options{Scheme: scheme, FieldValidation: metav1.FieldValidationStrict}); err != nil {
		return 0, err
	}
	return run(), nil
}

// object returns a PodIdentity of that name with a spec in YAML.
func object(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	content := map[string]any{}
	if err := yaml.Unmarshal([]byte("apiVersion: iam.podidentity.io/v1alpha1\nkind: PodIdentity\nspec: "+spec), &content); err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetNamespace("default")
	u.SetName(name)
	return u
}

const (
	policyARN = "arn:aws:iam::123456789012:policy/p"
	statement = `{effect: Allow, actions: ["s3:GetObject"], resources: ["*"]}`
)

// inline returns a spec with one inline policy of these fields.
func inline(fields string) string { return `{policies: {inline: [{name: p, ` + fields + `}]}}` }
