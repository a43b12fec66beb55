package controllers_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// bulk are the calls that read all roles together.
const (
	bulkDetails = "GetAccountAuthorizationDetails"
	bulkRoles   = "ListRoles"
)

// A drift check costs a page of each list for as many roles as AWS puts on one,
// and no call for any single role.
func TestDriftCheck_CostsPagesAndNoCallPerRole(t *testing.T) {
	s := startEnv(t)
	s.applyMany(5)
	s.createRole("other-owners", "/", ownerNone)
	s.stop()
	before := s.account.Calls()

	s.account.SetFaults(awslocal.Faults{PageSize: 3})
	s.start()
	s.eventually("the drift check", func() bool { return since(before, s.account.Calls())[bulkRoles] == 2 })
	s.apply("metadata: {name: late}\nspec: {}")
	s.awaitReady("late")
	want := map[string]int{
		"GetCallerIdentity": 1, "GetOpenIDConnectProvider": 1, "CreateRole": 1,
		bulkDetails: 3, // seven roles of the account, one of them the operator's
		bulkRoles:   2, // five in the operator's path
	}
	if diff := cmp.Diff(want, since(before, s.account.Calls())); diff != "" {
		t.Errorf("calls: -want, +got:\n%s", diff)
	}
}

// In an account with many roles of other owners, the operator reads its few roles one
// by one: the cost of the last bulk read decides.
func TestDriftCheck_ReadsFewRolesIndividually(t *testing.T) {
	s := startEnv(t, func(c *controllers.Config) { c.DriftCheckInterval = 200 * time.Millisecond })
	for i := range 9 {
		s.createRole(fmt.Sprintf("other-owners-%d", i), "/", ownerNone)
	}
	s.account.SetFaults(awslocal.Faults{PageSize: 1})
	s.applyMany(1)
	reads := func() int { return s.account.Calls()["GetRole"] }
	s.eventually("a drift check", func() bool { return s.account.Calls()[bulkRoles] > 0 })

	// The first drift check of an operator reads all roles, and may not have ended yet.
	bulk, first := -1, 0
	s.eventually("five reads of one role after the last bulk read", func() bool {
		calls := s.account.Calls()
		if now := calls[bulkDetails] + calls[bulkRoles]; now != bulk {
			bulk, first = now, reads()
		}
		return reads() >= first+5
	})
}

// GetAccountAuthorizationDetails is known to leave out boundaries: one that it
// does not show is missing only if GetRole confirms it.
func TestDriftCheck_ConfirmsAMissingBoundary(t *testing.T) {
	s := startEnv(t, func(c *controllers.Config) { c.PermissionsBoundary = boundaryARN })
	s.createPolicy("boundary")
	s.applyMany(1)
	s.stop()
	boundary := regexp.MustCompile(`(?s)<PermissionsBoundary>.*?</PermissionsBoundary>`)
	left := false
	s.intercept(func(action string, body []byte) []byte {
		if action != bulkDetails {
			return body
		}
		left = left || boundary.Match(body)
		return boundary.ReplaceAll(body, nil)
	})
	before := s.account.Calls()

	s.start()
	s.eventually("a read of the role", func() bool { return since(before, s.account.Calls())["GetRole"] > 0 })
	s.request("many-0", "again") // a reconcile after that of the drift check
	s.eventually("the request to be handled", func() bool { return s.get("many-0").Status.LastHandledReconcileAt == "again" })
	if !left {
		t.Error("The list that the test takes the boundary out of has none.")
	}
	if diff := cmp.Diff(map[string]int{}, written(before, s.account.Calls())); diff != "" {
		t.Errorf("A boundary was put that is there: writes: -want, +got:\n%s", diff)
	}
}

// A role that is changed while the account is listed is not compared with the list, which
// may be older.
func TestDriftCheck_SkipsRolesThatChangeMeanwhile(t *testing.T) {
	s := startEnv(t)
	s.applyMany(2)
	s.stop()
	listed, release := make(chan struct{}), make(chan struct{})
	s.intercept(func(action string, body []byte) []byte {
		if action == bulkDetails {
			close(listed)
			<-release
		}
		return body
	})
	before := s.account.Calls()

	s.start()
	<-listed
	s.apply(`
		metadata: {name: many-0}
		spec: {role: {description: changed}}
	`)
	s.apply("metadata: {name: new}\nspec: {}")
	s.awaitReady("new")
	s.eventually("the change", func() bool { return since(before, s.account.Calls())["UpdateRole"] == 1 })
	s.await("many-0", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	changed := s.account.Calls()
	close(release)
	s.eventually("the drift check", func() bool { return since(changed, s.account.Calls())[bulkRoles] == 1 })
	s.apply("metadata: {name: late}\nspec: {}")
	s.awaitReady("late")
	want := map[string]int{bulkRoles: 1, "CreateRole": 1}
	if diff := cmp.Diff(want, since(changed, s.account.Calls())); diff != "" {
		t.Errorf("calls after the drift check: -want, +got:\n%s", diff)
	}
}

// applyMany applies n identities, waits until they are ready, and returns their names.
func (s *env) applyMany(n int) []string {
	s.t.Helper()
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("many-%d", i))
		s.apply("metadata: {name: " + names[i] + "}\nspec: {}")
	}
	for _, name := range names {
		s.awaitReady(name)
	}
	return names
}

// intercept has edit see every answer that AWS gives to an operator that is
// started after this, and return what the operator gets.
func (s *env) intercept(edit func(action string, body []byte) []byte) {
	s.t.Helper()
	target, err := url.Parse(s.endpoint)
	s.must(err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		form, _ := url.ParseQuery(string(body))
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, r)
		edited := edit(form.Get("Action"), answer.Body.Bytes())
		for key, values := range answer.Header() {
			if key != "Content-Length" {
				w.Header()[key] = values
			}
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(edited)
	}))
	s.t.Cleanup(server.Close)
	s.endpoint = server.URL
}
