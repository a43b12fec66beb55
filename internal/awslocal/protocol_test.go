package awslocal_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/internal/awslocal"
)

// What no SDK sends, and how answers look on the wire.
func TestProtocol(t *testing.T) {
	requestID := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)
	const (
		iamNS = `xmlns="https://iam.amazonaws.com/doc/2010-05-08/"`
		stsNS = `xmlns="https://sts.amazonaws.com/doc/2011-06-15/"`
	)
	fail := func(ns, code, message string) string {
		return "<ErrorResponse " + ns + "><Error><Type>Sender</Type><Code>" + code + "</Code><Message>" + message + "</Message></Error><RequestId>ID</RequestId></ErrorResponse>"
	}
	for name, tc := range map[string]struct {
		reason        string
		method        string
		form          string
		authorization string
		status        int
		want          string
	}{
		"EmptyList": {
			method: "POST", form: "Action=ListRoles&Version=2010-05-08&PathPrefix=/none/", status: 200,
			want: "<ListRolesResponse " + iamNS + "><ListRolesResult><Roles></Roles><IsTruncated>false</IsTruncated></ListRolesResult>" +
				"<ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></ListRolesResponse>",
		},
		"NoResult": {
			reason: "An action without output has no result element.",
			method: "POST", form: "Action=UntagRole&Version=2010-05-08&RoleName=r&TagKeys.member.1=a", status: 200,
			want: "<UntagRoleResponse " + iamNS + "><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></UntagRoleResponse>",
		},
		"EmptyResult": {
			method: "POST", form: "Action=UpdateRole&Version=2010-05-08&RoleName=r", status: 200,
			want: "<UpdateRoleResponse " + iamNS + "><UpdateRoleResult></UpdateRoleResult><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></UpdateRoleResponse>",
		},
		"Get": {
			reason: "AWS takes GET with a query too; quotes are not escaped.",
			method: "GET", form: "Action=GetRole&Version=2010-05-08&RoleName=" + url.QueryEscape("x@+="), status: 404,
			want: fail(iamNS, "NoSuchEntity", "The role with name x@+= cannot be found."),
		},
		"MissingAction": {
			method: "POST", form: "Version=2010-05-08", status: 400,
			want: fail(iamNS, "MissingAction", "Missing Action"),
		},
		"UnknownAction": {
			method: "POST", form: "Action=MakeRole&Version=2010-05-08", status: 400,
			want: fail(iamNS, "InvalidAction", "Could not find operation MakeRole for version 2010-05-08"),
		},
		"UnknownVersion": {
			method: "POST", form: "Action=GetRole&Version=2009-01-01", status: 400,
			want: fail(iamNS, "InvalidAction", "Could not find operation GetRole for version 2009-01-01"),
		},
		"STSByVersion": {
			reason: "Without a signature the version tells the service.",
			method: "POST", form: "Action=AssumeRoleWithWebIdentity&Version=2011-06-15", status: 400,
			want: fail(stsNS, "ValidationError", "3 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; "+
				"Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null; Value null at 'webIdentityToken' failed to satisfy constraint: Member must not be null"),
		},
		"STSBySignature": {
			reason: "The credential scope tells the service before the version does.",
			method: "POST", form: "Action=GetRole&Version=2010-05-08",
			authorization: "AWS4-HMAC-SHA256 Credential=AKIDLOCAL/20260301/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0",
			status:        400,
			want:          fail(stsNS, "InvalidAction", "Could not find operation GetRole for version 2010-05-08"),
		},
		"Null": {
			method: "POST", form: "Action=GetRole&Version=2010-05-08", status: 400,
			want: fail(iamNS, "ValidationError", "1 validation error detected: Value at 'roleName' failed to satisfy constraint: Member must not be null"),
		},
		"NotANumber": {
			method: "POST", form: "Action=ListRoles&Version=2010-05-08&MaxItems=many", status: 400,
			want: fail(iamNS, "MalformedInput", `Unable to parse "many" as a number`),
		},
		"Enumeration": {
			method: "POST", form: "Action=ListPolicies&Version=2010-05-08&Scope=Mine", status: 400,
			want: fail(iamNS, "ValidationError", "1 validation error detected: Value at 'scope' failed to satisfy constraint: Member must satisfy enum value set: [All, AWS, Local]"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, awslocal.Options{})
			e.createRole(t, "r")
			target, body := e.url, tc.form
			if tc.method == http.MethodGet {
				target, body = e.url+"/?"+tc.form, ""
			}
			header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
			if tc.authorization != "" {
				header.Set("Authorization", tc.authorization)
			}
			answered, status, raw := send(t, tc.method, target, body, header)
			id := answered.Get("X-Amzn-Requestid")
			if !requestID.MatchString(id) || !strings.Contains(raw, id) {
				t.Errorf("request ID %q is not in the answer", id)
			}
			got := strings.ReplaceAll(raw, id, "ID")
			if status != tc.status || got != tc.want || answered.Get("Content-Type") != "text/xml" {
				t.Errorf("%s\ngot:  %d %s\nwant: %d %s", tc.reason, status, got, tc.status, tc.want)
			}
		})
	}
}
