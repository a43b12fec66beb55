package awslocal

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// Signatures are those of AWS Signature Version 4, in the Authorization header or,
// presigned, in the query. The endpoint signs each request again with the SDK's own
// signer, and compares the signatures.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html

// signature is the signature of a request; the zero value is none.
type signature struct {
	given                                        string // as hex
	accessKey, date, region, service, terminator string // of the credential's scope
	headers                                      []string
	presigned                                    bool
	problem                                      string // with its form, in AWS's words
}

const (
	algorithm = "AWS4-HMAC-SHA256"
	amzTime   = "20060102T150405Z"
	maxSkew   = 5 * time.Minute
)

// signatureOf reads the signature of a request, as far as it is well formed.
func signatureOf(r *http.Request) signature {
	query := r.URL.Query()
	if header := r.Header.Get("Authorization"); header != "" {
		return headerSignature(header, r.Header)
	}
	if !query.Has("X-Amz-Signature") {
		return signature{}
	}
	s := signature{presigned: true, given: query.Get("X-Amz-Signature"), headers: strings.Split(query.Get("X-Amz-SignedHeaders"), ";")}
	var missing []string
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if query.Get(name) == "" {
			missing = append(missing, "AWS query-string parameters must include '"+name+"'. ")
		}
	}
	if missing != nil {
		s.problem = strings.Join(missing, "") + "Re-examine the query-string parameters."
	}
	return s.scoped(query.Get("X-Amz-Credential"))
}

// headerSignature reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func headerSignature(value string, header http.Header) signature {
	parts := map[string]string{}
	if list, ok := strings.CutPrefix(value, algorithm+" "); ok {
		for part := range strings.SplitSeq(list, ",") {
			name, text, _ := strings.Cut(strings.TrimSpace(part), "=")
			parts[name] = text
		}
	}
	s := signature{given: parts["Signature"], headers: strings.Split(parts["SignedHeaders"], ";")}
	var missing []string
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if parts[name] == "" {
			missing = append(missing, "Authorization header requires '"+name+"' parameter. ")
		}
	}
	if header.Get("X-Amz-Date") == "" && header.Get("Date") == "" {
		missing = append(missing, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
	}
	if missing != nil {
		sum := sha256.Sum256([]byte(value))
		s.problem = strings.Join(missing, "") + "(Hashed with SHA-256 and encoded with Base64) Authorization=" +
			base64.StdEncoding.EncodeToString(sum[:])
	}
	return s.scoped(parts["Credential"])
}

// scoped is the signature with the parts of a credential.
func (s signature) scoped(credential string) signature {
	switch scope := strings.Split(credential, "/"); {
	case len(scope) == 5:
		s.accessKey, s.date, s.region, s.service, s.terminator = scope[0], scope[1], scope[2], scope[3], scope[4]
	case s.problem == "":
		s.problem = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" + credential + "'"
	}
	return s
}

// unsigned are the actions that need no credentials.
var unsigned = []string{"AssumeRoleWithWebIdentity"}

// authenticate rejects a call that no known caller has signed. It rejects expired
// credentials even if signatures do not matter.
func (c *call) authenticate(req request) error {
	if slices.Contains(unsigned, c.action) {
		return nil
	}
	if !c.srv.options.Authenticate {
		return c.checkSession()
	}
	given := req.signature
	switch {
	case given.problem != "":
		return model.Errorf("IncompleteSignature", "%s", given.problem)
	case given.given == "":
		return model.Errorf("MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	date := given.dateText(req.http)
	at, err := time.Parse(amzTime, date)
	if err != nil {
		return model.Errorf("IncompleteSignature", "Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", date)
	}
	if wrong := given.wrongScope(c.service, date); wrong != "" {
		return model.Errorf("SignatureDoesNotMatch", "%s", wrong)
	}
	secret, ok := c.secret(given, req.http)
	if !ok {
		return unknownToken()
	}
	if err := c.checkAge(given, req.http, at); err != nil {
		return err
	}
	if err := c.checkSession(); err != nil {
		return err
	}
	want, err := given.resign(req, aws.Credentials{AccessKeyID: given.accessKey, SecretAccessKey: secret}, at)
	if err != nil || subtle.ConstantTimeCompare([]byte(want), []byte(given.given)) != 1 {
		return model.Errorf("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

func unknownToken() error {
	return model.Errorf("InvalidClientTokenId", "The security token included in the request is invalid.")
}

// checkSession rejects the credentials of a session that is over, and of one
// whose role was deleted, also if there is another role of that name.
func (c *call) checkSession() error {
	ses := c.caller.session
	switch {
	case ses == nil:
	case c.srv.view(0).roleOf(ses) == nil:
		return unknownToken()
	case !c.now.Before(ses.expires):
		return model.Errorf("ExpiredToken", "The security token included in the request is expired")
	}
	return nil
}

// dateText is the time of the signature according to the request.
func (s signature) dateText(r *http.Request) string {
	if s.presigned {
		return r.URL.Query().Get("X-Amz-Date")
	}
	return r.Header.Get("X-Amz-Date")
}

// wrongScope describes what is wrong with the scope of a credential for a service. (AWS
// also names the region of its endpoint; this endpoint is in all regions.)
func (s signature) wrongScope(service, date string) string {
	wrong := ""
	if s.service != service {
		wrong += "Credential should be scoped to correct service: '" + service + "'. "
	}
	if s.terminator != "aws4_request" {
		wrong += "Credential should be scoped with a valid terminator: 'aws4_request', not '" + s.terminator + "'. "
	}
	if day := date[:len("20060102")]; s.date != day {
		wrong += "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" +
			s.date + "' != '" + day + "', from '" + date + "'. "
	}
	return wrong
}

// secret returns the secret key of the access key: that of a session only if its
// token is part of the request.
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

// checkAge rejects a signature that is too old or too new.
func (c *call) checkAge(given signature, r *http.Request, at time.Time) error {
	valid := maxSkew
	if given.presigned {
		if seconds, err := time.ParseDuration(r.URL.Query().Get("X-Amz-Expires") + "s"); err == nil {
			valid = seconds
		}
	}
	now := c.now.Truncate(time.Second)
	switch earliest, latest := now.Add(-valid), now.Add(maxSkew); {
	case at.Before(earliest):
		return model.Errorf("SignatureDoesNotMatch", "Signature expired: %s is now earlier than %s (%s - %d min.)",
			at.Format(amzTime), earliest.Format(amzTime), now.Format(amzTime), int(valid.Minutes()))
	case at.After(latest):
		return model.Errorf("SignatureDoesNotMatch", "Signature not yet current: %s is still later than %s (%s + %d min.)",
			at.Format(amzTime), latest.Format(amzTime), now.Format(amzTime), int(maxSkew.Minutes()))
	}
	return nil
}

// resign returns the signature that the request should have.
func (s signature) resign(req request, credentials aws.Credentials, at time.Time) (string, error) {
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

// presignedAgain is resign for a signature in the query.
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
