// Package awslocal is an AWS endpoint for tests, demos and development: an
// HTTP server that speaks the protocols of IAM, STS, EKS and SQS as AWS's published
// service models define them, so that the unmodified SDKs and the AWS CLI work
// against it with AWS_ENDPOINT_URL alone. It has one account, whose state is in memory.
//
// It answers as AWS documents, with AWS's messages, and injects the faults of AWS on
// request (see Faults). README.md lists what is covered.
package awslocal

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// Options configure an endpoint. The zero value is a usable one.
type Options struct {
	Account   string // 12 digits; default 123456789012
	Partition string // default aws
	Region    string // default us-east-1
	// CallerARN is who any caller is that does not use credentials handed out
	// by this endpoint; default the IAM user awslocal of the account.
	CallerARN string

	// AccessKeys are the secret access keys of the configured caller, by access key ID;
	// default local: local. They matter only if Authenticate is set.
	AccessKeys map[string]string
	// Authenticate requires that every call, except those that need no credentials, is
	// signed (SigV4) by the configured caller or with credentials of this endpoint.
	Authenticate bool
	// Authorize evaluates the policies of the calling role, its permissions boundary and
	// its session policies for every call; the configured caller has all permissions. It
	// implies Authenticate.
	Authorize bool

	// RootCAs verify the issuers whose keys AssumeRoleWithWebIdentity fetches; nil means
	// those of the system. OIDCClient, if set, is used instead.
	RootCAs    *x509.CertPool
	OIDCClient *http.Client

	// BodyTimeout bounds how long the body of a request may take; default 10 seconds.
	BodyTimeout time.Duration

	// Events puts CloudTrail's events about writes to IAM into a queue of SQS, from the
	// start and after a Reset; the zero value has no events.
	Events Events

	Clock  func() time.Time // default time.Now
	Seed   uint64           // of IDs, keys and faults; 0 means a different one each time
	Faults Faults           // in force from the start and after a Reset

	// Quotas overrides quotas of the account, by their names in the answer of
	// GetAccountSummary, such as RolesQuota, and PodIdentityAssociationsPerCluster of
	// EKS.
	Quotas map[string]int

	Log *slog.Logger // one record per call; nil means none
}

// Server is an AWS endpoint with one account. It is safe for concurrent use.
type Server struct {
	options  Options
	services map[string]*model.Service
	managed  awsPolicies // AWS's own
	keys     *keySets
	random   *random
	faults   *injector
	queues   *queues
	trail    *trail

	mu       sync.Mutex // guards what follows; a *state is never changed once it is here
	history  []version  // newest last; older ones are kept while a caller may still see them
	sessions map[string]*session
	calls    map[string]int
	usages   map[string]*usage  // by role ID
	reports  map[string]*report // by job ID
}

// version is the state of the account from some time on.
type version struct {
	since time.Time
	state *state
}

var accountID = regexp.MustCompile(`^\d{12}$`)

// New returns an endpoint with an empty account. It panics if the options are invalid;
// Check reports that in advance.
func New(o Options) *Server {
	o = o.withDefaults()
	if err := o.Check(); err != nil {
		panic(err)
	}
	s := &Server{
		options:  o,
		services: model.Load(),
		managed:  loadManaged(o.Partition),
		keys:     newKeySets(o),
		random:   newRandom(o.Seed),
	}
	s.faults = newInjector(o, s.random)
	s.queues = newQueues()
	s.trail = &trail{srv: s}
	s.Reset()
	return s
}

func (o Options) withDefaults() Options {
	if o.Account == "" {
		o.Account = "123456789012"
	}
	if o.Partition == "" {
		o.Partition = "aws"
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.CallerARN == "" {
		o.CallerARN = fmt.Sprintf("arn:%s:iam::%s:user/awslocal", o.Partition, o.Account)
	}
	if o.AccessKeys == nil {
		o.AccessKeys = map[string]string{"local": "local"}
	}
	o.Authenticate = o.Authenticate || o.Authorize
	if o.BodyTimeout == 0 {
		o.BodyTimeout = 10 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Check reports the first invalid option.
func (o Options) Check() error {
	o = o.withDefaults()
	if !accountID.MatchString(o.Account) {
		return fmt.Errorf("account %q: want 12 digits", o.Account)
	}
	if !partitionName.MatchString(o.Partition) {
		return fmt.Errorf("partition %q: want aws, aws-cn, aws-us-gov or another of AWS's", o.Partition)
	}
	if a, ok := parseARN(o.CallerARN); !ok || a.account == "" || a.resource == "" {
		return fmt.Errorf("caller %q: want the ARN of a user, role session or account root", o.CallerARN)
	}
	for name := range o.Quotas {
		if defaultQuotas[name]+eksQuotas[name] == 0 {
			return fmt.Errorf("quota %q: GetAccountSummary has none of that name", name)
		}
	}
	return errors.Join(o.Faults.check(), o.Events.check())
}

// Reset empties the account, removes all sessions, keys of issuers and counts, and
// restores the faults of the options.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history = []version{{state: newState()}}
	s.sessions = map[string]*session{}
	s.calls = map[string]int{}
	s.usages = map[string]*usage{}
	s.reports = map[string]*report{}
	s.keys.prune()
	s.faults.set(s.options.Faults)
	s.queues.reset()
	s.trail.set(s.options.Events)
}

// Events returns the events in force.
func (s *Server) Events() Events { return s.trail.get() }

// SetEvents replaces the events in force; the zero Events ends them. It panics if the
// events are invalid.
func (s *Server) SetEvents(e Events) {
	if err := e.check(); err != nil {
		panic(err)
	}
	s.trail.set(e)
}

// Calls returns how many AWS calls have come in since the last Reset, by
// action. A call counts whatever its outcome.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// Faults returns the faults in force.
func (s *Server) Faults() Faults { return s.faults.get() }

// SetFaults replaces the faults in force; the zero Faults ends them. It panics if the
// faults are invalid.
func (s *Server) SetFaults(f Faults) {
	if err := f.check(); err != nil {
		panic(err)
	}
	s.faults.set(f)
}

// ServeHTTP answers AWS calls, and control calls below /_awslocal/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		s.serveControl(w, r)
		return
	}
	s.serveAWS(w, r)
}

// now is AWS's time: its timestamps have no fractions.
func (s *Server) now() time.Time { return s.options.Clock().UTC() }

// view returns the state as it was that long ago, which never changes.
func (s *Server) view(ago time.Duration) *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.now().Add(-ago)
	for i := len(s.history) - 1; i > 0; i-- {
		if !s.history[i].since.After(at) {
			return s.history[i].state
		}
	}
	return s.history[0].state
}

// change runs f on a copy of the state, which replaces the state if f succeeds. Changes
// exclude each other.
func (s *Server) change(f func(*state) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.history[len(s.history)-1].state.clone()
	if err := f(next); err != nil {
		return err
	}
	now := s.now()
	s.history = append(prune(s.history, now.Add(-s.faults.longestDelay())), version{since: now, state: next})
	return nil
}

// prune removes the versions that were already outdated at that time.
func prune(history []version, at time.Time) []version {
	for len(history) > 1 && !history[1].since.After(at) {
		history = history[1:]
	}
	return history
}
