package awslocal

import (
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// maxBody is more than any call that AWS accepts.
const maxBody = 4 << 20

// call is one AWS call that is being answered.
type call struct {
	context.Context //nolint:containedctx // lives as long as the request it belongs to
	srv             *Server
	http            *http.Request
	service         string
	action          string
	in              model.Struct
	caller          caller
	accessKey       string // that it was signed with
	now             time.Time
	pageCap         int // maximum number of items on a page; 0 means as requested
	st              *state
}

// operation is what an action does. A write gets its own copy of the state to change; all
// others must not change theirs.
type operation struct {
	write bool
	run   func(*call) (model.Struct, error)
}

func read(run func(*call) (model.Struct, error)) operation  { return operation{run: run} }
func write(run func(*call) (model.Struct, error)) operation { return operation{write: true, run: run} }

var operations = map[string]map[string]operation{
	"iam": iamOperations(),
	"sts": stsOperations(),
	"eks": eksOperations(),
	"sqs": sqsOperations(),
}

// serveAWS answers an AWS call.
func (s *Server) serveAWS(w http.ResponseWriter, r *http.Request) {
	id := s.random.uuid()
	w.Header().Set("X-Amzn-Requestid", id)
	w.Header().Set("Date", s.now().Format(http.TimeFormat))

	body, err := s.readBody(w, r)
	if err != nil {
		status := http.StatusRequestEntityTooLarge
		if errors.Is(err, os.ErrDeadlineExceeded) {
			status = http.StatusRequestTimeout
		}
		http.Error(w, "cannot read the request: "+err.Error(), status)
		return
	}
	req := request{id: id, body: body, http: r, signature: signatureOf(r)}
	service := req.signature.service
	form := formOf(r, body)
	if other := s.otherService(r, service, form); other != "" {
		rejectOther(w, r, other, req, form)
		return
	}
	if service == "eks" || service == "" && s.services["eks"].Routes(r.Method, r.URL) {
		s.serveREST(w, r, s.services["eks"], req)
		return
	}
	if target, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), s.services["sqs"].Metadata.TargetPrefix+"."); ok && (service == "" || service == "sqs") {
		s.serveJSON(w, r, s.services["sqs"], target, req)
		return
	}
	if !form.Has("Action") {
		redirect(w, r)
		return
	}
	s.serveQuery(w, r, form, service, req)
}

// readBody reads the body of a request within a time limit: a client that stops in the
// middle of it would keep the connection otherwise.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	limited := control.SetReadDeadline(time.Now().Add(s.options.BodyTimeout)) == nil
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch {
	case err != nil:
		w.Header().Set("Connection", "close") // the rest of the body is not waited for
	case limited:
		err = control.SetReadDeadline(time.Time{})
	}
	return body, err
}

// formOf returns the parameters of a call of the awsQuery protocol: those of the
// URL, and those of a body that is declared as a form.
func formOf(r *http.Request, body []byte) url.Values {
	form := r.URL.Query()
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return form
	}
	if posted, err := url.ParseQuery(string(body)); err == nil {
		maps.Copy(form, posted)
	}
	return form
}

// redirect redirects a request without an action to AWS's page about IAM, as IAM and STS do.
func redirect(w http.ResponseWriter, r *http.Request) {
	page := url.URL{Scheme: "https", Host: "aws.amazon.com", Path: "/iam", RawQuery: r.URL.RawQuery}
	w.Header().Set("Location", page.String())
	w.WriteHeader(http.StatusFound)
}

// request is the part of a call that all protocols have.
type request struct {
	id        string
	body      []byte
	http      *http.Request
	signature signature
}

func (s *Server) serveQuery(w http.ResponseWriter, r *http.Request, form url.Values, service string, req request) {
	m := s.services[service]
	if m == nil || m.Metadata.Protocol != "query" {
		m = s.byVersion(form.Get("Version"))
	}
	out, err := s.query(r.Context(), m, form, req)
	status, body := http.StatusOK, []byte(nil)
	if err == nil {
		body, err = m.EncodeQuery(form.Get("Action"), out, req.id)
	}
	if hangUp, ok := errors.AsType[*connectionResetError](err); ok {
		hangUp.on(w)
		return
	}
	if err != nil {
		e := asAPIError(err)
		status, body = m.Status(e.Code), m.EncodeQueryError(e, req.id)
	}
	if m == s.services["sts"] {
		w.Header().Set("X-Amz-Sts-Extended-Request-Id", s.extendedID())
	}
	writeAnswer(r.Context(), w, "text/xml", status, body)
	s.logCall(m.Metadata.EndpointPrefix, form.Get("Action"), status, err)
}

// byVersion returns the awsQuery service that has the API version, IAM if none.
func (s *Server) byVersion(version string) *model.Service {
	if sts := s.services["sts"]; version == sts.Metadata.APIVersion {
		return sts
	}
	return s.services["iam"]
}

func (s *Server) query(ctx context.Context, m *model.Service, form url.Values, req request) (model.Struct, error) {
	action, version := form.Get("Action"), form.Get("Version")
	op, ok := operations[m.Metadata.EndpointPrefix][action]
	if !ok || version != m.Metadata.APIVersion {
		if !form.Has("Version") {
			version = "NO_VERSION_SPECIFIED"
		}
		return nil, model.Errorf("InvalidAction", "Could not find operation %s for version %s", action, version)
	}
	c := &call{Context: ctx, srv: s, service: m.Metadata.EndpointPrefix, action: action}
	return s.answer(c, op, req, func() (model.Struct, error) {
		return m.DecodeQuery(action, form)
	})
}

// answer counts a call, applies the faults in force, decodes and validates the input, and
// runs the call.
func (s *Server) answer(c *call, op operation, req request, decode func() (model.Struct, error)) (out model.Struct, err error) {
	s.mu.Lock()
	s.calls[c.action]++
	s.mu.Unlock()

	c.http, c.now = req.http, s.now()
	c.caller, c.accessKey = s.callerOf(req.signature.accessKey), req.signature.accessKey
	if err := s.faults.before(c); err != nil {
		return nil, err
	}
	if err := c.authenticate(req); err != nil {
		return nil, err
	}
	c.recordCaller(req.signature.region)
	if c.in, err = decode(); err != nil {
		return nil, err
	}
	if err := s.services[c.service].Validate(c.action, c.in); err != nil {
		return nil, err
	}
	if op.write {
		err = s.change(func(st *state) error {
			c.st = st
			out, err = c.run(op)
			return err
		})
		s.trail.record(c, err)
	} else {
		c.st = s.view(s.faults.delay(c.service))
		out, err = c.run(op)
	}
	if err != nil {
		return nil, err
	}
	return out, s.faults.after(c)
}

// run does what the call asks for, if the caller may.
func (c *call) run(op operation) (model.Struct, error) {
	if err := c.authorize(); err != nil {
		return nil, err
	}
	return op.run(c)
}

// An answer that is longer than one read of a client is delayed by roughly the latency of
// the nearest region. Without the delay, some clients lose it: smithy-go up to 1.28 closes
// the request's body when the answer begins, and if the HTTP transport has not seen the
// end of that body yet, it closes the connection and drops the rest of the answer.
const (
	firstRead  = 3 << 10
	minLatency = time.Millisecond
)

func writeAnswer(ctx context.Context, w http.ResponseWriter, contentType string, status int, body []byte) {
	if len(body) > firstRead {
		_ = sleep(ctx, minLatency) // a client that has gone does not read the answer anyway
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // for programs, not for a browser; the caller may have gone
}

func asAPIError(err error) *model.APIError {
	if e, ok := errors.AsType[*model.APIError](err); ok {
		return e
	}
	return &model.APIError{Code: "InternalFailure", Message: "awslocal: " + err.Error()}
}

func (s *Server) logCall(service, action string, status int, err error) {
	args := []any{"service", service, "action", action, "status", status}
	if err != nil {
		args = append(args, "error", err.Error())
	}
	s.options.Log.Info("Call", args...)
}
