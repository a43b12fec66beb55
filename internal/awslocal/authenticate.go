package awslocal

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/podidentity/podidentity-operator/internal/awslocal/model"
)

// Signatures are those of AWS Signature Version 4, in the Authorization header
// or, presigned, in the query. The endpoint signs what came in once more, by the
// SDK's own signer, and compares.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html

// signature is what a request says of its signature; the zero value says nothing.
type signature struct {
	given              string // as hex
	accessKey, date    string // of the scope: YYYYMMDD
	region, service    string
	headers            []string // signed, in lower case
	presigned, invalid bool
}

const (
	amzTime = "20060102T150405Z"
	maxSkew = 5 * time.Minute
)

// signedHeader takes "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…"
// apart.
var signedHeader = regexp.MustCompile(`^AWS4-HMAC-SHA256 +Credential=([^, ]+), *SignedHeaders=([^, ]+), *Signature=([0-9a-f]{64})$`)

// signatureOf reads what a request says of its signature.
func signatureOf(r *http.Request) signature {
	query := r.URL.Query()
	var credential, headers, given string
	switch header := r.Header.Get("Authorization"); {
	case header != "":
		parts := signedHeader.FindStringSubmatch(header)
		if parts == nil {
			return signature{invalid: true}
		}
		credential, headers, given = parts[1], parts[2], parts[3]
	case query.Has("X-Amz-Signature"):
		credential, headers, given = query.Get("X-Amz-Credential"), query.Get("X-Amz-SignedHeaders"), query.Get("X-Amz-Signature")
	default:
		return signature{}
	}
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || scope[4] != "aws4_request" {
		return signature{invalid: true}
	}
	return signature{
		given: given, accessKey: scope[0], date: scope[1], region: scope[2], service: scope[3],
		headers: strings.Split(headers, ";"), presigned: query.Has("X-Amz-Signature"),
	}
}

// unsigned are the actions that need no credentials.
var unsigned = []string{"AssumeRoleWithWebIdentity"}

// authenticate refuses a call that nobody known has signed.
func (c *call) authenticate(req request) error {
	if !c.srv.options.Authenticate || slices.Contains(unsigned, c.action) {
		return nil
	}
	given := req.signature
	switch {
	case given.invalid:
		return model.Errorf("IncompleteSignature", "The request signature does not conform to AWS standards.")
	case given.given == "":
		return model.Errorf("MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	secret, ok := c.secret(given, req.http)
	if !ok {
		return model.Errorf("InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	at, err := c.signedAt(given, req.http)
	if err != nil {
		return err
	}
	if given.service != c.service {
		return model.Errorf("SignatureDoesNotMatch", "Credential should be scoped to correct service: '%s'. ", c.service)
	}
	want, err := given.again(req, aws.Credentials{AccessKeyID: given.accessKey, SecretAccessKey: secret}, at)
	if err != nil || subtle.ConstantTimeCompare([]byte(want), []byte(given.given)) != 1 {
		return model.Errorf("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

// secret returns the secret key that belongs to the access key: of a session only
// if its token is there, too.
func (c *call) secret(given signature, r *http.Request) (string, bool) {
	if ses := c.caller.session; ses != nil {
		token := r.Header.Get("X-Amz-Security-Token")
		if given.presigned {
			token = r.URL.Query().Get("X-Amz-Security-Token")
		}
		return ses.secretKey, subtle.ConstantTimeCompare([]byte(token), []byte(ses.token)) == 1
	}
	secret, ok := c.srv.options.AccessKeys[given.accessKey]
	return secret, ok
}

// signedAt returns when the request was signed, which must be now, give or take.
func (c *call) signedAt(given signature, r *http.Request) (time.Time, error) {
	text, valid := r.Header.Get("X-Amz-Date"), maxSkew
	if given.presigned {
		text = r.URL.Query().Get("X-Amz-Date")
		if seconds, err := time.ParseDuration(r.URL.Query().Get("X-Amz-Expires") + "s"); err == nil {
			valid = seconds
		}
	}
	at, err := time.Parse(amzTime, text)
	if err != nil || !strings.HasPrefix(text, given.date) {
		return at, model.Errorf("IncompleteSignature", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP")
	}
	now := c.now.Truncate(time.Second)
	switch earliest, latest := now.Add(-valid), now.Add(maxSkew); {
	case at.Before(earliest):
		return at, model.Errorf("SignatureDoesNotMatch", "Signature expired: %s is now earlier than %s (%s - %d min.)",
			text, earliest.Format(amzTime), now.Format(amzTime), int(valid.Minutes()))
	case at.After(latest):
		return at, model.Errorf("SignatureDoesNotMatch", "Signature not yet current: %s is still later than %s (%s + %d min.)",
			text, latest.Format(amzTime), now.Format(amzTime), int(maxSkew.Minutes()))
	}
	return at, nil
}

// again returns the signature that the request should have.
func (s signature) again(req request, credentials aws.Credentials, at time.Time) (string, error) {
	sum := sha256.Sum256(req.body)
	hash := hex.EncodeToString(sum[:])
	if declared := req.http.Header.Get("X-Amz-Content-Sha256"); declared != "" && declared != hash {
		return "", nil
	}
	copied := req.http.Clone(req.http.Context())
	copied.URL.Scheme, copied.URL.Host = "http", req.http.Host // what the SDK needs to find the host
	copied.Header = http.Header{}
	copied.ContentLength = 0
	for _, name := range s.headers {
		switch name {
		case "host":
		case "content-length":
			copied.ContentLength = req.http.ContentLength
		default:
			copied.Header[http.CanonicalHeaderKey(name)] = req.http.Header.Values(name)
		}
	}
	signer := v4.NewSigner()
	if s.presigned {
		return s.presignedAgain(signer, copied, credentials, hash, at)
	}
	if err := signer.SignHTTP(copied.Context(), credentials, copied, hash, s.service, s.region, at); err != nil {
		return "", err
	}
	return signatureOf(copied).given, nil
}

// presignedAgain is again for a signature in the query.
func (s signature) presignedAgain(signer *v4.Signer, r *http.Request, credentials aws.Credentials, hash string, at time.Time) (string, error) {
	query := r.URL.Query()
	for _, own := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		query.Del(own)
	}
	r.URL.RawQuery = query.Encode()
	signed, _, err := signer.PresignHTTP(r.Context(), credentials, r, hash, s.service, s.region, at)
	if err != nil {
		return "", err
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, signed, nil) //nolint:gosec // it is never sent
	if err != nil {
		return "", err
	}
	return signatureOf(again).given, nil
}
