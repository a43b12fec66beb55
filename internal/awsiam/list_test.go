package awsiam

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// A bulk read returns the same about every role in the path as a read of that role, with
// two calls for all of them.
func TestListAll_ReturnsWhatObserveReturns(t *testing.T) {
	local, _, c := account(t, awslocal.Options{})
	roles := NewRoles(c.IAM)
	must(t, roles, full(t).Name, fullChanges(t)...)
	other := bareRole(t)
	other.Name, other.Path = "elsewhere", "/other/"
	must(t, roles, other.Name, plan.CreateRole{Role: other})
	plain := plan.Role{Name: "Plain", Path: "/podidentity/prod/", Trust: trust(t)}
	must(t, roles, plain.Name, plan.CreateRole{Role: plain})
	before := local.Calls()

	fleet, err := roles.ListAll(t.Context(), "/podidentity/prod/")
	if err != nil {
		t.Fatal(err)
	}
	after := local.Calls()
	for _, action := range []string{"GetAccountAuthorizationDetails", "ListRoles"} {
		if after[action]-before[action] != 1 {
			t.Errorf("%s was called %d times", action, after[action]-before[action])
		}
	}
	if fleet.Calls != 2 || len(fleet.Roles) != 2 {
		t.Fatalf("the bulk read found %d roles in %d calls, want 2 in 2", len(fleet.Roles), fleet.Calls)
	}
	for key, name := range map[string]string{"plain": "Plain", full(t).Name: full(t).Name} {
		seen, err := roles.Observe(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(seen, fleet.Roles[key]); diff != "" {
			t.Errorf("role %s: -read individually, +in the bulk read:\n%s", name, diff)
		}
	}
}

// IAM may return fewer roles on a page than requested, and even none, though
// there are more (https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html):
// that costs more calls, and loses nothing.
func TestListAll_ReadsAllPages(t *testing.T) {
	const roles = 5
	cases := map[string]struct {
		reason string
		size   int
		empty  bool // before each page but the first comes one without a role
		calls  int
	}{
		"Whole":             {reason: "Each of two lists fits on a page.", size: 1000, calls: 2},
		"Pairs":             {reason: "The last page is not full.", size: 2, calls: 6},
		"Singles":           {reason: "Each page has one item.", size: 1, calls: 10},
		"Even":              {reason: "The last page is full.", size: 5, calls: 2},
		"EmptyAmongPairs":   {reason: "An empty page is followed by another one.", size: 2, empty: true, calls: 10},
		"EmptyAmongSingles": {reason: "Most pages are empty.", size: 1, empty: true, calls: 18},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			var handler http.Handler = awslocal.New(awslocal.Options{Faults: awslocal.Faults{PageSize: tc.size}})
			if tc.empty {
				handler = withEmptyPages(handler)
			}
			server := httptest.NewServer(handler)
			t.Cleanup(server.Close)
			configureAWS(t, server.URL)
			r := NewRoles(clients(t, ClientOptions{}).IAM)
			for i := range roles {
				role := plan.Role{Name: fmt.Sprintf("role-%d", i), Path: "/p/", Trust: trust(t), Inline: map[string]plan.InlinePolicy{}}
				must(t, r, role.Name, plan.CreateRole{Role: role})
			}
			fleet, err := r.ListAll(t.Context(), "/p/")
			if err != nil || len(fleet.Roles) != roles || fleet.Calls != tc.calls {
				t.Errorf("the bulk read found %d roles in %d calls, want %d in %d: %v", len(fleet.Roles), fleet.Calls, roles, tc.calls, err)
			}
		})
	}
}

// withEmptyPages inserts an empty page before every page but the first: it answers the
// first request with a marker with the same marker, and no role.
func withEmptyPages(next http.Handler) http.Handler {
	var given sync.Map // the two lists are read at the same time
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, _ := url.ParseQuery(string(body))
		action, marker := form.Get("Action"), form.Get("Marker")
		if marker == "" {
			next.ServeHTTP(w, r)
			return
		}
		if _, answered := given.LoadOrStore(action+marker, true); answered {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<%[1]sResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><%[1]sResult><IsTruncated>true</IsTruncated><Marker>%[2]s</Marker></%[1]sResult></%[1]sResponse>`,
			action, html.EscapeString(marker))
	})
}

// A bulk read that fails half way returns nothing.
func TestListAll_FailureReturnsNothing(t *testing.T) {
	for _, action := range []string{"GetAccountAuthorizationDetails", "ListRoles"} {
		_, _, c := account(t, awslocal.Options{Faults: awslocal.Faults{Rules: []awslocal.Rule{{Action: action, Error: "AccessDenied"}}}})
		fleet, err := NewRoles(c.IAM).ListAll(t.Context(), "/")
		if err == nil || fleet.Roles != nil {
			t.Errorf("%s was denied, and the bulk read found %v: %v", action, fleet, err)
		}
	}
}

// Every attempt, including retries, waits for the rate limiter, and throttling slows it
// down.
func TestRateLimit_EveryAttemptWaitsAndThrottlingSlowsDown(t *testing.T) {
	local := awslocal.New(awslocal.Options{Faults: awslocal.Faults{Rules: []awslocal.Rule{{Action: "GetRole", Error: "Throttling", Count: 1}}}})
	server := httptest.NewServer(local)
	t.Cleanup(server.Close)
	configureAWS(t, server.URL)
	t.Setenv("AWS_MAX_ATTEMPTS", "2")
	b := ratelimit.New(100, 100)
	var waits []ratelimit.Priority
	c := clients(t, ClientOptions{Limiter: b, OnThrottleWait: func(p ratelimit.Priority, _ time.Duration) { waits = append(waits, p) }})

	ctx := ratelimit.WithPriority(t.Context(), ratelimit.Check)
	if _, err := NewRoles(c.IAM).Observe(ctx, "none"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]ratelimit.Priority{ratelimit.Check, ratelimit.Check}, waits); diff != "" {
		t.Errorf("attempts that waited: -want, +got:\n%s", diff)
	}
	if rate := b.Rate(ratelimit.Read); rate >= 100 {
		t.Errorf("the rate of reads is %v after AWS throttled one", rate)
	}
	if rate := b.Rate(ratelimit.Write); rate != 100 {
		t.Errorf("the rate of writes is %v, and AWS throttled none", rate)
	}
}
