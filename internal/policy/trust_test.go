package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	testIssuer   = "oidc.eks.eu-west-1.amazonaws.com/id/0A1B2C"
	testProvider = "arn:aws:iam::123456789012:oidc-provider/" + testIssuer
)

func spec(edit ...func(*TrustSpec)) TrustSpec {
	t := TrustSpec{
		ProviderARN: testProvider, Issuer: testIssuer, Audience: "sts.amazonaws.com",
		Namespace: "shop", ServiceAccounts: []string{"cart"},
	}
	for _, e := range edit {
		e(&t)
	}
	return t
}

func TestTrust_Document(t *testing.T) {
	const head = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + testProvider +
		`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"` + testIssuer + `:aud":"sts.amazonaws.com"`
	cases := map[string]struct {
		reason string
		spec   TrustSpec
		want   Document
	}{
		"One": {
			reason: "Subject and audience must match exactly, in one operator.",
			spec:   spec(),
			want:   head + `,"` + testIssuer + `:sub":"system:serviceaccount:shop:cart"}}}]}`,
		},
		"Several": {
			reason: "Several ServiceAccounts are alternatives, whatever their order.",
			spec:   spec(func(t *TrustSpec) { t.ServiceAccounts = []string{"cart", "a.b-c"} }),
			want:   head + `,"` + testIssuer + `:sub":["system:serviceaccount:shop:a.b-c","system:serviceaccount:shop:cart"]}}}]}`,
		},
		"Namespace": {
			reason: "The audience must match exactly; only the subject is a pattern, within the namespace.",
			spec:   spec(func(t *TrustSpec) { t.WholeNamespace = true }),
			want:   head + `},"StringLike":{"` + testIssuer + `:sub":"system:serviceaccount:shop:*"}}}]}`,
		},
		"NamespaceOnly": {
			reason: "For the whole namespace, names are ignored, even invalid ones.",
			spec:   spec(func(t *TrustSpec) { t.WholeNamespace, t.ServiceAccounts = true, []string{"*"} }),
			want:   head + `},"StringLike":{"` + testIssuer + `:sub":"system:serviceaccount:shop:*"}}}]}`,
		},
		"NoServiceAccount":  {"A trust policy that names no ServiceAccount admits none.", spec(func(t *TrustSpec) { t.ServiceAccounts = nil }), DenyAllTrust()},
		"WildName":          {"A pattern is not a name.", spec(func(t *TrustSpec) { t.ServiceAccounts = []string{"cart", "*"} }), DenyAllTrust()},
		"NameWithColon":     {"A name cannot reach into another namespace.", spec(func(t *TrustSpec) { t.ServiceAccounts = []string{"a:b"} }), DenyAllTrust()},
		"EmptyName":         {"A name must not be empty.", spec(func(t *TrustSpec) { t.ServiceAccounts = []string{""} }), DenyAllTrust()},
		"WildNamespace":     {"A wildcard in the namespace would include other namespaces.", spec(func(t *TrustSpec) { t.Namespace, t.WholeNamespace = "*", true }), DenyAllTrust()},
		"EmptyNamespace":    {"The namespace must not be empty.", spec(func(t *TrustSpec) { t.Namespace = "" }), DenyAllTrust()},
		"EmptyAudience":     {"The audience must not be empty.", spec(func(t *TrustSpec) { t.Audience = "" }), DenyAllTrust()},
		"VariableAudience":  {"The audience must not contain a variable.", spec(func(t *TrustSpec) { t.Audience = "${aws:a}" }), DenyAllTrust()},
		"EmptyIssuer":       {"The issuer must not be empty.", spec(func(t *TrustSpec) { t.Issuer = "" }), DenyAllTrust()},
		"EmptyProviderARN":  {"The ARN of the provider must not be empty.", spec(func(t *TrustSpec) { t.ProviderARN = "" }), DenyAllTrust()},
		"UppercaseIsOK":     {"Whether Kubernetes allows the name is not checked here.", spec(func(t *TrustSpec) { t.ServiceAccounts = []string{"A"} }), head + `,"` + testIssuer + `:sub":"system:serviceaccount:shop:A"}}}]}`},
		"NamespaceWithADot": {"A namespace contains no dot.", spec(func(t *TrustSpec) { t.Namespace = "a.b" }), DenyAllTrust()},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got := Trust(tc.spec)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Trust(...): -want, +got:\n%s", diff)
			}
			if diff := cmp.Diff(got, mustParse(t, string(got))); diff != "" {
				t.Errorf("What is written is what is read back.\n-Trust, +Parse:\n%s", diff)
			}
			if err := got.Policy().CheckTrust(); err != nil {
				t.Errorf("CheckTrust(): %v", err)
			}
		})
	}
}

// webIdentity is a ServiceAccount's request for the role.
func webIdentity(issuer, audience, subject string) Request {
	return Request{
		Principals: []Principal{{Federated, testProvider}},
		Action:     "sts:AssumeRoleWithWebIdentity",
		Context:    map[string][]string{issuer + ":aud": {audience}, issuer + ":sub": {subject}},
	}
}

func TestTrust_AdmitsOnlyNamedServiceAccounts(t *testing.T) {
	exact := Trust(spec()).Policy()
	whole := Trust(spec(func(t *TrustSpec) { t.WholeNamespace = true })).Policy()
	cases := map[string]struct {
		reason  string
		policy  Policy
		request Request
		want    Decision
	}{
		"Named":          {"The ServiceAccount itself is trusted.", exact, webIdentity(testIssuer, "sts.amazonaws.com", "system:serviceaccount:shop:cart"), Allowed},
		"OtherAccount":   {"Another ServiceAccount of the namespace is not trusted.", exact, webIdentity(testIssuer, "sts.amazonaws.com", "system:serviceaccount:shop:carts"), ImplicitDeny},
		"OtherNamespace": {"The same name in another namespace is not trusted.", exact, webIdentity(testIssuer, "sts.amazonaws.com", "system:serviceaccount:shop2:cart"), ImplicitDeny},
		"Audience":       {"A token for another audience is rejected.", exact, webIdentity(testIssuer, "vault", "system:serviceaccount:shop:cart"), ImplicitDeny},
		"Issuer":         {"A token of another cluster is rejected.", exact, webIdentity(strings.ToLower(testIssuer), "sts.amazonaws.com", "system:serviceaccount:shop:cart"), ImplicitDeny},
		"NoSubject":      {"A token without a subject is rejected.", exact, Request{Principals: []Principal{{Federated, testProvider}}, Action: "sts:AssumeRoleWithWebIdentity", Context: map[string][]string{testIssuer + ":aud": {"sts.amazonaws.com"}}}, ImplicitDeny},
		"OtherProvider":  {"A token of another provider is rejected.", exact, Request{Principals: []Principal{{Federated, testProvider + "x"}}, Action: "sts:AssumeRoleWithWebIdentity", Context: webIdentity(testIssuer, "sts.amazonaws.com", "system:serviceaccount:shop:cart").Context}, ImplicitDeny},
		"OtherAction":    {"Another action is rejected.", exact, Request{Principals: []Principal{{Federated, testProvider}}, Action: "sts:AssumeRole", Context: webIdentity(testIssuer, "sts.amazonaws.com", "system:serviceaccount:shop:cart").Context}, ImplicitDeny},
		"Whole":          {"Every ServiceAccount of the namespace is trusted.", whole, webIdentity(testIssuer, "sts.amazonaws.com", "system:serviceaccount:shop:any"), Allowed},
		"WholeOther":     {"A namespace with the same prefix is not trusted.", whole, webIdentity(testIssuer, "sts.amazonaws.com", "system:serviceaccount:shop2:any"), ImplicitDeny},
		"DenyAll":        {"A trust policy that denies everyone admits no principal.", DenyAllTrust().Policy(), webIdentity(testIssuer, "sts.amazonaws.com", "system:serviceaccount:shop:cart"), ImplicitDeny},
		"NoOneAtAll":     {"A trust policy that denies everyone does not admit the root user.", DenyAllTrust().Policy(), Request{Principals: []Principal{{AWS, "123456789012"}}, Action: "sts:AssumeRole"}, ExplicitDeny},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if got := Evaluate(tc.request, tc.policy); got != tc.want {
				t.Errorf("Evaluate(...) = %v, want %v", got, tc.want)
			}
		})
	}
}

// The documented number of ServiceAccounts for one role.
func TestTrust_SizeLimitsServiceAccounts(t *testing.T) {
	d := Trust(spec(func(t *TrustSpec) {
		t.Issuer = "oidc.eks.eu-west-1.amazonaws.com/id/" + strings.Repeat("A", 32)
		t.ProviderARN = "arn:aws:iam::123456789012:oidc-provider/" + t.Issuer
	}))
	if got := Size(string(d)); got > 500 {
		t.Errorf("Size = %d; a trust policy of one ServiceAccount is to take under 500 of 2,048 characters", got)
	}
}

func TestIssuerHostPath_RejectsInvalidURLs(t *testing.T) {
	cases := map[string]struct {
		reason string
		url    string
		want   string
		err    string
	}{
		"EKS":      {"The case of the ID is kept.", "https://oidc.eks.eu-west-1.amazonaws.com/id/0A1B", "oidc.eks.eu-west-1.amazonaws.com/id/0A1B", ""},
		"Slash":    {"AWS keeps a slash at the end in the ARN.", "https://example.auth0.com/", "example.auth0.com/", ""},
		"Port":     {"The port is kept.", "https://issuer.local:8443/x", "issuer.local:8443/x", ""},
		"Letters":  {"Only the scheme is removed, not its letters.", "https://s3.example.com", "s3.example.com", ""},
		"Bucket":   {"kops publishes issuers in buckets.", "https://s3.eu-west-1.amazonaws.com/bucket", "s3.eu-west-1.amazonaws.com/bucket", ""},
		"HTTP":     {"IAM accepts only https.", "http://x", "", `OIDC issuer "http://x": must be a URL that begins with https://`},
		"Bare":     {"A host is not a URL.", "x.com", "", `OIDC issuer "x.com": must be a URL that begins with https://`},
		"Empty":    {"An empty text is not a URL.", "", "", `OIDC issuer "": must be a URL that begins with https://`},
		"NoHost":   {"A scheme is not a URL.", "https://", "", `OIDC issuer "https://": must be a URL that begins with https://`},
		"PortOnly": {"A port is not a host.", "https://:8443", "", `OIDC issuer "https://:8443": must be a URL that begins with https://`},
		"Garbage":  {"The text is not a URL.", "https://a b", "", `OIDC issuer "https://a b": must be a URL that begins with https://`},
		"Query":    {"IAM rejects a query.", "https://x?a=b", "", `OIDC issuer "https://x?a=b": must not have a user, a query or a fragment`},
		"Fragment": {"IAM rejects a fragment, even an empty one.", "https://x#", "", `OIDC issuer "https://x#": must not have a user, a query or a fragment`},
		"User":     {"A password would become part of the ARN.", "https://a:b@x", "", `OIDC issuer "https://a:b@x": must not have a user, a query or a fragment`},
		"Long":     {"IAM accepts 255 characters.", "https://" + strings.Repeat("x", 248), "", `OIDC issuer "https://` + strings.Repeat("x", 248) + `": must not be longer than 255 characters`},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got, err := IssuerHostPath(tc.url)
			message := ""
			if err != nil {
				message = err.Error()
			}
			if diff := cmp.Diff([]string{tc.want, tc.err}, []string{got, message}); diff != "" {
				t.Errorf("IssuerHostPath(%q): -want, +got:\n%s", tc.url, diff)
			}
		})
	}
}
