package awslocal

import (
	"slices"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// STS: https://docs.aws.amazon.com/STS/latest/APIReference/Welcome.html

// Session durations in seconds.
const (
	defaultSession = 3600 // of a role and of a session, by default
	chainedSession = 3600 // the most for a role assumed from a role
)

func getCallerIdentity(c *call) (model.Struct, error) {
	return model.Struct{"UserId": c.caller.userID, "Account": c.caller.account(), "Arn": c.caller.arn}, nil
}

// assumeRole evaluates the trust policy and, with Authorize, the caller's policies.
func assumeRole(c *call) (model.Struct, error) {
	in := c.in
	tags, err := sessionTags(in)
	if err != nil {
		return nil, err
	}
	if err := c.inherit(&tags); err != nil {
		return nil, err
	}
	r, err := c.roleToAssume()
	if err != nil {
		return nil, err
	}
	if a, _ := parseARN(c.caller.arn); a.resource == "root" {
		return nil, model.Errorf("AccessDenied", "Roles may not be assumed by root accounts.")
	}
	if r == nil {
		return nil, c.notAuthorized("sts:AssumeRole", in.Str("RoleArn"), "")
	}
	for _, action := range c.assuming(&tags) {
		if err := c.mayAssume(r, action, c.assumeKeys(&tags)); err != nil {
			return nil, err
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
	ses.tags, ses.transitive = tags.all(), tags.transitive
	ses.sourceIdentity = c.sourceIdentity()
	packed, err := packedSize(ses)
	if err != nil {
		return nil, err
	}
	out := c.openSession(ses)
	if packed > 0 {
		out["PackedPolicySize"] = packed
	}
	if ses.sourceIdentity != "" {
		out["SourceIdentity"] = ses.sourceIdentity
	}
	return out, nil
}

// assuming lists the actions that a role's trust policy must allow.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_permissions-required
func (c *call) assuming(tags *assumedTags) []string {
	actions := []string{"sts:AssumeRole"}
	if len(tags.all()) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if c.sourceIdentity() != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	return actions
}

// sourceIdentity is the source identity of the calling session, which roles assumed from
// it inherit.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html
func (c *call) sourceIdentity() string {
	if c.caller.session != nil && c.caller.session.sourceIdentity != "" {
		return c.caller.session.sourceIdentity
	}
	return c.in.Str("SourceIdentity")
}

// assumeKeys are the condition keys of AssumeRole.
func (c *call) assumeKeys(tags *assumedTags) map[string][]string {
	keys := map[string][]string{}
	if c.in.Has("ExternalId") {
		keys["sts:ExternalId"] = []string{c.in.Str("ExternalId")}
	}
	if identity := c.sourceIdentity(); identity != "" {
		keys["sts:SourceIdentity"] = []string{identity}
	}
	tags.addKeys(keys)
	return keys
}

// roleToAssume returns the role that a call names by ARN; nil if this account
// has none, which callers cannot distinguish from a role that does not trust them.
func (c *call) roleToAssume() (*role, error) {
	given := c.in.Str("RoleArn")
	a, ok := parseARN(given)
	if !ok || a.account == "" || a.resource == "" {
		return nil, model.Errorf("ValidationError", "%s is invalid", given)
	}
	if a.service != "iam" || !accountID.MatchString(a.account) || !strings.HasPrefix(a.resource, "role/") {
		return nil, model.Errorf("ValidationError", "Request ARN is invalid")
	}
	r := c.st.roles[strings.ToLower(given[strings.LastIndex(given, "/")+1:])]
	if r == nil || r.arn != given {
		return nil, nil
	}
	return r, nil
}

// trusts evaluates the trust policy of a role.
func (r *role) trusts(action string, who []policy.Principal, keys map[string][]string) policy.Decision {
	return r.evaluateTrust(parsed(r.trust), action, who, keys)
}

// trustsByName evaluates the trust policy of a role without the statements that trust
// whole accounts.
func (r *role) trustsByName(action string, who []policy.Principal, keys map[string][]string) policy.Decision {
	trust := parsed(r.trust)
	for i := range trust.Statements {
		s := &trust.Statements[i]
		if s.Effect == policy.Allow {
			s.Principals = slices.DeleteFunc(s.Principals, func(p policy.Principal) bool {
				return p.Type == policy.AWS && accountID.MatchString(p.ID) // in canonical form, as is arn:…:root
			})
		}
	}
	return r.evaluateTrust(trust, action, who, keys)
}

func (r *role) evaluateTrust(trust policy.Policy, action string, who []policy.Principal, keys map[string][]string) policy.Decision {
	return policy.Evaluate(policy.Request{Principals: who, Action: action, Resource: r.arn, Context: keys}, trust)
}

// duration returns the duration of a session of a role.
func (c *call) duration(r *role) (time.Duration, error) {
	seconds := c.in.Int("DurationSeconds", defaultSession)
	if seconds > r.maxSession {
		return 0, model.Errorf("ValidationError",
			"The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	if c.caller.session != nil && c.action == "AssumeRole" && seconds > chainedSession {
		return 0, model.Errorf("ValidationError",
			"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	duration := time.Duration(seconds) * time.Second
	if bound := time.Duration(c.srv.Faults().SessionDuration); bound > 0 {
		duration = min(duration, bound)
	}
	return duration, nil
}

// session prepares a session with the session policies of the call.
func (c *call) session(r *role, duration time.Duration) (*session, error) {
	ses := &session{role: r, name: c.in.Str("RoleSessionName"), issued: c.now, expires: c.now.Add(duration)}
	if c.in.Has("Policy") {
		document := c.in.Str("Policy")
		if err := checkIdentityPolicy(document); err != nil {
			return nil, err
		}
		ses.policies, ses.policySize = append(ses.policies, document), policy.Size(document)
	}
	for _, v := range c.in.Structs("PolicyArns") {
		p := c.findPolicy(v.Str("arn"))
		if p == nil {
			return nil, model.Errorf("ValidationError", "Specified policy arn %s does not exist", v.Str("arn"))
		}
		ses.policies = append(ses.policies, p.defaultVersion().document)
		ses.policySize += len(p.arn)
	}
	return ses, nil
}

// The limits of the packed size of session policies and tags, in characters of these. AWS
// does not document how it packs; the numbers roughly reproduce sizes that callers have
// reported.
const (
	packedPolicies = 1024
	packedTags     = 400
)

// packedSize returns the size of a session's policies and tags, as a percentage of the
// maximum, and rejects more than that.
func packedSize(ses *session) (int64, error) {
	policies, tags := ses.policySize, 0
	for _, t := range ses.tags {
		tags += len(t.key) + len(t.value)
	}
	percent := (100*policies+packedPolicies-1)/packedPolicies + (100*tags+packedTags-1)/packedTags
	switch {
	case percent <= 100:
		return int64(percent), nil
	case policies > 0:
		return 0, model.Errorf("PackedPolicyTooLarge", "Packed policy consumes %d%% of allotted space, please use smaller policy.", percent)
	default:
		return 0, model.Errorf("PackedPolicyTooLarge", "Packed size of session tags consumes %d%% of allotted space.", percent)
	}
}

// assumedTags are the tags of a new session: those given in the call and those that the
// calling session passes on.
type assumedTags struct {
	given, inherited []tag
	transitive       []string
}

func sessionTags(in model.Struct) (assumedTags, error) {
	t := assumedTags{transitive: in.Strings("TransitiveTagKeys")}
	for _, v := range in.Structs("Tags") {
		key := v.Str("Key")
		if t.find(key) != nil {
			return t, model.Errorf("InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		t.given = append(t.given, tag{key, v.Str("Value")})
	}
	for _, key := range t.transitive {
		if t.find(key) == nil {
			return t, model.Errorf("InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
		}
	}
	return t, nil
}

func (t *assumedTags) find(key string) *tag {
	i := slices.IndexFunc(t.given, func(have tag) bool { return strings.EqualFold(have.key, key) })
	if i < 0 {
		return nil
	}
	return &t.given[i]
}

// inherit adds the transitive tags of the calling session, which the call must
// not set itself.
func (c *call) inherit(t *assumedTags) error {
	if c.caller.session == nil {
		return nil
	}
	for _, key := range c.caller.session.transitive {
		if t.find(key) != nil {
			return model.Errorf("InvalidParameterValue", "One of the specified transitive tag keys can't be set "+
				"because it conflicts with a transitive tag key from the calling session.")
		}
		t.transitive = append(t.transitive, key)
		for _, have := range c.caller.session.tags {
			if strings.EqualFold(have.key, key) {
				t.inherited = append(t.inherited, have)
			}
		}
	}
	return nil
}

func (t *assumedTags) all() []tag { return slices.Concat(t.inherited, t.given) }

// addKeys adds the condition keys for the tags of a request.
func (t *assumedTags) addKeys(keys map[string][]string) {
	for _, g := range t.given {
		keys["aws:RequestTag/"+g.key] = []string{g.value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], g.key)
	}
	if len(t.transitive) > 0 {
		keys["sts:TransitiveTagKeys"] = t.transitive
	}
}
