package awslocal_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// strict is an endpoint that wants signatures, with a client whose credentials it
// knows.
func strict(t *testing.T, o awslocal.Options) *endpoint {
	t.Helper()
	o.Authenticate, o.AccessKeys = true, map[string]string{"AKIDLOCAL": "secret"}
	return newEndpoint(t, o)
}

func TestAuthenticate_SignedCalls(t *testing.T) {
	e := strict(t, awslocal.Options{})
	if _, err := e.iam.ListRoles(t.Context(), &iam.ListRolesInput{PathPrefix: aws.String("/ä b/")}); err == nil || !strings.Contains(err.Error(), "ValidationError") {
		t.Errorf("IAM, with a path that AWS rejects: %v", err)
	}
	if _, err := e.iam.ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
		t.Errorf("IAM: %v", err)
	}
	if _, err := e.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil {
		t.Errorf("STS: %v", err)
	}
	if _, err := e.eks.ListClusters(t.Context(), &eks.ListClustersInput{}); err != nil {
		t.Errorf("EKS, by REST: %v", err)
	}
	if _, err := e.eks.DescribePodIdentityAssociation(t.Context(), &eks.DescribePodIdentityAssociationInput{
		ClusterName: aws.String("none"), AssociationId: aws.String("a/b c"),
	}); err == nil || !strings.Contains(err.Error(), "ResourceNotFoundException") {
		t.Errorf("EKS, with a path that has to be escaped: %v", err)
	}
}

func TestAuthenticate_RejectsUnknownCallers(t *testing.T) {
	e := strict(t, awslocal.Options{})
	cases := map[string]struct {
		reason             string
		key, secret, token string
		want               string
	}{
		"Unknown":     {"No user has that access key.", "AKIAUNKNOWN", "secret", "", "InvalidClientTokenId: The security token included in the request is invalid."},
		"WrongSecret": {"The caller does not have the secret.", "AKIDLOCAL", "guess", "", "SignatureDoesNotMatch: The request signature we calculated"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			c := clients(e.Server, e.url, tc.key, tc.secret, tc.token)
			_, err := c.iam.ListRoles(t.Context(), &iam.ListRolesInput{})
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "StatusCode: 403") {
				t.Errorf("%v; want %s, with status 403", err, tc.want)
			}
		})
	}
}

// Credentials of a session count only whole, and until they expire.
func TestAuthenticate_SessionCredentialsExpire(t *testing.T) {
	now := time.Now()
	e := strict(t, awslocal.Options{Clock: func() time.Time { return now }})
	e.createRole(t, "r", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String(anyTrust) })
	out, err := e.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(roleARN("r")), RoleSessionName: aws.String("me")})
	if err != nil {
		t.Fatal(err)
	}
	key, secret, token := *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken
	call := func(key, secret, token string) error {
		got, err := clients(e.Server, e.url, key, secret, token).sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		if err == nil && *got.Arn != "arn:aws:sts::"+account+":assumed-role/r/me" {
			t.Errorf("the caller is %s", *got.Arn)
		}
		return err
	}
	if err := call(key, secret, token); err != nil {
		t.Errorf("whole: %v", err)
	}
	for reason, err := range map[string]error{"no token": call(key, secret, ""), "another token": call(key, secret, token+"x")} {
		if err == nil || !strings.Contains(err.Error(), "InvalidClientTokenId") {
			t.Errorf("%s: %v; want InvalidClientTokenId", reason, err)
		}
	}
	now = now.Add(61 * time.Minute)
	// The SDK signs with its own clock, which the endpoint finds an hour late: the
	// signature's age is what AWS looks at first.
	if err := call(key, secret, token); err == nil || !strings.Contains(err.Error(), "Signature expired") {
		t.Errorf("later: %v; want an expired signature", err)
	}
}

// sendSigned sends a request that was signed at that time, and changed since.
func sendSigned(t *testing.T, e *endpoint, at time.Time, change func(*http.Request)) string {
	t.Helper()
	const form = "Action=ListRoles&Version=2010-05-08"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url+"/?x=1", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256([]byte(form))
	hash := hex.EncodeToString(sum[:])
	if err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: "AKIDLOCAL", SecretAccessKey: "secret"}, r, hash, "iam", "us-east-1", at); err != nil {
		t.Fatal(err)
	}
	change(r)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Status + " " + string(body)
}

// Nothing that is signed can be changed on the way, and no signature is good for
// ever.
func TestAuthenticate_RejectsChangedRequests(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := strict(t, awslocal.Options{Clock: func() time.Time { return now }})
	none := func(*http.Request) {}
	replace := func(signed, changed string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), signed, changed, 1))
		}
	}
	cases := map[string]struct {
		reason string
		at     time.Time
		change func(*http.Request)
		want   string
	}{
		"AsSigned": {"The request is accepted as it was signed.", now, none, "200 OK"},
		"Late":     {"A signature that is less than five minutes old is valid.", now.Add(-5 * time.Minute), none, "200 OK"},
		"TooLate": {
			"A signature that is older than five minutes has expired.", now.Add(-301 * time.Second), none,
			"403 Forbidden|SignatureDoesNotMatch|Signature expired: 20260102T025904Z is now earlier than 20260102T025905Z (20260102T030405Z - 5 min.)",
		},
		"TooEarly": {
			"A signature with a time more than five minutes ahead is rejected.", now.Add(301 * time.Second), none,
			"403 Forbidden|SignatureDoesNotMatch|Signature not yet current: 20260102T030906Z is still later than 20260102T030905Z (20260102T030405Z + 5 min.)",
		},
		"Body": {
			"The body is signed.", now,
			func(r *http.Request) {
				body := "Action=ListRoles&Version=2010-05-08&MaxItems=1"
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
			},
			"403 Forbidden|SignatureDoesNotMatch|The request signature we calculated",
		},
		"Query":   {"The query is signed.", now, func(r *http.Request) { r.URL.RawQuery = "x=2" }, "403 Forbidden|SignatureDoesNotMatch"},
		"Path":    {"The path is signed.", now, func(r *http.Request) { r.URL.Path = "/other" }, "403 Forbidden|SignatureDoesNotMatch"},
		"Header":  {"A header is signed.", now, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=x") }, "403 Forbidden|SignatureDoesNotMatch"},
		"Region":  {"The region is part of the signing key.", now, replace("us-east-1", "eu-west-1"), "403 Forbidden|SignatureDoesNotMatch"},
		"Service": {"The service is part of the signing key.", now, replace("/iam/", "/ec2/"), "403 Forbidden|SignatureDoesNotMatch|Credential should be scoped to correct service: 'iam'"},
		"Date": {
			"The date of the scope must be that of the request.", now, replace("20260102/", "20260103/"),
			"403 Forbidden|SignatureDoesNotMatch|Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20260103' != '20260102', from '20260102T030405Z'. ",
		},
		"Unsigned": {
			"The request has no signature.", now, func(r *http.Request) { r.Header.Del("Authorization") },
			"403 Forbidden|MissingAuthenticationToken|Request is missing Authentication Token",
		},
		"Form": {
			"The header has no signature.", now, replace("Signature=", "Signatur="),
			"400 Bad Request|IncompleteSignature|Authorization header requires 'Signature' parameter. (Hashed with SHA-256 and encoded with Base64) Authorization=",
		},
		"Bearer": {
			"The header is not a signature.", now,
			func(r *http.Request) {
				r.Header.Set("Authorization", "Bearer x")
				r.Header.Del("X-Amz-Date")
			},
			"400 Bad Request|IncompleteSignature|Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. " +
				"Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
		},
		"Scope": {
			"The scope does not end with aws4_request.", now, replace("aws4_request", "aws3_request"),
			"403 Forbidden|SignatureDoesNotMatch|Credential should be scoped with a valid terminator: 'aws4_request', not 'aws3_request'. ",
		},
		"ShortScope": {
			"The scope lacks a part.", now, replace("/us-east-1", ""),
			"400 Bad Request|IncompleteSignature|Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIDLOCAL/20260102/iam/aws4_request'",
		},
		"Clock": {
			"The date cannot be parsed.", now, func(r *http.Request) { r.Header.Set("X-Amz-Date", "today") },
			"400 Bad Request|IncompleteSignature|Date must be in ISO-8601 'basic format'. Got 'today'. See http://en.wikipedia.org/wiki/ISO_8601",
		},
		"Headers": {
			"A header is no longer listed as signed.", now, replace("content-type;", ""),
			"403 Forbidden|SignatureDoesNotMatch",
		},
		"Declared": {
			"The hash is not that of the body.", now, func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") },
			"403 Forbidden|SignatureDoesNotMatch",
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got := sendSigned(t, e, tc.at, tc.change)
			for want := range strings.SplitSeq(tc.want, "|") {
				if !strings.Contains(got, want) {
					t.Errorf("%s\nwant %q in it", got, want)
				}
			}
		})
	}
}

// A presigned URL is also a signature; the tokens of EKS clusters are presigned URLs.
func TestAuthenticate_AcceptsPresignedURLs(t *testing.T) {
	e := strict(t, awslocal.Options{})
	presigned, err := sts.NewPresignClient(e.sts).PresignGetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]int{presigned.URL: http.StatusOK, presigned.URL + "&x=1": http.StatusForbidden} {
		r := httptest.NewRequestWithContext(t.Context(), presigned.Method, url, nil)
		w := httptest.NewRecorder()
		e.Server.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%d for %s: %s; want %d", w.Code, url, w.Body, want)
		}
	}
}
