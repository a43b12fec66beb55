package awslocal_test

import (
	"encoding/json"
	"encoding/xml"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// Users who export AWS_ENDPOINT_URL send the calls of all services here. Those that this
// endpoint does not have say so in the protocol of the caller, so that its SDK can print it.
func TestOtherServices_AnswerInTheirProtocol(t *testing.T) {
	const explains = "This is awslocal, a local endpoint of eks, iam, sqs, sts"
	type (
		xmlAnswer struct {
			Code    string `xml:"Code"`    // of S3
			Message string `xml:"Message"` // of S3
			Error   struct{ Code, Message string }
			Errors  struct {
				Error struct{ Code, Message string }
			}
		}
		jsonAnswer struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
	)
	fromJSON := func(t *testing.T, body string) (code, message string) {
		t.Helper()
		var a jsonAnswer
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return a.Type, a.Message
	}
	fromXML := func(t *testing.T, body string) (code, message string) {
		t.Helper()
		var a xmlAnswer
		if err := xml.Unmarshal([]byte(body), &a); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return a.Code + a.Error.Code + a.Errors.Error.Code, a.Message + a.Error.Message + a.Errors.Error.Message
	}
	fromCBOR := func(t *testing.T, body string) (code, message string) {
		t.Helper()
		parts := strings.SplitN(body, "message", 2)
		if len(parts) != 2 || body[0] != 0xa2 {
			t.Fatalf("not a map of two: %q", body)
		}
		return parts[0][len("\xa2\x79\x00\x06__type\x79\x00\x19") : len(parts[0])-3], parts[1][3:]
	}
	for name, tc := range map[string]struct {
		reason       string
		service      string
		method, path string
		header       http.Header
		body         string
		read         func(*testing.T, string) (string, string)
		contentType  string
		code         string
	}{
		"S3": {"aws s3 ls", "s3", "GET", "/", nil, "", fromXML, "application/xml", "NotImplemented"},
		"S3 with an action": {
			"A bucket may be named Action.", "s3", "GET", "/?Action=ListRoles", nil, "", fromXML, "application/xml", "NotImplemented",
		},
		"DynamoDB": {
			"The service uses the protocol JSON 1.0.", "dynamodb", "POST", "/",
			http.Header{"X-Amz-Target": {"DynamoDB_20120810.ListTables"}, "Content-Type": {"application/x-amz-json-1.0"}},
			"{}",
			fromJSON, "application/x-amz-json-1.0", "UnknownOperationException",
		},
		"KMS": {
			"The service uses the protocol JSON 1.1.", "kms", "POST", "/",
			http.Header{"X-Amz-Target": {"TrentService.ListKeys"}, "Content-Type": {"application/x-amz-json-1.1"}},
			"{}",
			fromJSON, "application/x-amz-json-1.1", "UnknownOperationException",
		},
		"unsigned JSON": {
			"Without a signature the target names the service.", "", "POST", "/",
			http.Header{"X-Amz-Target": {"AmazonSSM.GetParameter"}, "Content-Type": {"application/x-amz-json-1.1"}},
			"{}",
			fromJSON, "application/x-amz-json-1.1", "UnknownOperationException",
		},
		"SNS": {
			"The service uses the query protocol, as IAM does.", "sns", "POST", "/",
			http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
			"Action=ListTopics&Version=2010-03-31",
			fromXML, "text/xml", "InvalidAction",
		},
		"EC2": {
			"Errors of EC2 have their own form.", "ec2", "POST", "/",
			http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
			"Action=DescribeVpcs&Version=2016-11-15",
			fromXML, "text/xml", "InvalidAction",
		},
		"CloudWatch": {
			"The service uses Smithy's RPC protocol.", "monitoring", "POST", "/service/GraniteServiceVersion20100801/operation/ListMetrics",
			http.Header{"Smithy-Protocol": {"rpc-v2-cbor"}, "Content-Type": {"application/cbor"}},
			"\xa0", fromCBOR, "application/cbor", "UnknownOperationException",
		},
		"Lambda": {"REST.", "lambda", "GET", "/2015-03-31/functions", nil, "", fromJSON, "application/json", "UnknownOperationException"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, awslocal.Options{})
			header := tc.header.Clone()
			if header == nil {
				header = http.Header{}
			}
			if tc.service != "" {
				header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDLOCAL/20260301/us-east-1/"+tc.service+"/aws4_request, SignedHeaders=host, Signature=0")
			}
			answered, status, body := send(t, tc.method, e.url+tc.path, tc.body, header)
			code, message := tc.read(t, body)
			if status != http.StatusBadRequest || code != tc.code || !strings.HasPrefix(message, explains) || !strings.Contains(message, tc.service) || answered.Get("Content-Type") != tc.contentType {
				t.Errorf("%s\n%d %s %s: %s", tc.reason, status, answered.Get("Content-Type"), code, message)
			}
			if len(e.Calls()) != 0 {
				t.Errorf("it counts as a call: %v", e.Calls())
			}
		})
	}
}

// A client that stops in the middle of a body gets an answer, and does not keep the connection.
func TestServer_EndsIncompleteBodies(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{BodyTimeout: 50 * time.Millisecond})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // it is the test's last act
	if _, err := conn.Write([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nAction=")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len("HTTP/1.1 408"))
	if _, err := conn.Read(answer); err != nil || string(answer) != "HTTP/1.1 408" {
		t.Errorf("got %q, %v; want status 408", answer, err)
	}

	// A body that comes in time is not affected, however long the answer takes.
	e = newEndpoint(t, awslocal.Options{BodyTimeout: 200 * time.Millisecond, Faults: awslocal.Faults{Latency: awslocal.Duration(400 * time.Millisecond)}})
	e.createRole(t, "r")
}
