package awsiam

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

// Errors of getting credentials are not mistaken for errors of the call that needs the
// credentials, though the SDK wraps both alike.
func TestCredentials_ErrorsAreNotThoseOfTheCall(t *testing.T) {
	cases := map[string]struct {
		reason     string
		sts        http.HandlerFunc // nil if no server listens
		noToken    bool             // there is no token file
		nothing    bool             // no credentials are configured
		wantKind   fault.Kind
		wantReason string
		want       string
	}{
		"None": {
			reason:   "The SDK finds no credentials.",
			nothing:  true,
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonCredentialsUnavailable,
			want: "role r: no AWS credentials found: annotate the operator's ServiceAccount with eks.amazonaws.com/role-arn; see config/aws/README.md",
		},
		"NoToken": {
			reason:   "The ServiceAccount token is not mounted.",
			noToken:  true,
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonCredentialsUnavailable,
			want: "role r: no AWS credentials found: annotate the operator's ServiceAccount with eks.amazonaws.com/role-arn; see config/aws/README.md",
		},
		"TrustRejects": {
			reason: "The operator's own role does not trust its ServiceAccount; no iam: action is missing.",
			sts: func(w http.ResponseWriter, _ *http.Request) {
				rejectWith(w, 403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
			},
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonCredentialsUnavailable,
			want: "role r: AWS STS denied the operator's credentials request: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity; see config/aws/README.md",
		},
		"NoProvider": {
			reason: "IAM does not know the cluster's issuer.",
			sts: func(w http.ResponseWriter, _ *http.Request) {
				rejectWith(w, 400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://oidc.example.com")
			},
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonCredentialsUnavailable,
			want: "role r: AWS STS denied the operator's credentials request: InvalidIdentityToken: No OpenIDConnect provider found in your account for https://oidc.example.com; see config/aws/README.md",
		},
		"TokenExpired": {
			reason: "AWS's message contains times, which a condition must not contain.",
			sts: func(w http.ResponseWriter, _ *http.Request) {
				rejectWith(w, 400, "ExpiredTokenException", "Token expired: current date/time 1795525226 must be before the expiration date/time 1795525225")
			},
			wantKind: fault.Blocked, wantReason: v1alpha1.ReasonCredentialsUnavailable,
			want: "role r: AWS STS denied the operator's credentials request: the projected token has expired (ExpiredTokenException), which the kubelet should have rotated, or the node's clock is wrong; see config/aws/README.md",
		},
		"Throttled": {
			reason:   "STS throttles the operator.",
			sts:      func(w http.ResponseWriter, _ *http.Request) { rejectWith(w, 400, "Throttling", "Rate exceeded") },
			wantKind: fault.Transient, wantReason: v1alpha1.ReasonAWSUnavailable,
			want: "role r: AWS STS cannot issue the operator's credentials, retrying: Throttling",
		},
		"Down": {
			reason:   "STS does not answer.",
			wantKind: fault.Transient, wantReason: v1alpha1.ReasonAWSUnavailable,
			want: "role r: AWS STS is unreachable: connection refused",
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			configureAWS(t, "")
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "")
			if !tc.nothing {
				configureToken(t, !tc.noToken)
			}
			// For the credentials, the SDK looks at no other endpoint than this one.
			server := httptest.NewServer(tc.sts)
			t.Cleanup(server.Close)
			t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
			if tc.sts == nil {
				server.Close()
			}
			var outcomes []string
			c := clients(t, ClientOptions{OnAttempt: func(c Attempt) { outcomes = append(outcomes, c.Operation+" "+c.Outcome) }})

			_, err := NewRoles(c.IAM).Observe(t.Context(), "r")

			if diff := cmp.Diff(reported{tc.wantKind, tc.wantReason, tc.want}, reportedBy(err)); diff != "" {
				t.Errorf("error: -want, +got:\n%s", diff)
			}
			if diff := cmp.Diff([]string{"GetRole " + OutcomeCredentialsError}, outcomes); diff != "" {
				t.Errorf("outcomes: -want, +got:\n%s", diff)
			}
		})
	}
}

// Credentials are renewed a while before they expire, and not before.
func TestCredentials_AreRenewedBeforeTheyExpire(t *testing.T) {
	for name, tc := range map[string]struct {
		left time.Duration // until they expire
		want int           // how often they are fetched for two calls
	}{
		"Fresh":       {renewBefore + time.Minute, 1},
		"AboutToEnd":  {renewBefore - time.Minute, 2},
		"LastMoments": {time.Second, 2},
	} {
		t.Run(name, func(t *testing.T) {
			fetched := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.FormValue("Action") != "AssumeRoleWithWebIdentity" {
					noRole(w, r)
					return
				}
				fetched++
				_, _ = fmt.Fprintf(w, "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"+
					"<AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration>"+
					"</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>", time.Now().Add(tc.left).UTC().Format(time.RFC3339))
			}))
			t.Cleanup(server.Close)
			configureAWS(t, server.URL)
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "")
			t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
			configureToken(t, true)
			c := clients(t, ClientOptions{})
			for range 2 {
				if _, err := NewRoles(c.IAM).Observe(t.Context(), "r"); err != nil {
					t.Fatal(err)
				}
			}
			if fetched != tc.want {
				t.Errorf("They were fetched %d times, want %d.", fetched, tc.want)
			}
		})
	}
}

// configureToken makes the SDK look for credentials as in a pod whose
// ServiceAccount has a role.
func configureToken(t *testing.T, mounted bool) {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/podidentity-operator")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
	if !mounted {
		return
	}
	if err := os.WriteFile(token, []byte("a.b.c"), 0o600); err != nil {
		t.Fatal(err)
	}
}
