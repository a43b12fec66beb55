package plugin_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/test/testenv"
)

// scenario is a set-up of IAM Roles for Service Accounts by hand, as kubectl and the
// AWS CLI make it. Its zero value works.
type scenario struct {
	reason string
	// labels of the namespace.
	labels map[string]string
	// annotations of the ServiceAccount in addition; an empty value removes one.
	annotations map[string]string
	// later reports that the annotations come after the pod.
	later bool
	// trust is the role's trust policy.
	trust string
	// path of the role, / if empty, which the annotation does not have.
	path   string
	inline string // policy of the role
	// tags of the role, and label of the ServiceAccount, that another tool sets.
	tags    map[string]string
	account map[string]string
	env     []corev1.EnvVar
	// broken changes what is there after the pod was created.
	broken func(e *env, name string)
	// args of the command in addition.
	args []string

	want string // the broken link, none if empty
	says []string
}

const roleARN = "eks.amazonaws.com/role-arn"

func (e *env) scenarios() map[string]scenario {
	subject := func(name string) string { return "system:serviceaccount:" + name + ":" + name }
	allow := `{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	deny := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Sid":"Frozen","Effect":"Deny","Action":"s3:Get*","Resource":"*"}]}`
	get := []string{"--action", "s3:GetObject", "--resource", "arn:aws:s3:::bucket/key"}
	return map[string]scenario{
		"works": {reason: "IRSA set up by hand.", inline: allow, args: get, says: []string{"The pod can assume"}},
		"eksctl": {
			reason: "IRSA set up by eksctl create iamserviceaccount.", tags: eksctl("eksctl"), account: map[string]string{"app.kubernetes.io/managed-by": "eksctl"},
			trust:  trustPolicy(e.Issuer, "StringEquals", map[string]string{"sub": subject("eksctl"), "aud": "sts.amazonaws.com"}),
			inline: allow, args: get, says: []string{"The pod can assume"},
		},
		"eksctl-deleted": {
			reason: "The stack of eksctl was deleted, and the ServiceAccount was not.", tags: eksctl("eksctl-deleted"),
			account: map[string]string{"app.kubernetes.io/managed-by": "eksctl"}, broken: (*env).deleteRole,
			want: "role", says: []string{"role/eksctl-deleted does not exist"},
		},
		"terraform": {
			reason: "IRSA set up by a Terraform module.", tags: map[string]string{"Terraform": "true"},
			trust:  trustPolicy(e.Issuer, "StringLike", map[string]string{"sub": "system:serviceaccount:terraform:*", "aud": "sts.amazonaws.com"}),
			inline: allow, args: get, says: []string{"The pod can assume"},
		},
		"terraform-renamed": {
			reason: "The module still names the previous ServiceAccount.", tags: map[string]string{"Terraform": "true"},
			trust: trustPolicy(e.Issuer, "StringLike", map[string]string{"sub": "system:serviceaccount:terraform-renamed:old-*", "aud": "sts.amazonaws.com"}),
			want:  "trust", says: []string{"expected system:serviceaccount:terraform-renamed:old-*, actual system:serviceaccount:terraform-renamed:terraform-renamed"},
		},
		"no-account": {
			reason: "The ServiceAccount was deleted after the pod was created.", broken: (*env).deleteAccount,
			want: "serviceaccount", says: []string{"ServiceAccount no-account/no-account does not exist"},
		},
		"no-token": {
			reason: "The pod template sets the variables by hand, without the token.",
			env:    []corev1.EnvVar{{Name: "AWS_ROLE_ARN", Value: "arn:aws:iam::" + testenv.AccountID + ":role/no-token"}, {Name: "AWS_WEB_IDENTITY_TOKEN_FILE", Value: "/token"}},
			broken: (*env).awaitInjection,
			want:   "token", says: []string{"no projected ServiceAccount token is mounted at /token"},
		},
		"no-annotation": {
			reason: "Nothing connects the ServiceAccount to the role.", annotations: map[string]string{roleARN: ""},
			want: "annotation", says: []string{"has no eks.amazonaws.com/role-arn annotation"},
		},
		"typo": {
			reason: "The key of the annotation is misspelled.", annotations: map[string]string{roleARN: "", "eks.amazon.com/role-arn": "arn:aws:iam::" + testenv.AccountID + ":role/typo"},
			want: "annotation", says: []string{"has an annotation eks.amazon.com/role-arn", "the webhook reads eks.amazonaws.com/role-arn"},
		},
		"no-arn": {
			reason: "The annotation has the name of the role instead of its ARN.", annotations: map[string]string{roleARN: "no-arn"},
			want: "annotation", says: []string{`"no-arn", which is not the ARN of a role`},
		},
		"no-webhook": {
			reason: "The webhook does not select the namespace.", labels: map[string]string{skipWebhook: ""},
			want: "webhook", says: []string{"a new pod would get no role"},
		},
		"older-pod": {
			reason: "The pod was created before the annotation.", later: true,
			want: "variables", says: []string{"without a role", "a pod gets its role when it is created"},
		},
		"access-keys": {
			reason: "The SDKs prefer access keys.", env: []corev1.EnvVar{{Name: "AWS_ACCESS_KEY_ID", Value: "AKIA"}},
			want: "credentials", says: []string{"container app sets AWS_ACCESS_KEY_ID"},
		},
		"audience": {
			reason: "The provider does not accept the audience.", annotations: map[string]string{"eks.amazonaws.com/audience": "vault"},
			want: "audience", says: []string{"the token is for audience vault, and the provider accepts sts.amazonaws.com"},
		},
		"no-provider": {
			reason: "IAM does not know the issuer.", broken: (*env).deleteProvider,
			want: "provider", says: []string{"has no OIDC provider for the issuer", "aws iam create-open-id-connect-provider --url " + e.Issuer},
		},
		"no-role": {
			reason: "The role was deleted.", broken: (*env).deleteRole,
			want: "role", says: []string{"role/no-role does not exist"},
		},
		"path": {
			reason: "The annotation lacks the path of the role.", path: "/team/",
			want: "role", says: []string{"the ARN of role path is arn:aws:iam::" + testenv.AccountID + ":role/team/path"},
		},
		"other-issuer": {
			reason: "The role trusts another cluster.", trust: trustPolicy("https://oidc.eks.eu-west-1.amazonaws.com/id/OLD", "StringEquals", map[string]string{"sub": subject("other-issuer")}),
			want: "trust", says: []string{"oidc.eks.eu-west-1.amazonaws.com/id/OLD; the token's provider is"},
		},
		"other-subject": {
			reason: "The role trusts another ServiceAccount.", trust: trustPolicy(e.Issuer, "StringEquals", map[string]string{"sub": subject("other")}),
			want: "trust", says: []string{"expected system:serviceaccount:other:other, actual system:serviceaccount:other-subject:other-subject"},
		},
		"star": {
			reason: "StringEquals takes a * literally.", trust: trustPolicy(e.Issuer, "StringEquals", map[string]string{"sub": "system:serviceaccount:star:*"}),
			want: "trust", says: []string{"StringEquals takes * and ? literally", "use StringLike"},
		},
		"deny": {
			reason: "A Deny overrides an Allow.", inline: deny, args: get,
			want: "deny", says: []string{"statement Frozen of inline policy deny denies s3:GetObject on arn:aws:s3:::bucket/key"},
		},
		"not-allowed": {
			reason: "No policy allows it.", inline: allow, args: []string{"--action", "s3:PutObject", "--resource", "arn:aws:s3:::bucket/key"},
			want: "permissions", says: []string{"no policy of the role allows s3:PutObject"},
		},
		"boundary": {
			reason: "The boundary allows less.", inline: allow, args: get, broken: (*env).setBoundary,
			want: "boundary", says: []string{"the permissions boundary narrow does not allow s3:GetObject"},
		},
	}
}

// Each link is broken once, and why names it: with -o json for programs, and in
// words that say what is wrong.
func (e *env) why() {
	e.Helper()
	for name, s := range e.scenarios() {
		e.Run(name, func(t *testing.T) { s.run(e.with(t), name) })
	}
}

func (s scenario) run(e *env, name string) {
	e.Helper()
	e.Log(s.reason)
	s.setUp(e, name)
	if s.account != nil {
		e.Cleanup(func() { e.forgetTool(name) }) // or import eksctl finds it
	}
	args := append([]string{"why", "-n", name, name}, s.args...)
	text := e.kubectl(nil, args...)
	var got struct {
		Broken string `json:"broken"`
	}
	program := e.kubectl(nil, append(args, "-o", "json")...)
	e.decode(program, &got)
	want := 0
	if s.want != "" {
		want = 1
	}
	if got.Broken != s.want || text.code != want || program.code != want {
		e.Errorf("broken link %q with exit codes %d and %d, want %q and %d:\n%s%s", got.Broken, text.code, program.code, s.want, want, text.stdout, text.stderr)
	}
	for _, words := range s.says {
		if !strings.Contains(text.stdout, words) {
			e.Errorf("the output does not say %q:\n%s", words, text.stdout)
		}
	}
	if strings.Contains(text.stdout, "\x1b") {
		e.Errorf("there is color in a pipe:\n%q", text.stdout)
	}
}

// setUp creates the namespace, the role, the ServiceAccount and the pod, all of one
// name.
func (s scenario) setUp(e *env, name string) {
	e.Helper()
	sa, annotations := s.setUpAccount(e, name)
	_, annotated := sa.Annotations[roleARN]
	_, skipped := s.labels[skipWebhook]
	byHand := slices.ContainsFunc(s.env, func(v corev1.EnvVar) bool { return v.Name == "AWS_ROLE_ARN" }) // the webhook leaves such a pod alone
	e.createPod(name, s.env, annotated && !skipped && !byHand)
	if s.later {
		sa.Annotations = annotations
		e.Must(e.Client.Update(e.Context(), sa))
		e.awaitInjection(name)
	}
	if s.broken != nil {
		s.broken(e, name)
	}
}

// setUpAccount creates all but the pod. It returns the annotations that the ServiceAccount
// gets in the end.
func (s scenario) setUpAccount(e *env, name string) (*corev1.ServiceAccount, map[string]string) {
	e.Helper()
	e.namespace(name, s.labels)
	s.createRole(e, name)
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: name, Labels: s.account}}
	annotations := map[string]string{roleARN: fmt.Sprintf("arn:aws:iam::%s:role/%s", testenv.AccountID, name)}
	for key, value := range s.annotations {
		annotations[key] = value
		if value == "" {
			delete(annotations, key)
		}
	}
	if !s.later {
		sa.Annotations = annotations
	}
	e.Must(e.Client.Create(e.Context(), sa))
	return sa, annotations
}

func (s scenario) createRole(e *env, name string) {
	e.Helper()
	trust := s.trust
	if trust == "" {
		trust = trustPolicy(e.Issuer, "StringEquals", map[string]string{"sub": "system:serviceaccount:" + name + ":" + name})
	}
	input := &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}
	if s.path != "" {
		input.Path = &s.path
	}
	for key, value := range s.tags {
		input.Tags = append(input.Tags, iamtypes.Tag{Key: &key, Value: &value})
	}
	_, err := e.AWS.IAM.CreateRole(e.Context(), input)
	e.Must(err)
	if s.inline != "" {
		_, err := e.AWS.IAM.PutRolePolicy(e.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &name, PolicyDocument: &s.inline})
		e.Must(err)
	}
}

// createPod creates a pod, once the webhook knows its ServiceAccount.
func (e *env) createPod(name string, vars []corev1.EnvVar, injected bool) {
	e.Helper()
	e.Eventually("the webhook to know the ServiceAccount", func() bool {
		pod := podOf(name, vars)
		e.Must(e.Client.Create(e.Context(), pod, client.DryRunAll))
		return !injected || len(pod.Spec.Containers[0].Env) > len(vars)
	})
	e.Must(e.Client.Create(e.Context(), podOf(name, vars)))
}

func podOf(name string, vars []corev1.EnvVar) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: name},
		Spec:       corev1.PodSpec{ServiceAccountName: name, Containers: []corev1.Container{{Name: "app", Image: "app", Env: vars}}},
	}
}

// healthyAccount creates a ServiceAccount that has a role which works, by hand.
func (e *env) healthyAccount(name string) {
	e.Helper()
	scenario{}.setUpAccount(e, name)
}

// deleteProvider deletes the cluster's OIDC provider until the end of the test.
func (e *env) deleteProvider(string) {
	e.Helper()
	arn := "arn:aws:iam::" + testenv.AccountID + ":oidc-provider/" + strings.TrimPrefix(e.Issuer, "https://")
	_, err := e.AWS.IAM.DeleteOpenIDConnectProvider(e.Context(), &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	e.Must(err)
	e.Cleanup(func() {
		_, err := e.Installation(clusterName).TrustIssuer(context.WithoutCancel(e.Context()), e.AWS.IAM)
		e.Must(err)
	})
}

// eksctl returns the tags of a role that eksctl created for a ServiceAccount.
func eksctl(name string) map[string]string {
	return map[string]string{
		"alpha.eksctl.io/cluster-name": clusterName, "alpha.eksctl.io/iamserviceaccount-name": name + "/" + name,
		"alpha.eksctl.io/eksctl-version": "0.215.0",
	}
}

// awaitInjection waits until the webhook gives new pods of a ServiceAccount its role.
func (e *env) awaitInjection(name string) {
	e.Helper()
	e.Eventually("the webhook to have seen the annotation", func() bool {
		pod := podOf(name, nil)
		pod.Name = "later"
		e.Must(e.Client.Create(e.Context(), pod, client.DryRunAll))
		return len(pod.Spec.Containers[0].Env) > 0
	})
}

// forgetTool removes what names the tool that created an identity.
func (e *env) forgetTool(name string) {
	e.Helper()
	ctx := context.WithoutCancel(e.Context())
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: name}}
	e.Must(e.Client.Patch(ctx, sa, mergePatch(`{"metadata":{"labels":null}}`)))
	_, err := e.AWS.IAM.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &name, TagKeys: slices.Collect(maps.Keys(eksctl(name)))})
	if _, gone := errors.AsType[*iamtypes.NoSuchEntityException](err); !gone {
		e.Must(err)
	}
}

func (e *env) deleteAccount(name string) {
	e.Helper()
	e.Must(e.Client.Delete(e.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: name}}))
}

func (e *env) deleteRole(name string) {
	e.Helper()
	_, err := e.AWS.IAM.DeleteRole(e.Context(), &iam.DeleteRoleInput{RoleName: &name})
	e.Must(err)
}

func (e *env) setBoundary(name string) {
	e.Helper()
	document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}`
	p, err := e.AWS.IAM.CreatePolicy(e.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("narrow"), PolicyDocument: &document})
	e.Must(err)
	_, err = e.AWS.IAM.PutRolePermissionsBoundary(e.Context(), &iam.PutRolePermissionsBoundaryInput{RoleName: &name, PermissionsBoundary: p.Policy.Arn})
	e.Must(err)
}
