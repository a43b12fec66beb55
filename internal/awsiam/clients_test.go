package awsiam

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	smithy "github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podidentity/podidentity-operator/internal/fault"
)

// noRole answers that there is no such role.
func noRole(w http.ResponseWriter, _ *http.Request) {
	rejectWith(w, http.StatusNotFound, "NoSuchEntity", "The role with name r cannot be found.")
}

func TestClients_SignAndNameRequests(t *testing.T) {
	cases := map[string]struct {
		reason, region, want string
	}{
		"NoRegion":   {reason: "Without a region, requests are signed for the IAM region of partition aws.", want: "us-east-1"},
		"WithRegion": {reason: "A configured region is used.", region: "cn-north-1", want: "cn-north-1"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			var got http.Header
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r.Header
				noRole(w, r)
			}))
			t.Cleanup(server.Close)
			configureAWS(t, server.URL)
			t.Setenv("AWS_REGION", tc.region)

			c := clients(t, ClientOptions{Version: "1.2.3"})
			if _, err := NewRoles(c.IAM).Observe(t.Context(), "r"); err != nil {
				t.Fatal(err)
			}

			if c.Region != tc.want {
				t.Errorf("Region = %q, want %q", c.Region, tc.want)
			}
			if got, want := got.Get("Authorization"), regexp.MustCompile(`Credential=AKIDEXAMPLE/\d+/`+tc.want+`/iam/`); !want.MatchString(got) {
				t.Errorf("Authorization = %q, want %v", got, want)
			}
			if got, want := got.Get("User-Agent"), "app/podidentity-operator-1.2.3"; !strings.Contains(got, want) {
				t.Errorf("User-Agent = %q, want one with %q", got, want)
			}
		})
	}
}

// In a network that intercepts TLS connections, AWS_CA_BUNDLE must have an effect on the
// operator's client.
func TestClients_UseTheCABundle(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(noRole))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	configureAWS(t, server.URL)

	_, err := NewRoles(clients(t, ClientOptions{}).IAM).Observe(t.Context(), "r")
	want := "role r: AWS IAM is unreachable: certificate signed by unknown authority; if you use a TLS proxy, add its CA to AWS_CA_BUNDLE"
	if err == nil || err.Error() != want {
		t.Errorf("without AWS_CA_BUNDLE: error = %v, want %s", err, want)
	}

	bundle := filepath.Join(t.TempDir(), "ca.pem")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	if _, err := NewRoles(clients(t, ClientOptions{}).IAM).Observe(t.Context(), "r"); err != nil {
		t.Errorf("with AWS_CA_BUNDLE: %v", err)
	}
}

func TestNewClients_RejectsMissingCABundle(t *testing.T) {
	configureAWS(t, "")
	t.Setenv("AWS_CA_BUNDLE", filepath.Join(t.TempDir(), "missing"))
	if _, err := NewClients(t.Context(), ClientOptions{}); err == nil {
		t.Error("NewClients(...): want an error for a CA bundle that is not there")
	}
}

func TestRetryer_RetriesTransientCodesOnly(t *testing.T) {
	cases := map[string]struct {
		reason, code string
		want         bool
	}{
		"Throttling":             {reason: "The standard retryer retries it.", code: "Throttling", want: true},
		"ConcurrentModification": {reason: "The other caller has finished by the next attempt.", code: "ConcurrentModification", want: true},
		"LimitExceeded":          {reason: "A quota does not grow between two attempts.", code: "LimitExceeded"},
		"NoSuchEntity":           {reason: "An error about the request is not retried.", code: "NoSuchEntity"},
	}
	for _, mode := range []aws.RetryMode{"", aws.RetryModeStandard, aws.RetryModeAdaptive} {
		retryer := newRetryer(mode)
		for name, tc := range cases {
			t.Run(fmt.Sprintf("%s/%s: %s", mode, name, tc.reason), func(t *testing.T) {
				if got := retryer.IsErrorRetryable(&smithy.GenericAPIError{Code: tc.code}); got != tc.want {
					t.Errorf("IsErrorRetryable(%s) = %v", tc.code, got)
				}
			})
		}
	}
}

// However many calls have failed, the next one is retried as the first one was. The SDK's
// default retryer shares a quota among all callers, which is used up after a hundred
// retries.
func TestRetryer_FailuresDoNotUseUpRetries(t *testing.T) {
	for _, mode := range []aws.RetryMode{aws.RetryModeStandard, aws.RetryModeAdaptive} {
		t.Run(string(mode), func(t *testing.T) {
			retryer := newRetryer(mode)
			throttled := &smithy.GenericAPIError{Code: "Throttling"}
			for n := range 1000 {
				if _, err := retryer.GetRetryToken(t.Context(), throttled); err != nil {
					t.Fatalf("after %d retries there was none left: %v", n, err)
				}
			}
		})
	}
}

// How AWS fails to answer, and the messages.
func TestClassify_UnreachableNamesTheCause(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()

	cases := map[string]struct {
		reason   string
		answer   http.HandlerFunc
		endpoint string // instead of answer
		want     string
	}{
		"Rejected": {
			reason:   "The message contains neither address nor port.",
			endpoint: closed.URL,
			want:     "role r: AWS IAM is unreachable: connection refused",
		},
		"Closed": {
			reason: "The connection breaks before there is an answer.",
			answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			want:   "role r: AWS IAM is unreachable: connection closed",
		},
		"Proxy": {
			reason: "An error page of a proxy is not an answer of AWS.",
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadGateway)
				_, _ = io.WriteString(w, "<html><body><p>Bad gateway<br></body></html>")
			},
			want: "role r: AWS IAM is unreachable: unexpected HTTP 502 response that is not from AWS; check for a proxy",
		},
		"NotXML": {
			reason: "Nor is a page of a proxy with status 200.",
			answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>Sign in") },
			want:   "role r: AWS IAM is unreachable: unexpected HTTP 200 response that is not from AWS; check for a proxy",
		},
		"Empty": {
			reason: "An error without a body has no code.",
			answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
			want:   "role r: AWS IAM is unreachable: unexpected HTTP 503 response that is not from AWS; check for a proxy",
		},
		"NotAsked": {
			reason:   "The operator's own configuration is wrong.",
			endpoint: "http://[::1",
			want:     "role r: cannot call AWS IAM GetRole: failed to resolve service endpoint, Failed to parse uri: http://[::1",
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			endpoint := tc.endpoint
			if tc.answer != nil {
				server := httptest.NewServer(tc.answer)
				t.Cleanup(server.Close)
				endpoint = server.URL
			}
			configureAWS(t, endpoint)

			_, err := NewRoles(clients(t, ClientOptions{}).IAM).Observe(t.Context(), "r")

			if fault.KindOf(err) != fault.Transient {
				t.Errorf("kind = %v, want transient", fault.KindOf(err))
			}
			if diff := cmp.Diff(tc.want, fmt.Sprint(err)); diff != "" {
				t.Errorf("message: -want, +got:\n%s", diff)
			}
		})
	}
}

func TestNetworkCause_InWords(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 40000}, Err: err}
	}
	cases := map[string]struct {
		err  error
		want string
	}{
		"NoSuchName": {&net.DNSError{Name: "iam.amazonaws.com", Server: "10.0.0.2:53", IsNotFound: true}, "DNS name iam.amazonaws.com not found"},
		"NoDNS":      {&net.DNSError{Name: "iam.amazonaws.com", Server: "10.0.0.2:53", IsTimeout: true}, "DNS lookup of iam.amazonaws.com failed"},
		"OtherName":  {x509.HostnameError{Host: "iam.amazonaws.com", Certificate: &x509.Certificate{}}, "certificate is valid for a different host name"},
		"Reset":      {dial(syscall.ECONNRESET), "connection closed"},
		"NoRoute":    {dial(syscall.EHOSTUNREACH), "no route to host"},
		"Deadline":   {fmt.Errorf("sending: %w", context.DeadlineExceeded), "request timed out"},
		"Timeout":    {dial(os.ErrDeadlineExceeded), "request timed out"},
		"Unheard":    {errors.New("of port 40000"), ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := networkCause(tc.err); got != tc.want {
				t.Errorf("networkCause(%v) = %q, want %q", tc.err, got, tc.want)
			}
		})
	}
}

// Every attempt is recorded, with an outcome that can be the label of a metric.
func TestOnAttempt_RecordsEveryAttemptWithItsOutcome(t *testing.T) {
	cases := map[string]struct {
		reason   string
		attempts string
		answer   http.HandlerFunc
		want     []Attempt
	}{
		"Success": {
			reason: "The answer is not an IAM error.",
			answer: func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "<GetRoleResponse><GetRoleResult><Role><RoleName>r</RoleName></Role></GetRoleResult></GetRoleResponse>")
			},
			want: []Attempt{{Service: "IAM", Operation: "GetRole", Outcome: OutcomeSuccess}},
		},
		"Code": {
			reason: "A known code is recorded.",
			answer: func(w http.ResponseWriter, _ *http.Request) { rejectWith(w, 400, "Throttling", "Rate exceeded") },
			want:   []Attempt{{Service: "IAM", Operation: "GetRole", Outcome: "Throttling"}},
		},
		"UnknownCode": {
			reason: "An unknown code is not recorded, as there could be any number of them.",
			answer: func(w http.ResponseWriter, _ *http.Request) { rejectWith(w, 400, "Surprise", "") },
			want:   []Attempt{{Service: "IAM", Operation: "GetRole", Outcome: OutcomeOther}},
		},
		"Unreachable": {
			reason: "A network error has no code.",
			answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			want:   []Attempt{{Service: "IAM", Operation: "GetRole", Outcome: OutcomeUnreachable}},
		},
		"Attempts": {
			reason:   "Each attempt is recorded.",
			attempts: "2",
			answer:   onceOnly("InternalFailure"),
			want: []Attempt{
				{Service: "IAM", Operation: "GetRole", Outcome: "InternalFailure"},
				{Service: "IAM", Operation: "GetRole", Outcome: "NoSuchEntity"},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			server := httptest.NewServer(tc.answer)
			t.Cleanup(server.Close)
			configureAWS(t, server.URL)
			if tc.attempts != "" {
				t.Setenv("AWS_MAX_ATTEMPTS", tc.attempts)
			}
			var got []Attempt
			c := clients(t, ClientOptions{OnAttempt: func(c Attempt) { got = append(got, c) }})

			_, _ = c.IAM.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("r")})

			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(Attempt{}, "Duration")); diff != "" {
				t.Errorf("calls: -want, +got:\n%s", diff)
			}
			for _, c := range got {
				if c.Duration <= 0 {
					t.Errorf("duration = %v", c.Duration)
				}
			}
		})
	}
}

func TestOutcomeOf_Canceled(t *testing.T) {
	if got := outcomeOf(fmt.Errorf("sending: %w", context.Canceled)); got != OutcomeCanceled {
		t.Errorf("outcomeOf(canceled) = %q", got)
	}
}

// onceOnly answers with code the first time, and then that there is no role.
func onceOnly(code string) http.HandlerFunc {
	var once sync.Once
	return func(w http.ResponseWriter, r *http.Request) {
		answer := noRole
		once.Do(func() {
			answer = func(w http.ResponseWriter, _ *http.Request) { rejectWith(w, http.StatusInternalServerError, code, "") }
		})
		answer(w, r)
	}
}
