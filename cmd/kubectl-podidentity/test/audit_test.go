package plugin_test

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

// audited is the JSON of audit, as far as the tests compare it.
type audited struct {
	AccountID  string
	Identities []struct {
		Kind, Namespace, Name, RoleARN, Use, Answer, Boundary string
		Services                                              []string
		Grants                                                []struct{ Action, Policy string }
		Findings                                              []struct{ Kind, Message string }
	}
}

// used creates an identity for namespace audit, which audit and suggest are about, once
// its pods have used it: for GetCallerIdentity, and for S3.
func (e *env) used() (roleName string) {
	e.Helper()
	const spec = `{policies: {inline: [{name: shop, statements: [` +
		`{effect: Allow, actions: ["s3:GetObject", "s3:DeleteObject", "s3:ListBucket"], resources: ["arn:aws:s3:::orders", "arn:aws:s3:::orders/*"]},` +
		`{effect: Allow, actions: ["sqs:SendMessage"], resources: ["arn:aws:sqs:eu-west-1:123456789012:orders"]}]}]}}`
	pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "audit", Name: "checkout"}}
	e.Must(yaml.UnmarshalStrict([]byte(spec), &pi.Spec))
	e.namespace("audit", nil)
	e.Must(e.Client.Create(e.Context(), pi))
	if r := e.kubectl(nil, "reconcile", "-n", "audit", "checkout", "--wait"); r.code != 0 {
		e.Fatalf("reconcile --wait ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := e.kubectl(nil, "verify", "-n", "audit", "checkout"); r.code != 0 {
		e.Fatalf("verify ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	e.Must(e.Client.Get(e.Context(), objectKey("audit", "checkout"), pi))
	now := time.Now()
	e.Must(e.AWS.Record(
		awslocal.Access{Role: pi.Status.Role.Name, Action: "s3:GetObject", At: now, Untracked: true},
		awslocal.Access{Role: pi.Status.Role.Name, Action: "s3:ListBucket"},
	))
	return pi.Status.Role.Name
}

// audit shows what identities can do, and answers who can do something, in every format.
func (e *env) audit() {
	e.Helper()
	e.used()
	var all audited
	r := e.kubectl(nil, "audit", "-n", "audit", "-o", "json")
	e.decode(r, &all)
	if r.code != 0 || len(all.Identities) != 1 || all.AccountID != testenv.AccountID {
		e.Fatalf("exit code %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	id := all.Identities[0]
	var actions []string
	for _, g := range id.Grants {
		actions = append(actions, g.Action)
	}
	slices.Sort(actions)
	if want := "s3:DeleteObject s3:GetObject s3:ListBucket sqs:SendMessage"; strings.Join(actions, " ") != want || id.Use != "used" || strings.Join(id.Services, " ") != "s3 sqs" || id.Boundary == "" {
		e.Errorf("actions %q, want %q: %+v", actions, want, id)
	}
	e.answers("yes", "--action", "s3:DeleteObject", "--resource", "arn:aws:s3:::orders/1")
	e.answers("", "--action", "s3:DeleteBucket")
	e.answers("yes", "--resource", "arn:aws:s3:::orders/1")
	whole := e.kubectl(nil, "audit")
	for _, words := range []string{"audit/checkout", "verify/checkout", "identities in AWS account " + testenv.AccountID, "unmanaged"} {
		if whole.code != 1 || !strings.Contains(whole.stdout, words) {
			e.Errorf("exit code %d, and %q is missing:\n%s%s", whole.code, words, whole.stdout, whole.stderr)
		}
	}
	if rows, err := csv.NewReader(strings.NewReader(e.kubectl(nil, "audit", "-n", "audit", "-o", "csv").stdout)).ReadAll(); err != nil || len(rows) != 5 {
		e.Errorf("the CSV has %d lines, want 5: %v", len(rows), err)
	}
	page := e.kubectl(nil, "audit", "-o", "html")
	if !strings.HasPrefix(page.stdout, "<!DOCTYPE html>") || !strings.Contains(page.stdout, "audit/checkout") || page.stderr != "" {
		e.Errorf("not a page: %.300s%s", page.stdout, page.stderr)
	}
}

// answers asks who in namespace audit can do something.
func (e *env) answers(want string, args ...string) {
	e.Helper()
	r := e.kubectl(nil, append([]string{"audit", "-n", "audit", "-o", "json"}, args...)...)
	var got audited
	e.decode(r, &got)
	answer, code := "", 0
	if len(got.Identities) > 0 {
		answer = got.Identities[0].Answer
	}
	if want != "" {
		code = 1
	}
	if answer != want || r.code != code {
		e.Errorf("%v: answer %q and exit code %d, want %q and %d:\n%s", args, answer, r.code, want, code, r.stdout)
	}
}

// suggest compares the policies with what the role used.
func (e *env) suggest() {
	e.Helper()
	r := e.kubectl(nil, "suggest", "-n", "audit", "checkout", "-o", "json")
	var got struct {
		UpToHoursOld int
		Removals     []struct{ Action, Why string }
		Kept         []struct{ Action, Why string }
		Identity     v1alpha1.PodIdentity
	}
	e.decode(r, &got)
	var removed, kept []string
	for _, one := range got.Removals {
		removed = append(removed, one.Action)
	}
	for _, one := range got.Kept {
		kept = append(kept, one.Action)
	}
	if r.code != 1 || strings.Join(removed, " ") != "s3:ListBucket sqs:SendMessage" || strings.Join(kept, " ") != "s3:GetObject s3:DeleteObject" || got.UpToHoursOld != 4 {
		e.Errorf("exit code %d, removed %q, kept %q:\n%s%s", r.code, removed, kept, r.stdout, r.stderr)
	}
	text := e.kubectl(nil, "suggest", "-n", "audit", "checkout")
	if !strings.Contains(text.stdout, "up to 4 hours old") {
		e.Errorf("suggest does not say how old its data are:\n%s%s", text.stdout, text.stderr)
	}
	planned := e.kubectl(nil, "plan", "-f", e.file(text.stdout))
	if planned.code != 1 || !strings.Contains(planned.stdout, "PutRolePolicy") {
		e.Errorf("plan does not take what suggest prints, exit code %d:\n%s%s", planned.code, planned.stdout, planned.stderr)
	}
	reader := e.session("suggest-reader", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetRole","Resource":"*"}]}`)
	e.oneLine(e.kubectl(reader, "suggest", "-n", "audit", "checkout"), "AWS denies you iam:GenerateServiceLastAccessedDetails", "--aws-profile")
	e.oneLine(e.kubectl(nil, "suggest", "-n", "audit", "checkout", "--timeout", "1ms"), "AWS did not answer iam:", "in time")
}

// auditOfMany audits 1,000 identities in a few calls.
func (e *env) auditOfMany() {
	e.Helper()
	const many, maxCalls = 1000, 10
	e.namespace("many", nil)
	trust := trustPolicy(e.Issuer, "StringEquals", map[string]string{"sub": "x"})
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for i := range numbers {
				e.createOneOfMany(fmt.Sprintf("many-%d", i), trust)
			}
		})
	}
	for i := range many {
		numbers <- i
	}
	close(numbers)
	workers.Wait()
	if e.Failed() {
		return
	}
	before, began := e.AWS.Calls(), time.Now()
	r := e.kubectl(nil, "audit", "-n", "many", "-o", "json")
	e.Logf("an audit of %d identities took %s", many, time.Since(began).Round(time.Millisecond))
	var got audited
	e.decode(r, &got)
	known := 0
	for _, id := range got.Identities {
		if len(id.Grants) > 0 {
			known++
		}
	}
	calls := 0
	for action, n := range e.AWS.Calls() {
		if action == "GetAccountAuthorizationDetails" || action == "GetCallerIdentity" {
			calls += n - before[action] // the operator may make others meanwhile
		}
	}
	if known != many || calls > maxCalls {
		e.Errorf("%d identities with grants and %d calls, want %d and at most %d: %s", known, calls, many, maxCalls, r.stderr)
	}
}

// createOneOfMany creates a suspended identity, so that the operator leaves it alone,
// with a role.
func (e *env) createOneOfMany(name, trust string) {
	role, err := e.AWS.IAM.CreateRole(e.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err == nil {
		_, err = e.AWS.IAM.PutRolePolicy(e.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &name, PolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::` + name + `/*"}]}`)})
	}
	pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "many", Name: name}, Spec: v1alpha1.PodIdentitySpec{Suspend: true}}
	if err == nil {
		err = e.Client.Create(e.Context(), pi)
	}
	if err == nil {
		patch := fmt.Sprintf(`{"status":{"role":{"name":%q,"arn":%q}}}`, name, *role.Role.Arn)
		err = e.Client.Status().Patch(e.Context(), pi, mergePatch(patch))
	}
	if err != nil {
		e.Error(err)
	}
}
