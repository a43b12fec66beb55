package plugin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

const (
	movedPolicy = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
	movedInline = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:eu-west-1:123456789012:orders"}]}`
)

// move is a ServiceAccount "app" of a namespace of its own, with a role of another tool.
type move struct {
	*env

	namespace, role, arn string
	token                string
}

// newMove sets up the role and the ServiceAccount as the other tool does.
func (e *env) newMove(source, path string) *move {
	e.Helper()
	m := &move{env: e, namespace: "move-" + source, role: "old-" + source}
	e.namespace(m.namespace, nil)
	input := &iam.CreateRoleInput{
		RoleName: &m.role, Path: &path, Description: aws.String("of " + source), AssumeRolePolicyDocument: aws.String(m.trust()),
		PermissionsBoundary: &e.granted.Boundary,
		Tags:                []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("shop")}},
	}
	created, err := e.AWS.IAM.CreateRole(e.Context(), input)
	e.Must(err)
	m.arn = *created.Role.Arn
	_, err = e.AWS.IAM.AttachRolePolicy(e.Context(), &iam.AttachRolePolicyInput{RoleName: &m.role, PolicyArn: aws.String(movedPolicy)})
	e.Must(err)
	_, err = e.AWS.IAM.PutRolePolicy(e.Context(), &iam.PutRolePolicyInput{RoleName: &m.role, PolicyName: aws.String("orders"), PolicyDocument: aws.String(movedInline)})
	e.Must(err)
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: m.namespace, Name: "app", Annotations: map[string]string{roleARN: m.arn}}}
	if source == "eksctl" {
		sa.Labels = map[string]string{"app.kubernetes.io/managed-by": "eksctl"}
	}
	e.Must(e.Client.Create(e.Context(), sa))
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{"sts.amazonaws.com"}}}
	e.Must(e.Client.SubResource("token").Create(e.Context(), sa, request))
	m.token = request.Status.Token
	return m
}

func (m *move) trust() string {
	return trustPolicy(m.Issuer, "StringEquals", map[string]string{"sub": "system:serviceaccount:" + m.namespace + ":app", "aud": "sts.amazonaws.com"})
}

// gap returns what a pod with a role lacks, nil if it lacks nothing.
func (m *move) gap(ctx context.Context, arn string) error {
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	if _, err := m.AWS.STS.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &arn, RoleSessionName: aws.String("pod"), WebIdentityToken: &m.token,
	}); err != nil {
		return fmt.Errorf("a pod cannot assume %s: %w", arn, err)
	}
	attached, err := m.AWS.IAM.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &name})
	if err != nil || len(attached.AttachedPolicies) != 1 || *attached.AttachedPolicies[0].PolicyArn != movedPolicy {
		return fmt.Errorf("role %s has not its managed policy: %+v, %w", name, attached, err)
	}
	if _, err = m.AWS.IAM.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &name, PolicyName: aws.String("orders")}); err != nil {
		return fmt.Errorf("role %s has not its inline policy: %w", name, err)
	}
	return nil
}

// guard watches, until stop is called, that the ServiceAccount always has a role that
// its pods can assume, with all its permissions; and that the old role works, which
// running pods have. Stop returns the first gap, and how often the guard looked.
func (m *move) guard() (stop func() (int, error)) {
	m.Helper()
	ctx, cancel := context.WithCancel(m.Context())
	watching, err := client.NewWithWatch(m.env.Config, client.Options{})
	m.Must(err)
	changes, err := watching.Watch(ctx, &corev1.ServiceAccountList{}, client.InNamespace(m.namespace))
	m.Must(err)
	type result struct {
		looks int
		err   error
	}
	done := make(chan result, 1)
	go func() {
		defer changes.Stop()
		r, arn := result{}, m.arn
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for r.err == nil {
			select {
			case <-ctx.Done():
				done <- r
				return
			case change := <-changes.ResultChan():
				sa, ok := change.Object.(*corev1.ServiceAccount)
				if !ok || sa.Name != "app" {
					continue
				}
				if arn = sa.Annotations[roleARN]; arn == "" || change.Type == watch.Deleted {
					r.err = fmt.Errorf("the ServiceAccount lost its annotation: %s", change.Type)
				}
			case <-tick.C:
				r.looks++
				for _, role := range []string{arn, m.arn} {
					if err := m.gap(ctx, role); err != nil && ctx.Err() == nil {
						r.err = err
					}
				}
			}
		}
		done <- r
	}()
	return func() (int, error) {
		cancel()
		r := <-done
		return r.looks, r.err
	}
}

// imports moves a role from each source, as docs/migration.md says.
func (e *env) imports() {
	e.Helper()
	e.installed()
	for source, args := range map[string]func(m *move) []string{
		"irsa":       func(m *move) []string { return []string{"serviceaccount", m.namespace + "/app"} },
		"role":       func(m *move) []string { return []string{"role", m.role} },
		"eksctl":     func(*move) []string { return []string{"eksctl"} },
		"terraform":  func(m *move) []string { return []string{"terraform", "-f", m.file(m.terraform())} },
		"ack":        func(m *move) []string { return []string{"ack", "-f", m.file(m.ack())} },
		"crossplane": func(m *move) []string { return []string{"crossplane", "-f", m.file(m.crossplane())} },
	} {
		e.Run(source, func(t *testing.T) {
			m := e.with(t).newMove(source, "/")
			m.move(args(m))
		})
	}
	e.Run("Adopt", func(t *testing.T) { e.with(t).adopts() })
	e.Run("Errors", func(t *testing.T) { e.with(t).importErrors() })
}

// move is the walk-through: a second role, the annotation, and then the end of the old
// role.
func (m *move) move(source []string) {
	m.Helper()
	stop := m.guard()
	r := m.kubectl(nil, append([]string{"import"}, source...)...)
	if r.code != 0 || r.stderr != "" {
		m.Fatalf("import ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	m.apply(r.stdout)
	pi := &v1alpha1.PodIdentity{}
	m.Eventually("the new role", func() bool {
		m.Must(m.Client.Get(m.Context(), client.ObjectKey{Namespace: m.namespace, Name: "app"}, pi))
		return meta.IsStatusConditionTrue(pi.Status.Conditions, v1alpha1.ConditionRoleReady)
	})
	out, err := m.env.Kubectl(m.Context(), "annotate", "serviceaccount", "-n", m.namespace, "app", "--overwrite", roleARN+"="+pi.Status.Role.ARN).CombinedOutput()
	if err != nil {
		m.Fatalf("%v\n%s", err, out)
	}
	if r := m.kubectl(nil, "reconcile", "-n", m.namespace, "app", "--wait"); r.code != 0 {
		m.Fatalf("reconcile --wait ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	looks, gap := stop()
	if gap != nil || looks == 0 {
		m.Errorf("after %d looks: %v", looks, gap)
	}
	if p := m.kubectl(nil, "plan", "-f", m.file(r.stdout)); p.code != 0 {
		m.Errorf("the imported identity plans changes:\n%s%s", p.stdout, p.stderr)
	}
	m.deleteOldRole()
	if err := m.gap(m.Context(), pi.Status.Role.ARN); err != nil {
		m.Errorf("without the old role: %v", err)
	}
}

func (m *move) deleteOldRole() {
	m.Helper()
	_, err := m.AWS.IAM.DetachRolePolicy(m.Context(), &iam.DetachRolePolicyInput{RoleName: &m.role, PolicyArn: aws.String(movedPolicy)})
	m.Must(err)
	_, err = m.AWS.IAM.DeleteRolePolicy(m.Context(), &iam.DeleteRolePolicyInput{RoleName: &m.role, PolicyName: aws.String("orders")})
	m.Must(err)
	_, err = m.AWS.IAM.DeleteRole(m.Context(), &iam.DeleteRoleInput{RoleName: &m.role})
	m.Must(err)
}

// adopts lets the operator take a role over: its ARN and its ID stay.
func (e *env) adopts() {
	e.Helper()
	m := e.newMove("adopt", "/podidentity/"+clusterName+"/")
	before, err := e.AWS.IAM.GetRole(e.Context(), &iam.GetRoleInput{RoleName: &m.role})
	e.Must(err)
	stop := m.guard()
	args := []string{"import", "serviceaccount", m.namespace + "/app", "--adopt"}
	var got struct {
		Identities []struct{ Adopt []string }
	}
	e.decode(e.kubectl(nil, append(args, "-o", "json")...), &got)
	e.Must(m.tag(got.Identities[0].Adopt[0]))
	r := e.kubectl(nil, args...)
	if r.code != 0 || !strings.Contains(r.stdout, "#   "+got.Identities[0].Adopt[0]) {
		e.Fatalf("import ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	e.apply(r.stdout)
	if r := e.kubectl(nil, "reconcile", "-n", m.namespace, "app", "--wait"); r.code != 0 {
		e.Fatalf("reconcile --wait ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	if looks, gap := stop(); gap != nil || looks == 0 {
		e.Errorf("after %d looks: %v", looks, gap)
	}
	after, err := e.AWS.IAM.GetRole(e.Context(), &iam.GetRoleInput{RoleName: &m.role})
	e.Must(err)
	if *after.Role.Arn != *before.Role.Arn || *after.Role.RoleId != *before.Role.RoleId {
		e.Errorf("the role is another one: %s, %s", *after.Role.Arn, *after.Role.RoleId)
	}
	if p := e.kubectl(nil, "plan", "-f", e.file(r.stdout)); p.code != 0 {
		e.Errorf("the adopted identity plans changes:\n%s%s", p.stdout, p.stderr)
	}
	elsewhere := e.newMove("elsewhere", "/")
	if r := e.kubectl(nil, "import", "role", elsewhere.role, "--adopt"); r.code != 1 || !strings.Contains(r.stderr, "IAM cannot move a role") {
		e.Errorf("import of a role in another path ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// tag runs the printed command of the AWS CLI.
func (m *move) tag(command string) error {
	rest, ok := strings.CutPrefix(command, "aws iam tag-role --role-name "+m.role+" --tags ")
	if !ok {
		return fmt.Errorf("another command: %s", command)
	}
	input := &iam.TagRoleInput{RoleName: &m.role}
	for word := range strings.FieldsSeq(rest) {
		key, value, _ := strings.Cut(strings.TrimPrefix(word, "Key="), ",Value=")
		input.Tags = append(input.Tags, iamtypes.Tag{Key: &key, Value: &value})
	}
	_, err := m.AWS.IAM.TagRole(m.Context(), input)
	return err
}

func (e *env) importErrors() {
	e.Helper()
	e.namespace("import-errors", nil)
	e.Must(e.Client.Create(e.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "import-errors", Name: "none"}}))
	e.Must(e.Client.Create(e.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Namespace: "import-errors", Name: "gone", Annotations: map[string]string{roleARN: "arn:aws:iam::" + testenv.AccountID + ":role/gone"},
	}}))
	e.Must(e.Client.Create(e.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Namespace: "import-errors", Name: "other", Annotations: map[string]string{roleARN: "arn:aws:iam::999999999999:role/other"},
	}}))
	for name, tc := range map[string]struct {
		reason string
		vars   map[string]string
		args   []string
		words  []string
	}{
		"NoServiceAccount": {"The ServiceAccount does not exist.", nil, []string{"serviceaccount", "import-errors/nope"}, []string{"ServiceAccount import-errors/nope does not exist"}},
		"NoRole":           {"The ServiceAccount has no role.", nil, []string{"sa", "none", "-n", "import-errors"}, []string{"has no annotation eks.amazonaws.com/role-arn"}},
		"RoleGone":         {"The role was deleted.", nil, []string{"sa", "import-errors/gone"}, []string{"role/gone does not exist in AWS"}},
		"OtherAccount":     {"The credentials are for another account.", nil, []string{"sa", "import-errors/other"}, []string{"AWS account 999999999999", "--aws-profile"}},
		"UnknownRole":      {"The role does not exist.", nil, []string{"role", "nope"}, []string{"role nope does not exist"}},
		"OperatorsRole":    {"The role is not for pods.", nil, []string{"role", "causes-nothing"}, []string{"trusts no ServiceAccount of this cluster"}},
		"NoCredentials":    {"There are no AWS credentials.", map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, []string{"eksctl"}, []string{"no AWS credentials found"}},
	} {
		e.Run(name+": "+tc.reason, func(t *testing.T) {
			e := e.with(t)
			e.oneLine(e.kubectl(tc.vars, append([]string{"import"}, tc.args...)...), tc.words...)
		})
	}
}

// text returns a value as JSON, which is also YAML.
func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func (m *move) terraform() string {
	role := map[string]any{
		"arn": m.arn, "name": m.role, "path": "/", "description": "of terraform", "max_session_duration": 3600,
		"permissions_boundary": m.granted.Boundary, "assume_role_policy": m.trust(), "tags": map[string]string{"team": "shop"},
	}
	resource := func(kind, name string, attributes any) any {
		return map[string]any{"mode": "managed", "type": kind, "name": name, "instances": []any{map[string]any{"attributes": attributes}}}
	}
	return text(map[string]any{"version": 4, "resources": []any{
		resource("aws_iam_role", "app", role),
		resource("aws_iam_role_policy_attachment", "app", map[string]string{"role": m.role, "policy_arn": movedPolicy}),
		resource("aws_iam_role_policy", "app", map[string]string{"role": m.role, "name": "orders", "policy": movedInline}),
	}})
}

func (m *move) ack() string {
	return text(map[string]any{
		"apiVersion": "iam.services.k8s.aws/v1alpha1", "kind": "Role", "metadata": map[string]string{"name": "app", "namespace": m.namespace},
		"spec": map[string]any{
			"name": m.role, "description": "of ack", "assumeRolePolicyDocument": m.trust(), "permissionsBoundary": m.granted.Boundary,
			"policies": []string{movedPolicy}, "inlinePolicies": map[string]string{"orders": movedInline}, "tags": []any{map[string]string{"key": "team", "value": "shop"}},
		},
	})
}

func (m *move) crossplane() string {
	object := func(kind, name string, spec any) string {
		return text(map[string]any{
			"apiVersion": "iam.aws.upbound.io/v1beta1", "kind": kind,
			"metadata": map[string]any{"name": name, "annotations": map[string]string{"crossplane.io/external-name": name}},
			"spec":     map[string]any{"forProvider": spec},
		})
	}
	return object("Role", m.role, map[string]any{
		"description": "of crossplane", "assumeRolePolicy": m.trust(), "permissionsBoundary": m.granted.Boundary, "tags": map[string]string{"team": "shop"},
	}) + "\n---\n" + object("RolePolicyAttachment", "a", map[string]string{"role": m.role, "policyArn": movedPolicy}) +
		"\n---\n" + object("RolePolicy", "orders", map[string]string{"role": m.role, "policy": movedInline})
}
