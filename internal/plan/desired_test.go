package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

var testCluster = Cluster{
	Name: "prod", Partition: "aws", AccountID: "123456789012", Issuer: "https://oidc.example.com/id/0A1B",
	Audience: DefaultAudience, RolePath: "/podidentity/prod/",
}

func identity(edit func(*v1alpha1.PodIdentitySpec)) *v1alpha1.PodIdentity {
	pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout", UID: "uid-1"}}
	edit(&pi.Spec)
	return pi
}

// The desired state of an empty spec, which every identity has at least.
func emptyState() State {
	return State{
		Role: Role{
			Name: "prod_shop_checkout_1286e5f6", Path: "/podidentity/prod/", MaxSessionDuration: 3600,
			Trust: policy.Document(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/0A1B"},` +
				`"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.example.com/id/0A1B:aud":"sts.amazonaws.com","oidc.example.com/id/0A1B:sub":"system:serviceaccount:shop:checkout"}}}]}`),
			Tags: map[string]string{
				TagManagedBy: ManagedBy, TagCluster: "prod", TagNamespace: "shop", TagName: "checkout", TagUID: "uid-1",
			},
			Inline: map[string]InlinePolicy{},
		},
		ServiceAccount: ServiceAccount{Name: "checkout", Create: true, Annotations: map[string]string{
			AnnotationRoleARN:              "arn:aws:iam::123456789012:role/podidentity/prod/prod_shop_checkout_1286e5f6",
			AnnotationSTSRegionalEndpoints: "true",
		}},
	}
}

func TestDesired_FromTheSpec(t *testing.T) {
	cases := map[string]struct {
		reason  string
		spec    func(*v1alpha1.PodIdentitySpec)
		cluster func(*Cluster)
		want    func(*State)
	}{
		"Empty": {reason: "An empty spec gives a role without permissions, for the ServiceAccount with the name of the object."},
		"ServiceAccount": {
			reason: "A named ServiceAccount is trusted and annotated; one in mode Annotate gets only the required annotations.",
			spec: func(s *v1alpha1.PodIdentitySpec) {
				s.ServiceAccount = v1alpha1.ServiceAccountSpec{Name: "web", Mode: v1alpha1.ServiceAccountAnnotate, TokenExpirationSeconds: 3600}
			},
			want: func(s *State) {
				s.Role.Trust = policy.Document(strings.ReplaceAll(string(s.Role.Trust), "shop:checkout", "shop:web"))
				s.ServiceAccount = ServiceAccount{Name: "web", Annotations: map[string]string{
					AnnotationRoleARN: s.ServiceAccount.Annotations[AnnotationRoleARN], AnnotationTokenExpiration: "3600",
				}}
			},
		},
		"Additional": {
			reason: "Each ServiceAccount is trusted by its exact name, once.",
			spec: func(s *v1alpha1.PodIdentitySpec) {
				s.AdditionalServiceAccounts = []v1alpha1.ServiceAccountName{"b", "a", "checkout"}
			},
			want: func(s *State) {
				s.Role.Trust = policy.Document(strings.Replace(string(s.Role.Trust), `"system:serviceaccount:shop:checkout"`,
					`["system:serviceaccount:shop:a","system:serviceaccount:shop:b","system:serviceaccount:shop:checkout"]`, 1))
				s.Additional = []string{"a", "b"}
			},
		},
		"Namespace": {
			reason: "StringLike matches the whole namespace, StringEquals the audience.",
			spec:   func(s *v1alpha1.PodIdentitySpec) { s.Trust.Scope = v1alpha1.TrustNamespace },
			want: func(s *State) {
				s.Role.Trust = policy.Document(strings.Replace(string(s.Role.Trust), `,"oidc.example.com/id/0A1B:sub":"system:serviceaccount:shop:checkout"}`,
					`},"StringLike":{"oidc.example.com/id/0A1B:sub":"system:serviceaccount:shop:*"}`, 1))
			},
		},
		"Role": {
			reason: "Name, description, session duration, boundary and tags are set; no user tag overwrites a tag of the operator.",
			spec: func(s *v1alpha1.PodIdentitySpec) {
				s.Role = v1alpha1.RoleSpec{
					Name: "Mine", Description: "d", MaxSessionDurationSeconds: 7200, PermissionsBoundary: "arn:aws:iam::aws:policy/B",
					Tags: map[string]v1alpha1.TagValue{"Team": "shop"},
				}
			},
			want: func(s *State) {
				s.Role.Name, s.Role.Description, s.Role.MaxSessionDuration, s.Role.Boundary = "Mine", "d", 7200, "arn:aws:iam::aws:policy/B"
				s.Role.Tags["Team"] = "shop"
				s.ServiceAccount.Annotations[AnnotationRoleARN] = "arn:aws:iam::123456789012:role/podidentity/prod/Mine"
			},
		},
		"ForcedBoundary": {
			reason:  "The boundary that the operator requires has precedence.",
			spec:    func(s *v1alpha1.PodIdentitySpec) { s.Role.PermissionsBoundary = "arn:aws:iam::aws:policy/B" },
			cluster: func(c *Cluster) { c.Boundary = "arn:aws:iam::aws:policy/Forced" },
			want:    func(s *State) { s.Role.Boundary = "arn:aws:iam::aws:policy/Forced" },
		},
		"Managed": {
			reason: "The order of the policies in the spec does not matter.",
			spec: func(s *v1alpha1.PodIdentitySpec) {
				s.Policies.Managed = []v1alpha1.PolicyARN{"arn:aws:iam::aws:policy/B", "arn:aws:iam::aws:policy/A"}
			},
			want: func(s *State) {
				s.Role.Managed = []string{"arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"}
			},
		},
		"Inline": {
			reason: "Equivalent statements and documents give the same policy.",
			spec: func(s *v1alpha1.PodIdentitySpec) {
				s.Policies.Inline = []v1alpha1.InlinePolicy{
					{Name: "typed", Statements: []v1alpha1.Statement{{
						SID: "A", Effect: "Allow", Actions: []v1alpha1.Action{"s3:GetObject"}, Resources: []v1alpha1.Resource{"*"},
						Conditions: []v1alpha1.Condition{{Operator: "Bool", Key: "aws:SecureTransport", Values: []v1alpha1.ConditionValue{"true"}}},
					}}},
					{Name: "json", Document: `{"Statement":{"Sid":"A","Effect":"Allow","Action":["s3:GetObject"],"Resource":["*"],"Condition":{"Bool":{"aws:SecureTransport":true}}},"Version":"2012-10-17"}`},
				}
			},
			want: func(s *State) {
				const same = `{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","Action":"s3:getobject","Resource":"*","Condition":{"Bool":{"aws:securetransport":"true"}}}]}`
				s.Role.Inline = map[string]InlinePolicy{"typed": {Document: same}, "json": {Document: same}}
			},
		},
		"OtherPartitionAndPort": {
			reason:  "Nothing is assumed about partition, issuer and audience.",
			cluster: func(c *Cluster) { c.Partition, c.Issuer, c.Audience = "aws-cn", "https://10.0.0.1:6443/x", "aud" },
			want: func(s *State) {
				s.Role.Trust = policy.Document(strings.NewReplacer("arn:aws:", "arn:aws-cn:", "oidc.example.com/id/0A1B", "10.0.0.1:6443/x", "sts.amazonaws.com", "aud").Replace(string(s.Role.Trust)))
				s.ServiceAccount.Annotations[AnnotationRoleARN] = "arn:aws-cn:iam::123456789012:role/podidentity/prod/prod_shop_checkout_1286e5f6"
				s.ServiceAccount.Annotations[AnnotationAudience] = "aud"
			},
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			cluster, want := testCluster, emptyState()
			for _, edit := range []func(){
				func() { call(tc.cluster, &cluster) }, func() { call(tc.want, &want) },
			} {
				edit()
			}
			got, err := Desired(identity(func(s *v1alpha1.PodIdentitySpec) { call(tc.spec, s) }), cluster)
			if err != nil {
				t.Fatalf("Desired(...): %v", err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(InlinePolicy{}, "Source")); diff != "" {
				t.Errorf("Desired(...): -want, +got:\n%s", diff)
			}
			if _, err := policy.Parse([]byte(got.Role.Trust)); err != nil || got.Role.Trust.Policy().CheckTrust() != nil {
				t.Errorf("the trust policy is invalid: %v", err)
			}
		})
	}
}

func call[T any](edit func(*T), value *T) {
	if edit != nil {
		edit(value)
	}
}

func TestDesired_RejectsInvalidSpecs(t *testing.T) {
	statement := v1alpha1.Statement{Effect: "Allow", Actions: []v1alpha1.Action{"s3:GetObject"}, Resources: []v1alpha1.Resource{"*"}}
	twice := statement
	twice.Conditions = []v1alpha1.Condition{{Operator: "StringEquals", Key: "aws:a", Values: []v1alpha1.ConditionValue{"1"}}, {Operator: "stringEquals", Key: "AWS:A", Values: []v1alpha1.ConditionValue{"2"}}}
	inline := func(p v1alpha1.InlinePolicy) func(*v1alpha1.PodIdentitySpec) {
		p.Name = "p"
		return func(s *v1alpha1.PodIdentitySpec) { s.Policies.Inline = []v1alpha1.InlinePolicy{p} }
	}
	cases := map[string]struct {
		reason string
		spec   func(*v1alpha1.PodIdentitySpec)
		want   []string
	}{
		"Neither":  {"A policy must have statements or a document.", inline(v1alpha1.InlinePolicy{}), []string{"spec.policies.inline[p].statements: exactly one of statements and document must be set"}},
		"Both":     {"A policy has either statements or a document.", inline(v1alpha1.InlinePolicy{Document: "{}", Statements: []v1alpha1.Statement{statement}}), []string{"spec.policies.inline[p].statements: exactly one"}},
		"JSON":     {"A document must be JSON.", inline(v1alpha1.InlinePolicy{Document: `{"Version":`}), []string{"spec.policies.inline[p].document: policy document: "}},
		"Grammar":  {"A document must be a policy.", inline(v1alpha1.InlinePolicy{Document: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*"}}`}), []string{"spec.policies.inline[p].document: policy document: Statement[0]"}},
		"Index":    {"The message has the index and the spelling of the document.", inline(v1alpha1.InlinePolicy{Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Allow","Action":["a:b","GetObject"],"Resource":"*"}]}`}), []string{`document: policy document: Statement[1].Action[1]: must be * or service:Name such as s3:GetObject, not "GetObject"`}},
		"Size":     {"The size is checked before the text is parsed.", inline(v1alpha1.InlinePolicy{Document: strings.Repeat("x ", 10241)}), []string{"document: has 10241 characters without white space; the limit for all inline policies of a role is 10240"}},
		"Twice":    {"Two conditions on one key with one operator would be alternatives.", inline(v1alpha1.InlinePolicy{Statements: []v1alpha1.Statement{twice}}), []string{"spec.policies.inline[p].statements[0].conditions[1]: duplicate operator and key (stringEquals, AWS:A), already in conditions[0]"}},
		"Operator": {"IAM has no such operator.", inline(v1alpha1.InlinePolicy{Statements: []v1alpha1.Statement{{Effect: "Allow", Actions: statement.Actions, Resources: statement.Resources, Conditions: []v1alpha1.Condition{{Operator: "Equals", Key: "a:b", Values: []v1alpha1.ConditionValue{"1"}}}}}}), []string{"spec.policies.inline[p].statements[0].conditions[0].operator: unknown condition operator"}},
		"Several": {
			"All faults are reported together.",
			func(s *v1alpha1.PodIdentitySpec) {
				s.Role.PermissionsBoundary = "arn:aws-cn:iam::aws:policy/B"
				s.Role.Tags = map[string]v1alpha1.TagValue{"Team": "a", "team": "b", "IAM.podidentity.io/uid": "c"}
				s.Policies.Managed = []v1alpha1.PolicyARN{"arn:aws-us-gov:iam::aws:policy/B"}
			},
			[]string{
				"spec.role.permissionsBoundary: arn:aws-cn:iam::aws:policy/B is in partition aws-cn, but the cluster's AWS account is in partition aws",
				"spec.role.tags[team]: duplicate of Team (IAM tag keys are case-insensitive)",
				"spec.role.tags[IAM.podidentity.io/uid]: prefixes aws: and iam.podidentity.io/ are reserved",
				"spec.policies.managed[0]: arn:aws-us-gov:iam::aws:policy/B is in partition aws-us-gov",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			_, err := Desired(identity(tc.spec), testCluster)
			if err == nil || fault.KindOf(err) != fault.Terminal || fault.ReasonOf(err, "") != v1alpha1.ReasonInvalidSpec {
				t.Fatalf("Desired(...): %v, want it terminal", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("message = %q, want it to say %q", err, want)
				}
			}
		})
	}
}

func TestServiceAccounts_AdditionalOnesAreAnnotated(t *testing.T) {
	state := emptyState()
	state.Additional = []string{"migrate"}
	state.ServiceAccount.Annotations[AnnotationTokenExpiration] = "600"
	want := []ServiceAccount{state.ServiceAccount, {Name: "migrate", Annotations: map[string]string{
		AnnotationRoleARN: state.ServiceAccount.Annotations[AnnotationRoleARN], AnnotationTokenExpiration: "600",
	}}}
	if diff := cmp.Diff(want, state.ServiceAccounts()); diff != "" {
		t.Errorf("ServiceAccounts(): -want, +got:\n%s", diff)
	}
}

func TestDesired_SourceIsTheTextOfTheSpec(t *testing.T) {
	state, err := Desired(identity(func(s *v1alpha1.PodIdentitySpec) {
		s.Policies.Inline = []v1alpha1.InlinePolicy{
			{Name: "typed", Statements: []v1alpha1.Statement{{
				SID: "A", Effect: "Deny", NotActions: []v1alpha1.Action{"s3:GetObject"}, NotResources: []v1alpha1.Resource{"arn:aws:s3:::ж<&>"},
				Conditions: []v1alpha1.Condition{{Operator: "bool", Key: "aws:SecureTransport", Values: []v1alpha1.ConditionValue{"true"}}},
			}}},
			{Name: "operator", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"stringequals":{"aws:a":"b"}}}]}`},
			{Name: "order", Document: `{"Statement": [{"Effect":"Allow","Action":"s3:*","Resource":"*"}], "Id": "i", "Version": "2012-10-17"}`},
			{Name: "json", Document: "{ \"Version\": \"2012-10-17\",\n \"Statement\": {\"Effect\": \"Allow\", \"Action\": \"S3:GetObject\", \"Resource\": \"*\"}}"},
		}
	}), testCluster)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"typed":    `{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Deny","NotAction":["s3:GetObject"],"NotResource":["arn:aws:s3:::\u0436<&>"],"Condition":{"Bool":{"aws:SecureTransport":["true"]}}}]}`,
		"operator": "", // IAM rejects stringequals
		"order":    `{"Version":"2012-10-17","Id":"i","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`,
		"json":     `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"S3:GetObject","Resource":"*"}}`,
	}
	got := map[string]string{}
	for name, p := range state.Role.Inline {
		got[name] = p.Source
		if back, err := policy.Parse([]byte(p.Text())); err != nil || back != p.Document {
			t.Errorf("the text %s means %s, but %s is compared (%v)", p.Text(), back, p.Document, err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sources: -want, +got:\n%s", diff)
	}
	for _, c := range Diff(nil, state.Role) {
		if c, ok := c.(PutRolePolicy); ok && c.Policy != state.Role.Inline[c.Name] {
			t.Errorf("Diff writes %v for %v", c.Policy, state.Role.Inline[c.Name])
		}
	}
}

// FuzzDesired reads any document: Desired never panics, its errors are terminal, and the
// text that it writes means the same as the canonical document.
func FuzzDesired(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[]}`)
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)
	f.Fuzz(func(t *testing.T, document string) {
		state, err := Desired(identity(func(s *v1alpha1.PodIdentitySpec) {
			s.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: document}}
		}), testCluster)
		if err != nil {
			if fault.KindOf(err) != fault.Terminal {
				t.Errorf("an error of another kind than terminal: %v", err)
			}
			return
		}
		p := state.Role.Inline["p"]
		if back, err := policy.Parse([]byte(p.Text())); err != nil || back != p.Document {
			t.Errorf("the text %s means %s, but %s is compared (%v)", p.Text(), back, p.Document, err)
		}
	})
}
