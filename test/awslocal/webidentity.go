package awslocal

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// algorithms are those that AWS accepts for ID tokens of OIDC providers:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

// assumeRoleWithWebIdentity verifies an ID token against the keys that its issuer
// publishes, then evaluates the role's trust policy. It needs no credentials.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
func assumeRoleWithWebIdentity(c *call) (model.Struct, error) {
	r, err := c.roleToAssume()
	if err != nil {
		return nil, err
	}
	t, err := parseToken(c.in.Str("WebIdentityToken"))
	if err != nil {
		return nil, err
	}
	p, err := c.issuerOf(t)
	if err != nil {
		return nil, err
	}
	if err := c.verify(t); err != nil {
		return nil, err
	}
	if err := t.valid(c.now); err != nil {
		return nil, err
	}
	audience, err := t.audienceOf(p)
	if err != nil {
		return nil, err
	}
	tags := t.sessionTags()
	keys := t.keys(c.requestKeys(), p, audience)
	tags.addKeys(keys)
	federated := []policy.Principal{{Type: policy.Federated, ID: p.arn}}
	for _, action := range t.assuming() {
		if r == nil || r.trusts(action, federated, keys) != policy.Allowed {
			return nil, model.Errorf("AccessDenied", "Not authorized to perform %s", action)
		}
	}
	duration, err := c.duration(r)
	if err != nil {
		return nil, err
	}
	ses, err := c.session(r, duration)
	if err != nil {
		return nil, err
	}
	ses.tags, ses.transitive, ses.sourceIdentity = tags.given, tags.transitive, t.claims.SourceIdentity
	packed, err := packedSize(ses)
	if err != nil {
		return nil, err
	}
	out := c.openSession(ses)
	if ses.sourceIdentity != "" {
		out["SourceIdentity"] = ses.sourceIdentity
	}
	out["SubjectFromWebIdentityToken"] = t.claims.Subject
	out["Audience"] = audience
	out["Provider"] = p.arn
	if packed > 0 {
		out["PackedPolicySize"] = packed
	}
	return out, nil
}

// token is an ID token, not yet verified.
type token struct {
	signed *jose.JSONWebSignature
	keyID  string
	claims struct {
		Issuer          string   `json:"iss"`
		Subject         string   `json:"sub"`
		Audience        audience `json:"aud"`
		AuthorizedParty string   `json:"azp"`
		Methods         audience `json:"amr"`
		Expires         *seconds `json:"exp"`
		Issued          *seconds `json:"iat"`
		NotBefore       *seconds `json:"nbf"`

		// Claims about the session:
		// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp
		SourceIdentity string `json:"https://aws.amazon.com/source_identity"`
		Tags           struct {
			Principal  map[string]audience `json:"principal_tags"`
			Transitive audience            `json:"transitive_tag_keys"`
		} `json:"https://aws.amazon.com/tags"`
	}
}

// audience is one string or several.
type audience []string

// UnmarshalJSON reads a string or a list of strings.
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// seconds is a NumericDate, RFC 7519.
type seconds float64

func (s seconds) unix() int64 { return int64(s) }

func parseToken(raw string) (*token, error) {
	signed, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil {
		return nil, invalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	t := &token{signed: signed, keyID: signed.Signatures[0].Header.KeyID}
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &t.claims); err != nil {
		return nil, invalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	for _, missing := range []struct {
		claim string
		is    bool
	}{
		{"iss", t.claims.Issuer == ""},
		{"sub", t.claims.Subject == ""},
		{"aud", len(t.claims.Audience) == 0},
		{"exp", t.claims.Expires == nil},
		{"iat", t.claims.Issued == nil},
	} {
		if missing.is {
			return nil, invalidToken("Missing a required claim: " + missing.claim)
		}
	}
	return t, nil
}

func invalidToken(message string) error { return model.Errorf("InvalidIdentityToken", "%s", message) }

// issuerOf returns the provider for the token's issuer.
func (c *call) issuerOf(t *token) (*oidcProvider, error) {
	hostPath, ok := strings.CutPrefix(t.claims.Issuer, "https://")
	p := c.st.providers[c.srv.iamARN("oidc-provider", "/", hostPath)]
	if !ok || p == nil {
		return nil, invalidToken("No OpenIDConnect provider found in your account for " + t.claims.Issuer)
	}
	return p, nil
}

// verify checks the signature with the issuer's keys.
func (c *call) verify(t *token) error {
	const unreachable = "Couldn't retrieve verification key from your identity provider,  " +
		"please reference AssumeRoleWithWebIdentity documentation for requirements"
	keys, err := c.srv.keys.of(c, t.claims.Issuer, t.keyID)
	if err != nil {
		c.srv.options.Log.Warn("Cannot get the issuer's keys", "issuer", t.claims.Issuer, "error", err.Error())
		return invalidToken(unreachable)
	}
	if len(keys) == 0 {
		return invalidToken(unreachable)
	}
	for _, key := range keys {
		if _, err := t.signed.Verify(key); err == nil {
			return nil
		}
	}
	return invalidToken("The web identity token provided could not be validated: the signature does not match")
}

// valid rejects expired tokens and tokens of the future; clocks may differ by as much as
// AWS tolerates.
func (t *token) valid(now time.Time) error {
	const skew = 300
	unix := now.Unix()
	if expires := t.claims.Expires.unix(); unix >= expires {
		return model.Errorf("ExpiredTokenException",
			"Token expired: current date/time %d must be before the expiration date/time %d", unix, expires)
	}
	if t.claims.NotBefore != nil && unix+skew < t.claims.NotBefore.unix() || unix+skew < t.claims.Issued.unix() {
		return invalidToken("Token is not yet valid")
	}
	return nil
}

// audienceOf returns the client ID that the token was issued for: its authorized party if
// it contains one, or else an audience that the provider lists.
func (t *token) audienceOf(p *oidcProvider) (string, error) {
	candidates := []string(t.claims.Audience)
	if t.claims.AuthorizedParty != "" {
		candidates = []string{t.claims.AuthorizedParty}
	}
	for _, id := range candidates {
		if slices.Contains(p.clientIDs, id) {
			return id, nil
		}
	}
	return "", invalidToken("Incorrect token audience")
}

// assuming lists the actions that a role's trust policy must allow.
func (t *token) assuming() []string {
	actions := []string{"sts:AssumeRoleWithWebIdentity"}
	if len(t.claims.Tags.Principal) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if t.claims.SourceIdentity != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	return actions
}

// sessionTags are the tags that the session gets from the token.
func (t *token) sessionTags() assumedTags {
	tags := assumedTags{transitive: t.claims.Tags.Transitive}
	for _, key := range slices.Sorted(maps.Keys(t.claims.Tags.Principal)) {
		if values := t.claims.Tags.Principal[key]; len(values) > 0 {
			tags.given = append(tags.given, tag{key, values[0]})
		}
	}
	return tags
}

// keys adds the condition keys of a token:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
func (t *token) keys(keys map[string][]string, p *oidcProvider, audience string) map[string][]string {
	keys["aws:FederatedProvider"] = []string{p.arn}
	if t.claims.SourceIdentity != "" {
		keys["sts:SourceIdentity"] = []string{t.claims.SourceIdentity}
	}
	keys[p.url+":aud"] = []string{audience}
	keys[p.url+":sub"] = []string{t.claims.Subject}
	keys[p.url+":iss"] = []string{t.claims.Issuer}
	if t.claims.AuthorizedParty != "" {
		keys[p.url+":azp"] = []string{t.claims.AuthorizedParty}
		keys[p.url+":oaud"] = t.claims.Audience
	}
	if len(t.claims.Methods) > 0 {
		keys[p.url+":amr"] = t.claims.Methods
	}
	return keys
}
