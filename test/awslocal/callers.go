package awslocal

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// caller is who makes a call.
type caller struct {
	arn, userID string
	session     *session // nil if not a session of this endpoint
}

// session is what AssumeRole and AssumeRoleWithWebIdentity create.
type session struct {
	accessKey, secretKey, token string
	role                        *role
	name                        string
	arn, userID                 string
	issued, expires             time.Time
	policies                    []string // session policies
	policySize                  int      // of the policies that the session itself contains
	tags                        []tag
	transitive                  []string // keys of tags that go on to the next role
	sourceIdentity              string
}

// callerOf returns the caller that an access key belongs to: a session of this endpoint,
// or else the configured caller.
func (s *Server) callerOf(accessKey string) caller {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ses := s.sessions[accessKey]; ses != nil {
		return caller{arn: ses.arn, userID: ses.userID, session: ses}
	}
	return caller{arn: s.options.CallerARN, userID: userID(s.options.CallerARN)}
}

// userID returns the unique ID of the configured caller, the same for the same ARN.
func userID(callerARN string) string {
	a, _ := parseARN(callerARN)
	kind, name, _ := strings.Cut(a.resource, "/")
	sum := sha256.Sum256([]byte(callerARN))
	unique := base32.StdEncoding.EncodeToString(sum[:])[:17]
	switch kind {
	case "root":
		return a.account
	case "assumed-role":
		return "AROA" + unique + ":" + name[strings.LastIndex(name, "/")+1:]
	}
	return "AIDA" + unique
}

func (c caller) account() string {
	a, _ := parseARN(c.arn)
	return a.account
}

// roleOf returns the role of a session as it is in that state, nil if it was
// deleted.
func (st *state) roleOf(ses *session) *role {
	if now := st.roles[strings.ToLower(ses.role.name)]; now != nil && now.id == ses.role.id {
		return now
	}
	return nil
}

// principals are the identifiers by which a trust policy may name the caller.
func (c caller) principals() []policy.Principal {
	out := []policy.Principal{{Type: policy.AWS, ID: c.arn}}
	if c.session != nil {
		out = append(out, policy.Principal{Type: policy.AWS, ID: c.session.role.arn})
	}
	return append(out, policy.Principal{Type: policy.AWS, ID: c.account()})
}

// Sizes of session tokens in bytes.
const (
	tokenSize    = 352
	maxTokenSize = 4096
)

// openSession issues credentials for a role.
func (c *call) openSession(ses *session) model.Struct {
	s := c.srv
	a, _ := parseARN(ses.role.arn)
	ses.accessKey = "ASIA" + s.random.text(idLetters, 16)
	ses.secretKey = s.random.text(secretLetters, 40)
	ses.token = s.random.text(secretLetters, max(tokenSize, c.in.Int("MinimumSessionTokenSize", 0)))
	ses.arn = "arn:" + a.partition + ":sts::" + a.account + ":assumed-role/" + ses.role.name + "/" + ses.name
	ses.userID = ses.role.id + ":" + ses.name

	s.mu.Lock()
	defer s.mu.Unlock()
	for key, old := range s.sessions {
		if old.expires.Add(time.Hour).Before(c.now) { // until then callers get the error that it expired
			delete(s.sessions, key)
		}
	}
	s.sessions[ses.accessKey] = ses
	return model.Struct{
		"Credentials": model.Struct{
			"AccessKeyId":     ses.accessKey,
			"SecretAccessKey": ses.secretKey,
			"SessionToken":    ses.token,
			"Expiration":      ses.expires,
		},
		"AssumedRoleUser":         model.Struct{"AssumedRoleId": ses.userID, "Arn": ses.arn},
		"SessionTokenSize":        int64(len(ses.token)),
		"SessionTokenUtilization": int64((100*len(ses.token) + maxTokenSize - 1) / maxTokenSize),
	}
}
