package awslocal_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/podidentity/podidentity-operator/internal/awslocal"
)

// Of many callers that make the same role, one succeeds; readers meanwhile see
// whole states only.
func TestConcurrentCallers(t *testing.T) {
	const callers, names = 8, 20
	e := newEndpoint(t, awslocal.Options{})
	var wins sync.Map
	var wait sync.WaitGroup
	for range callers {
		wait.Go(func() {
			for i := range names {
				name := fmt.Sprint("role-", i)
				_, err := e.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(ec2Trust)})
				api, refused := errors.AsType[smithy.APIError](err)
				switch {
				case err == nil:
					if _, twice := wins.LoadOrStore(name, true); twice {
						t.Errorf("%s was made twice", name)
					}
				case !refused || api.ErrorCode() != "EntityAlreadyExists":
					t.Errorf("%s: %v", name, err)
				}
				if _, err := e.iam.GetAccountAuthorizationDetails(t.Context(), &iam.GetAccountAuthorizationDetailsInput{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if n := e.Calls()["CreateRole"]; n != callers*names {
		t.Errorf("counted %d calls of CreateRole, want %d", n, callers*names)
	}
}
