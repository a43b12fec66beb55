package gitops_test

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// app returns an Application, or nil if it does not exist.
func (a *argoCD) app(name string) *unstructured.Unstructured {
	a.Helper()
	return a.find(application, "argocd", name)
}

// refresh has Argo CD compare an Application with the newest commit, as a webhook of the
// Git server does, and waits until it has.
func (a *argoCD) refresh(name string) {
	a.Helper()
	a.Eventually("Application "+name, func() bool { return a.app(name) != nil }, a.describe("platform"))
	a.annotate(a.app(name), "argocd.argoproj.io/refresh", "normal")
	a.Eventually("a comparison of Application "+name, func() bool {
		app := a.app(name)
		return app == nil || app.GetAnnotations()["argocd.argoproj.io/refresh"] == ""
	}, a.describe(name))
}

// refreshTeams has Argo CD read the directories of the teams.
func (a *argoCD) refreshTeams() {
	a.Helper()
	set := a.find(schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "ApplicationSet"}, "argocd", "teams")
	a.annotate(set, "argocd.argoproj.io/application-set-refresh", "true")
}

// awaitSynced waits until an Application is synced to a commit and healthy, and its sync
// has ended.
func (a *argoCD) awaitSynced(name, commit string) {
	a.Helper()
	a.Eventually("Application "+name+" to be synced and healthy", func() bool {
		app := a.app(name)
		return stateOf(app) == "Synced Healthy Succeeded" && text(app, "status", "sync", "revision") == commit
	}, a.describe(name))
}

// stateOf is the state of an Application in three words.
func stateOf(app *unstructured.Unstructured) string {
	return strings.Join([]string{
		text(app, "status", "sync", "status"), text(app, "status", "health", "status"), text(app, "status", "operationState", "phase"),
	}, " ")
}

// awaitOperation waits until the message of the sync of an Application has a text.
func (a *argoCD) awaitOperation(name, want string) {
	a.Helper()
	a.Eventually(fmt.Sprintf("the sync of %s to say %q", name, want), func() bool {
		return strings.Contains(text(a.app(name), "status", "operationState", "message"), want)
	}, a.describe(name))
}

// awaitResult waits until the sync of an Application says a text of an object.
func (a *argoCD) awaitResult(name, kind, object, want string) {
	a.Helper()
	a.Eventually(fmt.Sprintf("the sync of %s to say %q of %s %s", name, want, kind, object), func() bool {
		app := a.app(name)
		if app == nil {
			return false
		}
		results, _, _ := unstructured.NestedSlice(app.Object, "status", "operationState", "syncResult", "resources")
		return slices.ContainsFunc(results, func(r any) bool {
			result, _ := r.(map[string]any)
			message, _ := result["message"].(string)
			return result["kind"] == kind && result["name"] == object && strings.Contains(message, want)
		})
	}, a.describe(name))
}

// awaitHealth waits until Argo CD shows a PodIdentity of Application shop with a health
// and a text in its message.
func (a *argoCD) awaitHealth(identity, status, message string) {
	a.Helper()
	a.Eventually(fmt.Sprintf("PodIdentity %s to be %s: %s", identity, status, message), func() bool {
		n := a.node("shop", "PodIdentity", identity)
		return n.Health.Status == status && strings.Contains(n.Health.Message, message)
	}, func() string { return fmt.Sprintf("%+v", a.node("shop", "PodIdentity", identity)) })
}

// describe tells the state of an Application.
func (a *argoCD) describe(name string) func() string {
	return func() string {
		return a.MustKubectl("", "get", "applications.argoproj.io", "--namespace=argocd", "--output=yaml", "--ignore-not-found", name) +
			tail(a.logOf("argocd-application-controller")) + tail(a.logOf("argocd-applicationset-controller"))
	}
}

// tail returns the end of a log.
func tail(log string) string {
	lines := strings.Split(log, "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// checkInSyncSince checks that Application shop was never OutOfSync after so many
// statuses, and that Argo CD looked.
func (a *argoCD) checkInSyncSince(n int, what string) {
	a.Helper()
	sights, _ := a.seen.since(n)
	looked := false
	for _, s := range sights {
		if s.App != "shop" {
			continue
		}
		looked = true
		if s.Sync != "Synced" {
			a.Errorf("%s: Argo CD says that Application shop is %s", what, s.Sync)
		}
	}
	if !looked {
		a.Errorf("%s: Argo CD did not refresh Application shop", what)
	}
}
