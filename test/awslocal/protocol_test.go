package awslocal_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

const (
	iamNS   = "https://iam.amazonaws.com/doc/2010-05-08/"
	stsNS   = "https://sts.amazonaws.com/doc/2011-06-15/"
	faultNS = "http://webservices.amazon.com/AWSFault/2005-15-09" // what is wrong before there is an action
)

var requestID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f-]{27}$`)

// between is the white space between the elements of an answer.
var between = regexp.MustCompile(`>\n *<`)

// post sends a form and returns the answer with its request ID replaced by ID.
func post(t *testing.T, e *endpoint, form string, header http.Header) (http.Header, int, string) {
	t.Helper()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	answered, status, raw := send(t, http.MethodPost, e.url, form, header)
	id := answered.Get("X-Amzn-Requestid")
	if !requestID.MatchString(id) || raw != "" && !strings.Contains(raw, id) {
		t.Errorf("request ID %q is not in the answer: %s", id, raw)
	}
	return answered, status, strings.ReplaceAll(raw, id, "ID")
}

// Requests that no SDK sends, and AWS's observed answers.
func TestProtocol_WhatNoSDKSends(t *testing.T) {
	fail := func(ns, code, message string) string {
		if message != "" {
			message = "<Message>" + message + "</Message>"
		}
		return `<ErrorResponse xmlns="` + ns + `"><Error><Type>Sender</Type><Code>` + code + "</Code>" + message + "</Error><RequestId>ID</RequestId></ErrorResponse>\n"
	}
	ok := func(ns, action, result string) string {
		return "<" + action + `Response xmlns="` + ns + `">` + result + "<ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></" + action + "Response>\n"
	}
	const assume = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/r&RoleSessionName=me"
	unknown := func(action, version string) string {
		return fail(faultNS, "InvalidAction", "Could not find operation "+action+" for version "+version)
	}
	for name, tc := range map[string]struct {
		reason string
		form   string
		scope  string // of a signature, if there is one
		status int
		want   string
	}{
		"EmptyList": {
			"An empty list is part of the answer.", "Action=ListRoles&Version=2010-05-08&PathPrefix=/none/", "", 200,
			ok(iamNS, "ListRoles", "<ListRolesResult><IsTruncated>false</IsTruncated><Roles/></ListRolesResult>"),
		},
		"NoResult": {
			"An action without output has no result element.", "Action=UntagRole&Version=2010-05-08&RoleName=r&TagKeys.member.1=a", "", 200,
			ok(iamNS, "UntagRole", ""),
		},
		"EmptyResult": {
			"An action with an empty output has a result element.", "Action=UpdateRole&Version=2010-05-08&RoleName=r", "", 200,
			ok(iamNS, "UpdateRole", "<UpdateRoleResult/>"),
		},
		"Quotes":         {"Quotes are not escaped.", "Action=GetRole&Version=2010-05-08&RoleName=" + url.QueryEscape("x@+="), "", 404, fail(iamNS, "NoSuchEntity", "The role with name x@+= cannot be found.")},
		"UnknownAction":  {"", "Action=MakeRole&Version=2010-05-08", "", 400, unknown("MakeRole", "2010-05-08")},
		"EmptyAction":    {"", "Action=&Version=2011-06-15", "", 400, unknown("", "2011-06-15")},
		"UnknownVersion": {"", "Action=GetRole&Version=2009-01-01", "", 400, unknown("GetRole", "2009-01-01")},
		"NoVersion":      {"A missing version has its own message.", "Action=GetCallerIdentity", "", 400, unknown("GetCallerIdentity", "NO_VERSION_SPECIFIED")},
		"EmptyVersion":   {"An empty version has another message.", "Action=GetCallerIdentity&Version=", "", 400, unknown("GetCallerIdentity", "")},
		"First":          {"The first of two values counts.", "Action=GetRole&Action=NoSuchAction&Version=2010-05-08&Version=2000-01-01&RoleName=x&RoleName=r", "", 404, fail(iamNS, "NoSuchEntity", "The role with name x cannot be found.")},
		"STSByVersion": {
			"Without a signature the version determines the service.", "Action=AssumeRoleWithWebIdentity&Version=2011-06-15", "", 400,
			fail(stsNS, "ValidationError", "3 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; "+
				"Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null; Value null at 'webIdentityToken' failed to satisfy constraint: Member must not be null"),
		},
		"STSBySignature": {"The credential scope has precedence over the version.", "Action=GetRole&Version=2010-05-08", "sts", 400, unknown("GetRole", "2010-05-08")},
		"Null":           {"", "Action=GetRole&Version=2010-05-08", "", 400, fail(iamNS, "ValidationError", "1 validation error detected: Value at 'roleName' failed to satisfy constraint: Member must not be null")},
		"NoNumber":       {"The error about an invalid number has no message.", "Action=ListRoles&Version=2010-05-08&MaxItems=many", "", 400, fail(iamNS, "MalformedInput", "")},
		"Decimal":        {"", assume + "&DurationSeconds=900.0", "", 400, fail(stsNS, "MalformedInput", "")},
		"Overflow":       {"", assume + "&DurationSeconds=2147483648", "", 400, fail(stsNS, "MalformedInput", "")},
		"EmptyNumber":    {"The error about an empty number has a message.", assume + "&DurationSeconds=", "", 400, fail(stsNS, "MalformedInput", "missing value for decimal type")},
		"Negative":       {"", assume + "&DurationSeconds=-1", "", 400, fail(stsNS, "ValidationError", "1 validation error detected: Value '-1' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900")},
		"NoBoolean":      {"", "Action=ListPolicies&Version=2010-05-08&OnlyAttached=TRUE", "", 400, fail(iamNS, "MalformedInput", "boolean must follow xsd1.1 definition")},
		"BooleanDigit": {
			"Digits are also booleans.", "Action=ListPolicies&Version=2010-05-08&OnlyAttached=1", "", 200,
			ok(iamNS, "ListPolicies", "<ListPoliciesResult><IsTruncated>false</IsTruncated><Policies/></ListPoliciesResult>"),
		},
		"Enumeration": {"", "Action=ListPolicies&Version=2010-05-08&Scope=Mine", "", 400, fail(iamNS, "ValidationError", "1 validation error detected: Value at 'scope' failed to satisfy constraint: Member must satisfy enum value set: [All, AWS, Local]")},
		"Order": {
			"Violations are listed in the order of a hash table.", "Action=CreateOpenIDConnectProvider&Version=2010-05-08&ClientIDList.member.1=&ThumbprintList.member.1=x&Url=", "", 400,
			fail(iamNS, "ValidationError", "3 validation errors detected: Value at 'clientIDList' failed to satisfy constraint: Member must satisfy constraint: "+
				"[Member must have length less than or equal to 255, Member must have length greater than or equal to 1]; Value at 'thumbprintList' failed to satisfy constraint: "+
				"Member must satisfy constraint: [Member must have length less than or equal to 40, Member must have length greater than or equal to 40]; "+
				"Value at 'url' failed to satisfy constraint: Member must have length greater than or equal to 1"),
		},
		"Characters": {"IAM's own checks come before those of the model.", "Action=ListRoles&Version=2010-05-08&PathPrefix=&MaxItems=0", "", 400, fail(iamNS, "ValidationError", "The specified value for pathPrefix is invalid. It must begin with the / character and contain only alphanumeric characters and/or / characters.")},
		"PolicyPrefix": {
			"The prefix of a policy path must end with a slash, which AWS does not document.", "Action=ListPolicies&Version=2010-05-08&PathPrefix=/foo", "", 400,
			fail(iamNS, "ValidationError", "The specified value for pathPrefix is invalid. It must begin with the / character and contain only alphanumeric characters and/or / characters."),
		},
		"UTF16": {
			"Lengths count UTF-16 units, which the pattern accepts only in part.", assume + "&ExternalId=" + url.QueryEscape("😀"), "", 400,
			fail(stsNS, "ValidationError", `1 validation error detected: Value '😀' at 'externalId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@:\/-]*`),
		},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			e := newEndpoint(t, awslocal.Options{})
			e.createRole(t, "r")
			header := http.Header{}
			if tc.scope != "" {
				header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDLOCAL/20260301/us-east-1/"+tc.scope+"/aws4_request, SignedHeaders=host, Signature=0")
			}
			answered, status, raw := post(t, e, tc.form, header)
			if got := between.ReplaceAllString(raw, "><"); status != tc.status || got != tc.want || answered.Get("Content-Type") != "text/xml" {
				t.Errorf("got:  %d %s\nwant: %d %s", status, got, tc.status, tc.want)
			}
		})
	}
}

// An answer has an element a line, in AWS's order, which is not the models'.
func TestProtocol_OneElementPerLineInTheOrderOfAWS(t *testing.T) {
	clock := newClock()
	e := newEndpoint(t, awslocal.Options{Clock: clock.now})
	e.createRole(t, "r")
	answered, _, got := post(t, e, "Action=GetCallerIdentity&Version=2011-06-15", nil)
	want := `<GetCallerIdentityResponse xmlns="` + stsNS + `">
  <GetCallerIdentityResult>
    <Arn>arn:aws:iam::123456789012:user/awslocal</Arn>
    <UserId>AIDA</UserId>
    <Account>123456789012</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata>
    <RequestId>ID</RequestId>
  </ResponseMetadata>
</GetCallerIdentityResponse>
`
	if got = regexp.MustCompile(`AIDA\w{17}`).ReplaceAllString(got, "AIDA"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	extended, err := base64.StdEncoding.DecodeString(answered.Get("X-Amz-Sts-Extended-Request-Id"))
	if err != nil || !regexp.MustCompile(`^1:us-east-1:S:1772366400000:R:\w{8}$`).Match(extended) {
		t.Errorf("STS's own request ID is %s, %v", extended, err)
	}

	answered, _, got = post(t, e, "Action=GetRole&Version=2010-05-08&RoleName=r", nil)
	want = `<GetRoleResponse xmlns="` + iamNS + `">
  <GetRoleResult>
    <Role>
      <Path>/</Path>
      <AssumeRolePolicyDocument>` + encodedTrust + `</AssumeRolePolicyDocument>
      <MaxSessionDuration>3600</MaxSessionDuration>
      <RoleId>AROA</RoleId>
      <RoleLastUsed/>
      <RoleName>r</RoleName>
      <Arn>arn:aws:iam::123456789012:role/r</Arn>
      <CreateDate>2026-03-01T12:00:00Z</CreateDate>
    </Role>
  </GetRoleResult>
  <ResponseMetadata>
    <RequestId>ID</RequestId>
  </ResponseMetadata>
</GetRoleResponse>
`
	if got = regexp.MustCompile(`AROA\w{17}`).ReplaceAllString(got, "AROA"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if answered.Get("X-Amz-Sts-Extended-Request-Id") != "" {
		t.Error("IAM answers with STS's request ID")
	}
}

// A request without an action is redirected to a page of AWS; so is a form without the
// content type of a form.
func TestProtocol_NoActionIsRedirected(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for name, tc := range map[string]struct {
		method, query, body string
		header              http.Header
		want                string
	}{
		"Post":        {http.MethodPost, "", "Version=2011-06-15", form, "https://aws.amazon.com/iam"},
		"Get":         {http.MethodGet, "?Version=2011-06-15", "", nil, "https://aws.amazon.com/iam?Version=2011-06-15"},
		"Untyped":     {http.MethodPost, "", "Action=GetCallerIdentity&Version=2011-06-15", nil, "https://aws.amazon.com/iam"},
		"NotAForm":    {http.MethodPost, "", "Action=GetCallerIdentity&Version=2011-06-15", http.Header{"Content-Type": {"text/plain"}}, "https://aws.amazon.com/iam"},
		"GetByAction": {http.MethodGet, "?Action=GetCallerIdentity&Version=2011-06-15", "", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			answered, status, body := send(t, tc.method, e.url+"/"+tc.query, tc.body, tc.header)
			if tc.want == "" {
				if status != http.StatusOK {
					t.Errorf("%d %s", status, body)
				}
				return
			}
			if status != http.StatusFound || answered.Get("Location") != tc.want || body != "" {
				t.Errorf("%d to %q: %s; want 302 to %q", status, answered.Get("Location"), body, tc.want)
			}
		})
	}
}

// EKS, which has a gateway in front of it, names errors in its own way.
func TestProtocol_ErrorsOfREST(t *testing.T) {
	for name, tc := range map[string]struct {
		reason                    string
		method, path, body, scope string
		status                    int
		code, want                string
	}{
		"NoPath":   {"The gateway checks the credentials first.", "GET", "/clusters/c/none", "", "eks", 403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`},
		"Cluster":  {"The error names the cluster.", "GET", "/clusters/none", "", "", 404, "ResourceNotFoundException", `{"clusterName":"none","message":"No cluster found for name: none."}`},
		"NoJSON":   {"", "POST", "/clusters", "{", "", 400, "SerializationException", `{"message":"The body is not a JSON object"}`},
		"TwoJSON":  {"A second object is an error.", "POST", "/clusters", "{}{}", "", 400, "SerializationException", `{"message":"The body has more than one JSON object"}`},
		"Garbage":  {"Any text after the object is an error.", "POST", "/clusters", "{} x", "", 400, "SerializationException", `{"message":"The body has more than one JSON object"}`},
		"Space":    {"White space after the object is ignored.", "DELETE", "/clusters/none", "{}\n ", "", 404, "ResourceNotFoundException", ""},
		"Number":   {"The error about an invalid number has a message.", "GET", "/clusters?maxResults=many", "", "", 400, "SerializationException", `{"message":"Expected a value of type integer"}`},
		"NoNumber": {"The error about an empty number has a message.", "GET", "/clusters?maxResults=", "", "", 400, "SerializationException", `{"message":"Expected a value of type integer"}`},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			e := newEndpoint(t, awslocal.Options{})
			header := http.Header{}
			if tc.scope != "" {
				header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDLOCAL/20260301/us-east-1/"+tc.scope+"/aws4_request, SignedHeaders=host, Signature=0")
			}
			answered, status, body := send(t, tc.method, e.url+tc.path, tc.body, header)
			if status != tc.status || answered.Get("X-Amzn-Errortype") != tc.code || tc.want != "" && body != tc.want || answered.Get("Content-Type") != "application/json" {
				t.Errorf("%d %s %s\nwant: %d %s %s", status, answered.Get("X-Amzn-Errortype"), body, tc.status, tc.code, tc.want)
			}
		})
	}
}
