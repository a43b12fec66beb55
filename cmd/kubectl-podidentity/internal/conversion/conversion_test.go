package conversion

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/origin"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

const issuer = "oidc.example.com/id/1"

var cluster = plan.Cluster{
	Name: "test", ID: "cluster-id", Partition: "aws", AccountID: "123456789012",
	Issuer: "https://" + issuer, Audience: plan.DefaultAudience, RolePath: "/podidentity/test/",
}

func trustOf(namespace string, names ...string) string {
	return string(policy.Trust(policy.TrustSpec{
		ProviderARN: cluster.ProviderARN(), Issuer: issuer, Audience: plan.DefaultAudience, Namespace: namespace, ServiceAccounts: names,
	}))
}

// observed returns the role as the operator sees it once its tags name the object.
func observed(t require, r origin.Role, owner map[string]string) plan.Role {
	parse := func(text string) policy.Document {
		d, err := policy.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return d
	}
	out := plan.Role{
		Name: r.Name, Path: r.Path, Description: r.Description, MaxSessionDuration: r.MaxSession, Boundary: r.Boundary,
		Trust: parse(r.Trust), Tags: map[string]string{}, Managed: slices.Sorted(slices.Values(r.Managed)), Inline: map[string]plan.InlinePolicy{},
	}
	if out.MaxSessionDuration == 0 {
		out.MaxSessionDuration = 3600
	}
	for name, text := range r.Inline {
		out.Inline[name] = plan.InlinePolicy{Document: parse(text)}
	}
	maps.Copy(out.Tags, r.Tags)
	maps.Copy(out.Tags, owner)
	return out
}

type require interface{ Fatalf(string, ...any) }

func names(t *rapid.T, label string, pattern string, most int) []string {
	return rapid.SliceOfNDistinct(rapid.StringMatching(pattern), 1, most, rapid.ID[string]).Draw(t, label)
}

// drawRole draws a role that a person may have made for pods of the cluster.
func drawRole(t *rapid.T) origin.Role {
	namespace := rapid.StringMatching(`[a-z][a-z0-9]{0,8}`).Draw(t, "namespace")
	r := origin.Role{
		Source: "role", Name: rapid.StringMatching(`[A-Za-z][A-Za-z0-9+=,.@-]{0,20}`).Draw(t, "name"), Path: cluster.RolePath,
		Description: rapid.StringMatching(`[ -~]{0,20}`).Draw(t, "description"),
		MaxSession:  rapid.SampledFrom([]int32{0, 3600, 7200, 43200}).Draw(t, "session"),
		Boundary:    rapid.SampledFrom([]string{"", "arn:aws:iam::123456789012:policy/boundary"}).Draw(t, "boundary"),
		Trust:       trustOf(namespace, names(t, "accounts", `[a-z][a-z0-9-]{0,8}[a-z0-9]`, 5)...),
		Tags:        rapid.MapOfN(rapid.StringMatching(`t[0-9]{1,3}/[A-Z]`), rapid.StringMatching(`[A-Za-z0-9 _.:/=+@-]{0,9}`), 0, 4).Draw(t, "tags"),
		Inline:      map[string]string{},
	}
	for _, name := range names(t, "managed", `[A-Za-z]{1,9}`, 5) {
		r.Managed = append(r.Managed, rapid.SampledFrom([]string{"arn:aws:iam::aws:policy/", "arn:aws:iam::123456789012:policy/p/"}).Draw(t, "owner")+name)
	}
	for _, name := range names(t, "inline", `[A-Za-z0-9+=,.@_-]{1,9}`, 3) {
		r.Inline[name] = drawDocument(t)
	}
	return r
}

// drawDocument draws an identity policy in one of the forms that IAM accepts: with one
// value or a list, in any case, and with the elements that few use.
func drawDocument(t *rapid.T) string {
	oneOrMore := func(label string, values []string) any {
		if len(values) == 1 && rapid.Bool().Draw(t, label+" alone") {
			return values[0]
		}
		return values
	}
	var statements []any
	for i := range rapid.IntRange(1, 3).Draw(t, "statements") {
		s := map[string]any{
			"Effect": rapid.SampledFrom([]string{"Allow", "Deny"}).Draw(t, "effect"),
			rapid.SampledFrom([]string{"Action", "NotAction"}).Draw(t, "action element"):       oneOrMore("actions", names(t, "actions", `(s3|SQS|sts):[A-Z][a-zA-Z*]{1,9}`, 3)),
			rapid.SampledFrom([]string{"Resource", "NotResource"}).Draw(t, "resource element"): oneOrMore("resources", names(t, "resources", `arn:aws:s3:::[a-z]{1,9}(/\*)?`, 3)),
		}
		if rapid.Bool().Draw(t, "sid") {
			s["Sid"] = fmt.Sprintf("S%d", i)
		}
		if rapid.Bool().Draw(t, "condition") {
			s["Condition"] = map[string]any{
				"StringEquals": map[string]any{"aws:PrincipalTag/Team": oneOrMore("values", names(t, "values", `[a-z]{1,5}`, 2))},
				"Bool":         map[string]any{"aws:SecureTransport": rapid.Bool().Draw(t, "transport")},
			}
		}
		statements = append(statements, s)
	}
	document := map[string]any{"Statement": statements}
	if len(statements) == 1 && rapid.Bool().Draw(t, "one statement") {
		document["Statement"] = statements[0]
	}
	if version := rapid.SampledFrom([]string{"", policy.Version2008, policy.Version2012}).Draw(t, "version"); version != "" {
		document["Version"] = version
	}
	if rapid.Bool().Draw(t, "id") {
		document["Id"] = "x"
	}
	raw, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Applied, an imported identity plans no change of a role that it adopts, and a role
// with the same permissions if it creates one.
func TestRole_PlansNoChange(t *testing.T) {
	adopting, err := New(cluster, true)
	if err != nil {
		t.Fatal(err)
	}
	creating, err := New(cluster, false)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		r := drawRole(t)
		for _, c := range []*Converter{adopting, creating} {
			identities, err := c.Role(r)
			if err != nil || len(identities) != 1 || len(identities[0].Losses) > 0 {
				t.Fatalf("%+v, %v", identities, err)
			}
			pi := identities[0].Identity
			desired, err := plan.Desired(pi, cluster)
			if err != nil {
				t.Fatal(err)
			}
			before := observed(t, r, plan.OwnerOf(pi, cluster).Tags())
			if !c.adopt {
				before.Name, before.Path = desired.Role.Name, desired.Role.Path
			}
			if desired.Role.Name != before.Name {
				t.Fatalf("the role has another name, %s instead of %s", desired.Role.Name, before.Name)
			}
			if changes := plan.Diff(&before, desired.Role); len(changes) > 0 {
				t.Fatalf("changes: %s\n%+v\n%+v", plan.Summary(changes), before, desired.Role)
			}
		}
	})
}

// AWS sets its own tags, whose omission is not a loss.
func TestRole_TagsOfAWS(t *testing.T) {
	c, err := New(cluster, false)
	if err != nil {
		t.Fatal(err)
	}
	identities, err := c.Role(origin.Role{
		Source: "role", Name: "old", Path: "/", Trust: trustOf("shop", "checkout"),
		Tags: map[string]string{"aws:cloudformation:stack-name": "x", "team": "shop", plan.TagName: "former"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := identities[0]
	want := map[string]v1alpha1.TagValue{"team": "shop"}
	if diff := cmp.Diff(want, got.Identity.Spec.Role.Tags); diff != "" || len(got.Losses) > 0 || !strings.Contains(strings.Join(got.Notes, ""), "aws:cloudformation:stack-name") {
		t.Errorf("tags: -want, +got:\n%s\nlosses %q, notes %q", diff, got.Losses, got.Notes)
	}
}

// The tags of the printed command are those that let the identity adopt the role.
func TestAdoptionTags_AreThoseOfTheOperator(t *testing.T) {
	c, err := New(cluster, true)
	if err != nil {
		t.Fatal(err)
	}
	identities, err := c.Role(origin.Role{Source: "role", Name: "old", Path: cluster.RolePath, Trust: trustOf("shop", "checkout"), Forget: "terraform state rm x"})
	if err != nil {
		t.Fatal(err)
	}
	identity := identities[0]
	role := &plan.Observed{Role: plan.Role{Tags: AdoptionTags(identity.Identity, cluster)}}
	if got := role.OwnershipBy(plan.OwnerOf(identity.Identity, cluster)); got != plan.Adoptable {
		t.Errorf("OwnershipBy() = %d, want adoptable", got)
	}
	want := []string{
		"aws iam tag-role --role-name old --tags Key=iam.podidentity.io/cluster,Value=test Key=iam.podidentity.io/cluster-id,Value=cluster-id " +
			"Key=iam.podidentity.io/name,Value=checkout Key=iam.podidentity.io/namespace,Value=shop",
		"terraform state rm x",
	}
	if diff := cmp.Diff(want, identity.Adopt); diff != "" || identity.Identity.Spec.Role.AdoptionPolicy != v1alpha1.AdoptionIfTagged {
		t.Errorf("adopt: -want, +got:\n%s", diff)
	}
}

// Everything that cannot be expressed is reported, and the rest is imported.
func TestRole_Losses(t *testing.T) {
	c, err := New(cluster, false)
	if err != nil {
		t.Fatal(err)
	}
	valid := func() origin.Role {
		return origin.Role{Source: "role", Name: "old", Path: "/", Trust: trustOf("shop", "checkout"), Tags: map[string]string{}, Inline: map[string]string{}}
	}
	trust := func(edit func(statement map[string]any)) string {
		var document map[string]any
		if err := json.Unmarshal([]byte(trustOf("shop", "checkout")), &document); err != nil {
			t.Fatal(err)
		}
		edit(document["Statement"].([]any)[0].(map[string]any))
		raw, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	cases := map[string]struct {
		reason string
		edit   func(*origin.Role)
		want   string
	}{
		"Complete": {"Everything is expressed.", func(*origin.Role) {}, ""},
		"Principal": {"The role also trusts other principals.", func(r *origin.Role) {
			r.Trust = trust(func(s map[string]any) { s["Principal"].(map[string]any)["Service"] = []any{"pods.eks.amazonaws.com"} })
		}, "admits Service pods.eks.amazonaws.com"},
		"OtherIssuer": {"The role also trusts another cluster.", func(r *origin.Role) {
			r.Trust = trust(func(s map[string]any) {
				p := s["Principal"].(map[string]any)
				p["Federated"] = []any{p["Federated"], "arn:aws:iam::123456789012:oidc-provider/other.example.com"}
			})
		}, "admits tokens of another issuer, other.example.com"},
		"Audience": {"The trust policy has no condition on the audience.", func(r *origin.Role) {
			r.Trust = trust(func(s map[string]any) {
				delete(s["Condition"].(map[string]any)["StringEquals"].(map[string]any), issuer+":aud")
			})
		}, "tests no audience"},
		"Action": {"The trust policy allows session tags.", func(r *origin.Role) {
			r.Trust = trust(func(s map[string]any) { s["Action"] = []any{"sts:AssumeRoleWithWebIdentity", "sts:TagSession"} })
		}, "allows sts:TagSession"},
		"TagLetters":   {"The API allows fewer characters in a tag.", func(r *origin.Role) { r.Tags["a"] = "?" }, "tag a: "},
		"Description":  {"The API allows only Latin-1.", func(r *origin.Role) { r.Description = "日本" }, "the description: "},
		"OtherAccount": {"A file may contain any ARN.", func(r *origin.Role) { r.Managed = []string{"arn:aws:iam::222222222222:policy/x"} }, "managed policy arn:aws:iam::222222222222:policy/x: "},
		"Document":     {"The document is not a policy.", func(r *origin.Role) { r.Inline["x"] = `{"Statement":[{"Effect":"Maybe"}]}` }, "inline policy x: "},
		"TooLarge": {"No role can have a policy of that size.", func(r *origin.Role) {
			r.Inline["x"] = `{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::` + strings.Repeat("x", 20000) + `"}]}`
		}, "inline policy x: "},
		"OfSource": {"The source contains something that could not be read.", func(r *origin.Role) { r.Losses = []string{"a reference"} }, "a reference"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			r := valid()
			r.Managed = []string{"arn:aws:iam::123456789012:policy/keep"}
			tc.edit(&r)
			identities, err := c.Role(r)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(identities[0].Losses, "\n")
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) || len(identities[0].Losses) > 1 {
				t.Errorf("losses: %q, want %q", got, tc.want)
			}
			if pi := identities[0].Identity; pi.Namespace+"/"+pi.Name != "shop/checkout" {
				t.Errorf("the identity is %s/%s", pi.Namespace, pi.Name)
			}
		})
	}
}

func TestReadTrust_FindsServiceAccounts(t *testing.T) {
	subject := func(operator, value string) string {
		conditions := map[string]map[string]string{"StringEquals": {issuer + ":aud": "sts.amazonaws.com"}}
		if conditions[operator] == nil {
			conditions[operator] = map[string]string{}
		}
		conditions[operator][issuer+":sub"] = value
		raw, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
			"Effect": "Allow", "Principal": map[string]string{"Federated": "arn:aws:iam::123456789012:oidc-provider/" + issuer},
			"Action": "sts:AssumeRoleWithWebIdentity", "Condition": conditions,
		}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	cases := map[string]struct {
		reason, document string
		accounts         map[string][]string
		loss             string
	}{
		"StringLike":  {"Terraform's modules write StringLike for one name.", subject("StringLike", "system:serviceaccount:a:b"), map[string][]string{"a": {"b"}}, ""},
		"Namespace":   {"The trust policy admits the whole namespace.", subject("StringLike", "system:serviceaccount:a:*"), map[string][]string{"a": {"*"}}, ""},
		"Cluster":     {"The trust policy admits the whole cluster.", subject("StringLike", "system:serviceaccount:*:*"), nil, "admits every subject like"},
		"Prefix":      {"The trust policy admits a pattern of names.", subject("StringLike", "system:serviceaccount:a:b-*"), nil, "admits every subject like"},
		"EqualsStar":  {"A * in StringEquals is a common mistake.", subject("StringEquals", "system:serviceaccount:a:*"), nil, "which takes * literally"},
		"NotAccount":  {"The subject is not a ServiceAccount.", subject("StringEquals", "repo:org/name"), nil, "which is not a ServiceAccount"},
		"BadName":     {"No ServiceAccount can have that name.", subject("StringEquals", "system:serviceaccount:a:B_"), nil, "which cannot be the name of a ServiceAccount"},
		"BadOperator": {"The condition admits all subjects but one.", subject("StringNotEquals", "system:serviceaccount:a:b"), nil, "tests the subject with StringNotEquals"},
		"Deny":        {"A generated trust policy contains no Deny.", strings.ReplaceAll(subject("StringEquals", "system:serviceaccount:a:b"), "Allow", "Deny"), nil, "denies something"},
		"NoPolicy":    {"The text is not a policy.", "x", nil, "the trust policy cannot be read"},
		"Extra": {
			"Without the condition the role would admit more.", strings.Replace(subject("StringEquals", "system:serviceaccount:a:b"), `"Condition":{`, `"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},`, 1),
			nil, "has the condition IpAddress on aws:SourceIp",
		},
		"Everyone": {"The trust policy has no condition on the subject.", strings.Replace(subject("StringEquals", "x"), `,"`+issuer+`:sub":"x"`, "", 1), nil, "has 0 conditions on the subject"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got := readTrust(tc.document, issuer)
			if tc.accounts == nil {
				tc.accounts = map[string][]string{}
			}
			if diff := cmp.Diff(tc.accounts, got.accounts); diff != "" {
				t.Errorf("accounts: -want, +got:\n%s", diff)
			}
			if losses := strings.Join(got.losses, "\n"); (losses == "") != (tc.loss == "") || !strings.Contains(losses, tc.loss) {
				t.Errorf("losses: %q, want %q", losses, tc.loss)
			}
		})
	}
}

func TestRole_NoServiceAccount(t *testing.T) {
	c, err := New(cluster, false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Role(origin.Role{Source: "role x", Trust: `{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`})
	if !errors.Is(err, ErrNoServiceAccount) || !strings.Contains(err.Error(), "admits Service ec2.amazonaws.com") {
		t.Errorf("Role(): %v", err)
	}
}

// A ServiceAccount is imported with what its annotations say, and with the others of its
// namespace that share the role.
func TestServiceAccount_ImportsAnnotationsAndOtherServiceAccounts(t *testing.T) {
	c, err := New(cluster, false)
	if err != nil {
		t.Fatal(err)
	}
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout", Annotations: map[string]string{
		plan.AnnotationTokenExpiration: "7200", plan.AnnotationAudience: "other",
	}}}
	got := c.ServiceAccount(sa, origin.Role{Source: "x", Name: "old", Path: "/", Trust: trustOf("shop", "orders", "checkout", "audit")})
	want := v1alpha1.PodIdentitySpec{
		ServiceAccount:            v1alpha1.ServiceAccountSpec{Name: "checkout", Mode: v1alpha1.ServiceAccountAnnotate, TokenExpirationSeconds: 7200},
		AdditionalServiceAccounts: []v1alpha1.ServiceAccountName{"audit", "orders"},
	}
	if diff := cmp.Diff(want, got.Identity.Spec); diff != "" {
		t.Errorf("spec: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"annotation eks.amazonaws.com/audience is other; the operator sets its own audience"}, got.Losses); diff != "" {
		t.Errorf("losses: -want, +got:\n%s", diff)
	}
	stranger := c.ServiceAccount(sa, origin.Role{Source: "x", Name: "old", Path: "/", Trust: trustOf("other", "checkout")})
	if text := strings.Join(stranger.Losses, "\n"); !strings.Contains(text, "does not admit this ServiceAccount") || !strings.Contains(text, "also trusts namespace other") {
		t.Errorf("losses: %s", text)
	}
}
