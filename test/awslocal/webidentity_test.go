package awslocal_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

const (
	podSubject  = "system:serviceaccount:shop:checkout"
	podAudience = "sts.amazonaws.com"
)

// issuer is an OIDC issuer behind TLS with a private CA, like an API server.
type issuer struct {
	*httptest.Server
	host    string
	keys    atomic.Pointer[jose.JSONWebKeySet]
	fetches atomic.Int32
}

func newIssuer(t *testing.T, keys ...jose.JSONWebKey) *issuer {
	t.Helper()
	i := &issuer{}
	i.publish(keys...)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/openid/v1/jwks"})
	})
	mux.HandleFunc("GET /openid/v1/jwks", func(w http.ResponseWriter, _ *http.Request) {
		i.fetches.Add(1)
		_ = json.NewEncoder(w).Encode(i.keys.Load())
	})
	i.Server = httptest.NewTLSServer(mux)
	t.Cleanup(i.Close)
	i.host = strings.TrimPrefix(i.URL, "https://")
	return i
}

func (i *issuer) publish(keys ...jose.JSONWebKey) {
	set := &jose.JSONWebKeySet{}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	i.keys.Store(set)
}

func key(id string, private crypto.Signer, algorithm jose.SignatureAlgorithm) jose.JSONWebKey {
	return jose.JSONWebKey{Key: private, KeyID: id, Algorithm: string(algorithm), Use: "sig"}
}

func rsaKey(t *testing.T, id string) jose.JSONWebKey {
	t.Helper()
	return key(id, must(rsa.GenerateKey(rand.Reader, 2048))(t), jose.RS256)
}

func ecKey(t *testing.T, id string) jose.JSONWebKey {
	t.Helper()
	return key(id, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t), jose.ES256)
}

// token signs a token as kubelets get them, with some claims replaced.
func token(t *testing.T, k jose.JSONWebKey, issuer string, now time.Time, replace map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": issuer, "sub": podSubject, "aud": []string{podAudience},
		"exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "nbf": now.Unix(),
	}
	maps.Copy(claims, replace)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: k}, nil))(t)
	signed := must(signer.Sign(must(json.Marshal(claims))(t)))(t)
	return must(signed.CompactSerialize())(t)
}

// podTrust is a trust policy as for IAM roles for ServiceAccounts.
func podTrust(host string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"Federated":"arn:aws:iam::%s:oidc-provider/%s"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"%[2]s:sub":%[3]q,"%[2]s:aud":%[4]q}}}]}`, account, host, podSubject, podAudience)
}

// irsa is an endpoint that knows an issuer, with the role checkout for it.
func irsa(t *testing.T, i *issuer, clock *fakeClock) *endpoint {
	t.Helper()
	e := newEndpoint(t, awslocal.Options{Clock: clock.now, OIDCClient: i.Client()})
	must(e.iam.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: &i.URL, ClientIDList: []string{podAudience, "other"},
	}))(t)
	e.createRole(t, "checkout", func(in *iam.CreateRoleInput) {
		in.Path, in.AssumeRolePolicyDocument = aws.String("/pods/"), aws.String(podTrust(i.host))
	})
	return e
}

const checkoutARN = "arn:aws:iam::123456789012:role/pods/checkout"

func TestWebIdentity_TokensAreVerified(t *testing.T) {
	for name, k := range map[string]jose.JSONWebKey{"RS256": rsaKey(t, "k"), "ES256": ecKey(t, "k")} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			i := newIssuer(t, k)
			e := irsa(t, i, clock)
			out := must(e.sts.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
				RoleArn: aws.String(checkoutARN), RoleSessionName: aws.String("pod-1"),
				WebIdentityToken: aws.String(token(t, k, i.URL, clock.at, nil)),
			}))(t)

			role := must(e.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("checkout")}))(t).Role
			got := []string{
				*out.AssumedRoleUser.Arn, *out.AssumedRoleUser.AssumedRoleId, *out.SubjectFromWebIdentityToken,
				*out.Audience, *out.Provider, (*out.Credentials.AccessKeyId)[:4], out.Credentials.Expiration.String(),
			}
			want := []string{
				"arn:aws:sts::123456789012:assumed-role/checkout/pod-1", *role.RoleId + ":pod-1", podSubject,
				podAudience, "arn:aws:iam::123456789012:oidc-provider/" + i.host, "ASIA", clock.at.Add(time.Hour).String(),
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}

			c := out.Credentials
			pod := clients(e.Server, e.url, *c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
			who := must(pod.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
			if *who.Arn != want[0] || *who.UserId != want[1] || *who.Account != account {
				t.Errorf("with the credentials the caller is %s, %s, %s", *who.Arn, *who.UserId, *who.Account)
			}

			clock.advance(time.Hour)
			_, err := pod.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			expired := failure{403, "ExpiredToken", "The security token included in the request is expired"}
			if diff := cmp.Diff(expired, failureOf(t, err)); diff != "" {
				t.Errorf("after an hour: -want, +got:\n%s", diff)
			}
		})
	}
}

// The SDK's own provider for pods works, as it does in a container that the
// webhook has mutated.
func TestWebIdentity_ProviderOfTheSDK(t *testing.T) {
	k, clock := ecKey(t, "k"), newClock()
	clock.at = time.Now()
	i := newIssuer(t, k)
	e := irsa(t, i, clock)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token(t, k, i.URL, clock.at, nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	unsigned := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: &e.url})
	got := must(stscreds.NewWebIdentityRoleProvider(unsigned, checkoutARN, stscreds.IdentityTokenFile(file)).Retrieve(t.Context()))(t)
	if !strings.HasPrefix(got.AccessKeyID, "ASIA") || got.SessionToken == "" {
		t.Errorf("credentials = %v", got)
	}
}

func TestWebIdentity_Errors(t *testing.T) {
	k, stranger := rsaKey(t, "k"), rsaKey(t, "k")
	other := rsaKey(t, "other")
	clock := newClock()
	i := newIssuer(t, k)
	now := clock.at
	denied := failure{403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"}
	noKey := failure{400, "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"}
	noJWT := failure{400, "InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"}

	for name, tc := range map[string]struct {
		reason  string
		token   string
		edit    func(*sts.AssumeRoleWithWebIdentityInput)
		prepare func(*endpoint)
		want    failure
	}{
		"WrongSubject": {
			reason: "The trust policy names one ServiceAccount.",
			token:  token(t, k, i.URL, now, map[string]any{"sub": "system:serviceaccount:shop:other"}),
			want:   denied,
		},
		"AudienceNotInTrust": {
			reason: "The provider accepts the audience, the trust policy does not.",
			token:  token(t, k, i.URL, now, map[string]any{"aud": "other"}),
			want:   denied,
		},
		"UnknownRole": {
			reason: "A missing role leads to the same error as one that does not trust the caller.",
			token:  token(t, k, i.URL, now, nil),
			edit: func(in *sts.AssumeRoleWithWebIdentityInput) {
				in.RoleArn = aws.String("arn:aws:iam::123456789012:role/absent")
			},
			want: denied,
		},
		"WrongPath": {
			reason: "The ARN contains the path.",
			token:  token(t, k, i.URL, now, nil),
			edit: func(in *sts.AssumeRoleWithWebIdentityInput) {
				in.RoleArn = aws.String("arn:aws:iam::123456789012:role/checkout")
			},
			want: denied,
		},
		"Audience": {
			reason: "No audience of the token is a client ID of the provider.",
			token:  token(t, k, i.URL, now, map[string]any{"aud": []string{"https://kubernetes.default.svc"}}),
			want:   failure{400, "InvalidIdentityToken", "Incorrect token audience"},
		},
		"AuthorizedParty": {
			reason: "The authorized party of a token must be a client ID.",
			token:  token(t, k, i.URL, now, map[string]any{"azp": "another-app"}),
			want:   failure{400, "InvalidIdentityToken", "Incorrect token audience"},
		},
		"Issuer": {
			reason: "The account has no provider for the issuer.",
			token:  token(t, k, "https://elsewhere.example", now, nil),
			want:   failure{400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://elsewhere.example"},
		},
		"IssuerWithSlash": {
			reason: "An issuer with a slash at the end is another one.",
			token:  token(t, k, i.URL+"/", now, nil),
			want:   failure{400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for " + i.URL + "/"},
		},
		"Expired": {
			token: token(t, k, i.URL, now, map[string]any{"exp": now.Unix() - 1}),
			want: failure{400, "ExpiredTokenException", fmt.Sprintf(
				"Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), now.Unix()-1)},
		},
		"NotYetValid": {
			token: token(t, k, i.URL, now, map[string]any{"nbf": now.Unix() + 3600}),
			want:  failure{400, "InvalidIdentityToken", "Token is not yet valid"},
		},
		"Forged": {
			reason: "The key has the ID of the issuer's key, but is another one.",
			token:  token(t, stranger, i.URL, now, nil),
			want:   failure{400, "InvalidIdentityToken", "The web identity token provided could not be validated: the signature does not match"},
		},
		"UnknownKey": {
			reason: "The issuer does not publish the key.",
			token:  token(t, other, i.URL, now, nil),
			want:   noKey,
		},
		"Unsigned": {
			reason: "The algorithm none is rejected.",
			token:  "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.",
			want:   noJWT,
		},
		"NoJWT": {token: "abcd", want: noJWT},
		"NoSubject": {
			token: token(t, k, i.URL, now, map[string]any{"sub": nil}),
			want:  failure{400, "InvalidIdentityToken", "Missing a required claim: sub"},
		},
		"TooLong": {
			token: token(t, k, i.URL, now, nil),
			edit:  func(in *sts.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = aws.Int32(3601) },
			want:  failure{400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		},
		"TooShort": {
			token: token(t, k, i.URL, now, nil),
			edit:  func(in *sts.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = aws.Int32(899) },
			want: failure{400, "ValidationError", "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: " +
				"Member must have value greater than or equal to 900"},
		},
		"SessionName": {
			reason: "STS repeats the value in its message, unlike IAM.",
			token:  token(t, k, i.URL, now, nil),
			edit:   func(in *sts.AssumeRoleWithWebIdentityInput) { in.RoleSessionName = aws.String("a:b") },
			want: failure{400, "ValidationError", "1 validation error detected: Value 'a:b' at 'roleSessionName' failed to satisfy constraint: " +
				`Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		},
		"NoARN": {
			token: token(t, k, i.URL, now, nil),
			edit:  func(in *sts.AssumeRoleWithWebIdentityInput) { in.RoleArn = aws.String("nothing-valid-in-here") },
			want:  failure{400, "ValidationError", "nothing-valid-in-here is invalid"},
		},
		"NoRoleARN": {
			token: token(t, k, i.URL, now, nil),
			edit: func(in *sts.AssumeRoleWithWebIdentityInput) {
				in.RoleArn = aws.String("arn:aws:iam::123456789012:user/another")
			},
			want: failure{400, "ValidationError", "Request ARN is invalid"},
		},
		"SessionPolicy": {
			token: token(t, k, i.URL, now, nil),
			edit:  func(in *sts.AssumeRoleWithWebIdentityInput) { in.Policy = aws.String("{}") },
			want:  failure{400, "MalformedPolicyDocument", "Syntax errors in policy."},
		},
		"AfterReset": {
			reason:  "A reset removes the providers.",
			token:   token(t, k, i.URL, now, nil),
			prepare: func(e *endpoint) { e.Reset() },
			want:    failure{400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for " + i.URL},
		},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			e := irsa(t, i, clock)
			if tc.prepare != nil {
				tc.prepare(e)
			}
			in := &sts.AssumeRoleWithWebIdentityInput{
				RoleArn: aws.String(checkoutARN), RoleSessionName: aws.String("pod-1"), WebIdentityToken: &tc.token,
			}
			if tc.edit != nil {
				tc.edit(in)
			}
			_, err := e.sts.AssumeRoleWithWebIdentity(t.Context(), in)
			if err == nil {
				t.Fatalf("want %v, got no error", tc.want)
			}
			if diff := cmp.Diff(tc.want, failureOf(t, err)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// Without the issuer's CA the keys are out of reach.
func TestWebIdentity_NeedsTheCAOfTheIssuer(t *testing.T) {
	k, clock := rsaKey(t, "k"), newClock()
	i := newIssuer(t, k)
	e := newEndpoint(t, awslocal.Options{Clock: clock.now})
	must(e.iam.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: &i.URL, ClientIDList: []string{podAudience}}))(t)
	_, err := e.sts.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String(checkoutARN), RoleSessionName: aws.String("pod-1"),
		WebIdentityToken: aws.String(token(t, k, i.URL, clock.at, nil)),
	})
	if got := failureOf(t, err); got.Code != "InvalidIdentityToken" || !strings.HasPrefix(got.Message, "Couldn't retrieve verification key") {
		t.Errorf("got %v", got)
	}
}

// Keys are fetched once, and again when a token has a key that is not known.
func TestWebIdentity_UnknownKeysAreFetchedAgain(t *testing.T) {
	old, fresh, clock := rsaKey(t, "old"), ecKey(t, "new"), newClock()
	i := newIssuer(t, old)
	e := irsa(t, i, clock)
	assume := func(k jose.JSONWebKey) {
		t.Helper()
		must(e.sts.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
			RoleArn: aws.String(checkoutARN), RoleSessionName: aws.String("pod-1"),
			WebIdentityToken: aws.String(token(t, k, i.URL, clock.at, nil)),
		}))(t)
	}
	assume(old)
	assume(old)
	if n := i.fetches.Load(); n != 1 {
		t.Errorf("two tokens took %d fetches, want 1", n)
	}
	i.publish(old, fresh)
	clock.advance(time.Minute)
	assume(fresh)
	assume(old)
	if n := i.fetches.Load(); n != 2 {
		t.Errorf("a new key took %d fetches in total, want 2", n)
	}
}
