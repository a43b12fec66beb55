package awslocal

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/internal/awslocal/model"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// STS: https://docs.aws.amazon.com/STS/latest/APIReference/Welcome.html

// Session durations in seconds.
const (
	defaultSession = 3600 // of a role and of a session, if not told
	chainedSession = 3600 // the most for a role assumed from a role
)

func getCallerIdentity(c *call) (model.Struct, error) {
	return model.Struct{"UserId": c.caller.userID, "Account": c.caller.account(), "Arn": c.caller.arn}, nil
}

// assumeRole asks the trust policy and, if callers are authorized, the caller's.
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
	denied := func(action string) error {
		return model.Errorf("AccessDenied", "User: %s is not authorized to perform: %s on resource: %s",
			c.caller.arn, action, in.Str("RoleArn"))
	}
	if r == nil {
		return nil, denied("sts:AssumeRole")
	}
	keys := c.requestKeys()
	if in.Has("ExternalId") {
		keys["sts:ExternalId"] = []string{in.Str("ExternalId")}
	}
	tags.addKeys(keys)
	if !c.mayAssume(r, "sts:AssumeRole", keys) {
		return nil, denied("sts:AssumeRole")
	}
	if len(tags.given) > 0 && !c.mayAssume(r, "sts:TagSession", keys) {
		return nil, denied("sts:TagSession")
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
	out := c.srv.openSession(ses, c.now)
	if in.Has("Policy") || in.Has("PolicyArns") || len(ses.tags) > 0 {
		out["PackedPolicySize"] = packedSize(in)
	}
	if in.Has("SourceIdentity") {
		out["SourceIdentity"] = in.Str("SourceIdentity")
	}
	return out, nil
}

// roleToAssume returns the role that a call names by ARN; nil if this account
// has none, which callers are not told apart from a role that does not trust them.
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
func (r *role) trusts(action string, who []policy.Principal, keys map[string][]string) bool {
	return r.evaluateTrust(parsed(r.trust), action, who, keys)
}

// trustsByName evaluates the trust policy of a role without what it leaves to
// whole accounts.
func (r *role) trustsByName(action string, who []policy.Principal, keys map[string][]string) bool {
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

func (r *role) evaluateTrust(trust policy.Policy, action string, who []policy.Principal, keys map[string][]string) bool {
	request := policy.Request{Principals: who, Action: action, Resource: r.arn, Context: keys}
	return policy.Evaluate(request, trust) == policy.Allowed
}

// requestKeys are the condition keys that every call has:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func (c *call) requestKeys() map[string][]string {
	keys := map[string][]string{
		"aws:CurrentTime":     {c.now.Format(time.RFC3339)},
		"aws:EpochTime":       {strconv.FormatInt(c.now.Unix(), 10)},
		"aws:RequestedRegion": {c.srv.options.Region},
	}
	for member, key := range map[string]string{
		"RoleSessionName": "sts:RoleSessionName",
		"SourceIdentity":  "sts:SourceIdentity",
	} {
		if c.in.Has(member) {
			keys[key] = []string{c.in.Str(member)}
		}
	}
	return keys
}

// duration returns how long a session of a role may last.
func (c *call) duration(r *role) (time.Duration, error) {
	seconds := c.in.Int("DurationSeconds", defaultSession)
	if c.caller.session != nil && c.action == "AssumeRole" && seconds > chainedSession {
		return 0, model.Errorf("ValidationError",
			"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	if seconds > r.maxSession {
		return 0, model.Errorf("ValidationError",
			"The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return time.Duration(seconds) * time.Second, nil
}

// session prepares a session with the session policies of the call.
func (c *call) session(r *role, duration time.Duration) (*session, error) {
	ses := &session{role: r, name: c.in.Str("RoleSessionName"), expires: c.now.Add(duration)}
	if c.in.Has("Policy") {
		document := c.in.Str("Policy")
		if err := checkIdentityPolicy(document); err != nil {
			return nil, err
		}
		ses.policies = append(ses.policies, document)
	}
	for _, v := range c.in.Structs("PolicyArns") {
		p := c.findPolicy(v.Str("arn"))
		if p == nil {
			return nil, model.Errorf("ValidationError", "Specified policy arn %s does not exist", v.Str("arn"))
		}
		ses.policies = append(ses.policies, p.defaultVersion().document)
	}
	return ses, nil
}

// packedSize stands for AWS's measure of session policies and tags, in percent
// of what is allowed; AWS does not say how it packs.
func packedSize(in model.Struct) int64 {
	size := len(in.Str("Policy"))
	for _, v := range in.Structs("Tags") {
		size += len(v.Str("Key")) + len(v.Str("Value"))
	}
	return int64(min(100, 1+size*100/4096))
}

// assumedTags are the tags of a session under way: those given in the call and
// those that the calling session passes on.
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

// addKeys adds the condition keys that the tags of a request make.
func (t *assumedTags) addKeys(keys map[string][]string) {
	for _, g := range t.given {
		keys["aws:RequestTag/"+g.key] = []string{g.value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], g.key)
	}
	if len(t.transitive) > 0 {
		keys["sts:TransitiveTagKeys"] = t.transitive
	}
}
