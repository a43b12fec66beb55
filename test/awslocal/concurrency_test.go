package awslocal_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// Of many callers that make the same role, one succeeds; readers meanwhile see
// whole states only.
func TestCreateRole_OneOfManyCallersSucceeds(t *testing.T) {
	const callers, names = 8, 20
	e := newEndpoint(t, awslocal.Options{})
	call := func(action string, parameters url.Values) (int, string) {
		form := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
		maps.Copy(form, parameters)
		_, status, answer := send(t, http.MethodPost, e.url, form.Encode(), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
		return status, answer
	}
	var wins sync.Map
	var wait sync.WaitGroup
	for range callers {
		wait.Go(func() {
			for i := range names {
				name := fmt.Sprint("role-", i)
				status, answer := call("CreateRole", url.Values{"RoleName": {name}, "AssumeRolePolicyDocument": {ec2Trust}})
				if status == http.StatusOK {
					if _, twice := wins.LoadOrStore(name, true); twice {
						t.Errorf("%s was made twice", name)
					}
				} else if !strings.Contains(answer, "<Code>EntityAlreadyExists</Code>") {
					t.Errorf("%s: %d %s", name, status, answer)
				}
				if status, answer := call("GetAccountAuthorizationDetails", nil); status != http.StatusOK || !strings.Contains(answer, name) {
					t.Errorf("%s is not in the details: %d %s", name, status, answer)
				}
			}
		})
	}
	wait.Wait()
	if n := e.Calls()["CreateRole"]; n != callers*names {
		t.Errorf("counted %d calls of CreateRole, want %d", n, callers*names)
	}
}
