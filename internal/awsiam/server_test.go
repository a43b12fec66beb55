package awsiam

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/podidentity/podidentity-operator/internal/fault"
)

// configureAWS sets an environment in which the SDK finds no configuration of the
// machine, and sends calls to endpoint, once.
func configureAWS(t *testing.T, endpoint string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID":           "AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY":       "secret",
		"AWS_SESSION_TOKEN":           "",
		"AWS_PROFILE":                 "",
		"AWS_REGION":                  "",
		"AWS_DEFAULT_REGION":          "",
		"AWS_ROLE_ARN":                "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "",
		"AWS_CA_BUNDLE":               "",
		"AWS_CONFIG_FILE":             filepath.Join(t.TempDir(), "config"),
		"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "credentials"),
		"AWS_EC2_METADATA_DISABLED":   "true",
		"AWS_MAX_ATTEMPTS":            "1",
		"AWS_ENDPOINT_URL":            endpoint,
		"NO_PROXY":                    "*",
	} {
		t.Setenv(name, value)
	}
}

// clients returns clients that are configured by the environment.
func clients(t *testing.T, o ClientOptions) *Clients {
	t.Helper()
	c, err := NewClients(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve returns clients of a server that answers with h.
func serve(t *testing.T, h http.HandlerFunc, o ClientOptions) *Clients {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	configureAWS(t, server.URL)
	return clients(t, o)
}

// requestID differs in each answer, as in AWS.
var requestID int

// rejectWith answers as IAM does when it rejects a call.
func rejectWith(w http.ResponseWriter, status int, code, message string) {
	requestID++
	id := fmt.Sprintf("7a62c49f-347e-4fc4-9331-%012d", requestID)
	w.Header().Set("x-amzn-RequestId", id)
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>`,
		code, html.EscapeString(message), id)
}

// reported is the information about an error that the operator and its users get.
type reported struct {
	Kind   fault.Kind
	Reason string
	Text   string
}

func reportedBy(err error) reported {
	return reported{fault.KindOf(err), fault.ReasonOf(err, ""), fmt.Sprint(err)}
}
