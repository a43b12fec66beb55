package controllers_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/controllers"
)

// The operator of every test runs in a role of its own, with the policy that
// config/aws ships and no other right, and AWS enforces it.

// operatorRole is the role of the operator.
const operatorRole = "operator"

// createOperator makes the operator's role, and credentials of it.
func (s *env) createOperator() {
	s.t.Helper()
	_, err := s.iam.CreateRole(s.ctx, &iam.CreateRoleInput{RoleName: aws.String(operatorRole), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}`)})
	s.must(err)
	for i, document := range s.operatorPolicies() {
		s.grant(string(rune('a'+i)), document)
	}
	out, err := s.sts.AssumeRole(s.ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::123456789012:role/" + operatorRole), RoleSessionName: aws.String("operator"),
	})
	s.must(err)
	s.operator = aws.Credentials{
		AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken,
	}
}

// grant sets a policy of the operator's role.
func (s *env) grant(name, document string) {
	s.t.Helper()
	_, err := s.iam.PutRolePolicy(s.ctx, &iam.PutRolePolicyInput{RoleName: aws.String(operatorRole), PolicyName: &name, PolicyDocument: &document})
	s.must(err)
}

// operatorPolicies are those that fit the operator's configuration.
func (s *env) operatorPolicies() []string {
	s.t.Helper()
	files := []string{"operator-policy-without-boundary.json"}
	if s.config.PermissionsBoundary != "" {
		files = []string{"operator-policy.json"}
	}
	if s.config.CreateOIDCProvider {
		files = append(files, "operator-policy-oidc-provider.json")
	}
	if s.account.Events().Queue != "" {
		files = append(files, "operator-policy-event-queue.json")
	}
	var policies []string
	for _, file := range files {
		raw, err := os.ReadFile(filepath.Join("..", "config", "aws", file))
		s.must(err)
		policies = append(policies, strings.NewReplacer(
			"PARTITION", "aws", "ACCOUNT_ID", "123456789012", "CLUSTER", s.config.ClusterName, "EVENT_REGION", "us-east-1",
			"ISSUER", strings.TrimPrefix(cluster.Issuer, "https://"), "policy/podidentity-boundary", "policy/boundary",
		).Replace(string(raw)))
	}
	return policies
}

// rejections collects the actions that AWS denied because a permission is missing.
type rejections struct {
	mu      sync.Mutex
	actions map[string]bool
}

var deniedAction = regexp.MustCompile(`assumed-role/operator/operator is not authorized to perform: (\S+)`)

// Enabled implements slog.Handler.
func (r *rejections) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (r *rejections) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(a slog.Attr) bool {
		if found := deniedAction.FindStringSubmatch(a.Value.String()); found != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.actions == nil {
				r.actions = map[string]bool{}
			}
			r.actions[found[1]] = true
		}
		return true
	})
	return nil
}

// WithAttrs implements slog.Handler.
func (r *rejections) WithAttrs([]slog.Attr) slog.Handler { return r }

// WithGroup implements slog.Handler.
func (r *rejections) WithGroup(string) slog.Handler { return r }

// all returns the actions in order.
func (r *rejections) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.actions))
}

// The policy suffices for a whole life, and of what it allows nothing can be left
// out: without any one action that life meets a rejection.
func TestOperatorPolicy_AllowsNoMoreThanIsNeeded(t *testing.T) {
	withBoundary := func(c *controllers.Config) { c.PermissionsBoundary = boundaryARN }
	t.Run("Suffices", func(t *testing.T) {
		s := startEnv(t, withBoundary)
		s.wholeLife("")
		if diff := cmp.Diff([]string(nil), s.rejected.all()); diff != "" {
			t.Errorf("rejected: -want, +got:\n%s", diff)
		}
	})
	for _, action := range allowedActions(t) {
		t.Run(strings.TrimPrefix(action, "iam:"), func(t *testing.T) {
			t.Parallel()
			s := newEnv(t, withBoundary)
			s.grant("a", without(t, s.operatorPolicies()[0], action))
			s.createProvider()
			s.start()
			s.wholeLife(action)
			if !slices.Contains(s.rejected.all(), action) {
				t.Errorf("%s is allowed, and nothing needs it", action)
			}
		})
	}
}

// document is a policy as far as this test has to know it.
type document struct {
	Version   string
	Statement []map[string]any
}

// allowedActions lists what operator-policy.json allows.
func allowedActions(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "config", "aws", "operator-policy.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, statement := range d.Statement {
		if statement["Effect"] == "Allow" {
			for _, action := range statement["Action"].([]any) {
				actions = append(actions, action.(string))
			}
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// without returns a policy that no longer allows an action.
func without(t *testing.T, policy, action string) string {
	t.Helper()
	var d document
	if err := json.Unmarshal([]byte(policy), &d); err != nil {
		t.Fatal(err)
	}
	d.Statement = slices.DeleteFunc(d.Statement, func(statement map[string]any) bool {
		if statement["Effect"] != "Allow" {
			return false
		}
		left := slices.DeleteFunc(statement["Action"].([]any), func(a any) bool { return a == action })
		statement["Action"] = left
		return len(left) == 0
	})
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// wholeLife tells a life in which an operator does all that it ever does. It ends early
// when the action was denied that the test is about.
func (s *env) wholeLife(action string) {
	s.t.Helper()
	rejected := func() bool { return action != "" && slices.Contains(s.rejected.all(), action) }
	for _, part := range []func(func() bool){s.reconcileToReady, s.reconcileDrift, s.reconcileQuota, s.reconcileAfterRestart, s.reconcileDeletion} {
		part(rejected)
		if rejected() {
			return
		}
	}
}

func (s *env) reconcileToReady(rejected func() bool) {
	s.createPolicy("boundary")
	s.apply(checkout)
	s.eventually("a role", func() bool {
		ready := condition(s.get("checkout"), "Ready")
		return rejected() || ready != nil && ready.Status == "True"
	})
}

// reconcileDrift changes every part of the role.
func (s *env) reconcileDrift(rejected func() bool) {
	name := s.get("checkout").Status.Role.Name
	want, wantTrust := s.role(name), s.trust(name)
	for _, change := range []func() error{
		func() error {
			_, err := s.iam.DeleteRolePermissionsBoundary(s.ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &name})
			return err
		},
		func() error {
			_, err := s.iam.TagRole(s.ctx, &iam.TagRoleInput{RoleName: &name, Tags: []iamtypes.Tag{{Key: aws.String("extra"), Value: aws.String("x")}}})
			return err
		},
		func() error {
			_, err := s.iam.UntagRole(s.ctx, &iam.UntagRoleInput{RoleName: &name, TagKeys: []string{"team"}})
			return err
		},
		func() error { return s.attach(name, "arn:aws:iam::aws:policy/IAMFullAccess") },
		func() error {
			_, err := s.iam.DetachRolePolicy(s.ctx, &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: &want.Managed[0]})
			return err
		},
		func() error { return s.putPolicy(name, "backdoor") },
		func() error { return s.putPolicy(name, "bucket") },
		func() error {
			_, err := s.iam.UpdateAssumeRolePolicy(s.ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: aws.String(
				`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}`)})
			return err
		},
		func() error {
			_, err := s.iam.UpdateRole(s.ctx, &iam.UpdateRoleInput{RoleName: &name, Description: aws.String("mine")})
			return err
		},
	} {
		s.must(change())
	}
	s.request("checkout", "drift")
	s.eventually("the request to be handled", func() bool { return rejected() || s.get("checkout").Status.LastHandledReconcileAt == "drift" })
	if rejected() {
		return
	}
	if diff := cmp.Diff(want, s.role(name)); diff != "" || s.trust(name) != wantTrust {
		s.t.Errorf("The role is not put right: -want, +got:\n%s", diff)
	}
}

// reconcileQuota asks for more than an account has by default.
func (s *env) reconcileQuota(rejected func() bool) {
	var arns []string
	for name := range strings.SplitSeq("abcdefghijk", "") {
		s.createPolicy(name)
		arns = append(arns, `"arn:aws:iam::123456789012:policy/`+name+`"`)
	}
	s.apply("metadata: {name: greedy}\nspec: {policies: {managed: [" + strings.Join(arns, ", ") + "]}}")
	s.eventually("the quota to be read", func() bool { return rejected() || s.account.Calls()["GetAccountSummary"] > 0 })
}

func (s *env) reconcileAfterRestart(rejected func() bool) {
	before := s.account.Calls()
	s.stop()
	s.start()
	s.eventually("a drift check", func() bool { return rejected() || since(before, s.account.Calls())["ListRoles"] > 0 })
}

// reconcileDeletion deletes a role that has an attachment of another tool.
func (s *env) reconcileDeletion(rejected func() bool) {
	name := s.get("checkout").Status.Role.Name
	profile := aws.String("profile")
	_, err := s.iam.CreateInstanceProfile(s.ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: profile, Path: aws.String(s.config.RolePath)})
	s.must(err)
	_, err = s.iam.AddRoleToInstanceProfile(s.ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: &name})
	s.must(err)
	s.delete("checkout")
	s.eventually("the role to be gone", func() bool { return rejected() || !s.roleExists(name) })
}

// attach attaches a policy as another tool.
func (s *env) attach(role, arn string) error {
	_, err := s.iam.AttachRolePolicy(s.ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &arn})
	return err
}
