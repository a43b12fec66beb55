package cluster

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// ErrNoKubeconfig reports that nothing names a cluster.
var ErrNoKubeconfig = errors.New("no kubeconfig found: set KUBECONFIG or --kubeconfig, or create ~/.kube/config")

// contextError reports that the kubeconfig has no context of that name.
type contextError struct{ name string }

func (e *contextError) Error() string {
	return "context " + strconv.Quote(e.name) + " is not in the kubeconfig"
}

// kubeconfigError reports that the kubeconfig, or a file that it names, cannot be read.
// Other files are not about the cluster.
type kubeconfigError struct{ file *fs.PathError }

func (e *kubeconfigError) Error() string { return "the kubeconfig cannot be read: " + oneLine(e.file) }
func (e *kubeconfigError) Unwrap() error { return e.file }

// Explain returns err as one sentence for the user: what failed and what to do.
// It returns "" for an error that is not about the cluster.
func Explain(err error) string {
	switch {
	case errors.Is(err, ErrNoKubeconfig), clientcmd.IsEmptyConfig(err):
		return ErrNoKubeconfig.Error()
	case clientcmd.IsConfigurationInvalid(err):
		return "the kubeconfig cannot be used: " + oneLine(err)
	case missingCRD(err):
		return "this cluster does not serve " + v1alpha1.GroupVersion.String() + ": install the operator's CustomResourceDefinitions, " +
			"or choose another context with --context"
	}
	if missing, ok := errors.AsType[*contextError](err); ok {
		return missing.Error() + "; list the contexts with: kubectl config get-contexts"
	}
	if unread, ok := errors.AsType[*kubeconfigError](err); ok {
		return unread.Error()
	}
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok {
		return explainStatus(err, status.Status())
	}
	return explainConnection(err)
}

func missingCRD(err error) bool {
	return meta.IsNoMatchError(err) || discovery.IsGroupDiscoveryFailedError(err) && strings.Contains(err.Error(), v1alpha1.GroupVersion.Group)
}

// explainStatus explains an answer of the API server.
func explainStatus(err error, s metav1.Status) string {
	switch {
	case apierrors.IsUnauthorized(err):
		return "the cluster rejects your credentials: log in again, or choose another context with --context"
	case apierrors.IsForbidden(err):
		return "you lack a permission in Kubernetes: " + s.Message
	case apierrors.IsNotFound(err) && s.Details != nil && s.Details.Name != "":
		return s.Message + "; check the name and --namespace"
	default:
		return "the API server answers: " + s.Message
	}
}

// explainConnection explains why no answer came.
func explainConnection(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "the API server did not answer in time: check the context with: kubectl config current-context"
	}
	failed, ok := errors.AsType[*url.Error](err)
	if !ok {
		return ""
	}
	where := failed.URL
	if u, err := url.Parse(failed.URL); err == nil {
		where = u.Scheme + "://" + u.Host
	}
	return "cannot reach the API server at " + where + ": " + oneLine(failed.Err) +
		"; check the context with: kubectl config current-context"
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
