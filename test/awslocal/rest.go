package awslocal

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// serveREST answers a call of a REST protocol.
func (s *Server) serveREST(w http.ResponseWriter, r *http.Request, m *model.Service, req request) {
	action, placeholders := m.Route(r.Method, r.URL)
	out, err := s.rest(r.Context(), m, action, placeholders, r.URL.Query(), req)
	status, body := http.StatusOK, []byte(nil)
	if err == nil {
		body, err = m.EncodeREST(action, out)
	}
	if hangUp, ok := errors.AsType[*connectionResetError](err); ok {
		hangUp.on(w)
		return
	}
	if err != nil {
		e := asAPIError(err)
		w.Header().Set("X-Amzn-Errortype", e.Code)
		status, body = m.Status(e.Code), m.EncodeRESTError(e)
	}
	writeAnswer(r.Context(), w, "application/json", status, body)
	s.logCall(m.Metadata.EndpointPrefix, action, status, err)
}

func (s *Server) rest(ctx context.Context, m *model.Service, action string, placeholders map[string]string,
	query url.Values, req request,
) (model.Struct, error) {
	op, ok := operations[m.Metadata.EndpointPrefix][action]
	if !ok {
		return nil, noOperation()
	}
	c := &call{Context: ctx, srv: s, service: m.Metadata.EndpointPrefix, action: action}
	out, err := s.answer(c, op, req, func() (model.Struct, error) {
		return m.DecodeREST(action, placeholders, query, req.body)
	})
	if e, ok := errors.AsType[*model.APIError](err); ok {
		err = c.restError(m, e)
	}
	return out, err
}

// restError gives an error the code that it has in the action's protocol, and adds the
// name of its cluster.
func (c *call) restError(m *model.Service, e *model.APIError) *model.APIError {
	named := *e
	switch code, ok := restCodes[e.Code]; {
	case e.Code == "ValidationError" && m.KnownError(c.action, "BadRequestException"):
		named.Code = "BadRequestException" // what the actions on tags have instead
	case ok:
		named.Code = code
	}
	if c.clusterName() != "" {
		named.Details = model.Struct{"clusterName": c.clusterName()}
	}
	return &named
}

// clusterName is the cluster of a call, which EKS's errors contain.
func (c *call) clusterName() string {
	if c.in.Has("clusterName") {
		return c.in.Str("clusterName")
	}
	return c.in.Str("name")
}

// noOperation is the answer of the API gateway in front of EKS to unknown paths: it
// checks the credentials first, and stops there.
func noOperation() error {
	return model.Errorf("MissingAuthenticationTokenException", "Missing Authentication Token")
}

// restCodes are the codes that errors common to AWS's services have in REST protocols.
var restCodes = map[string]string{
	"AccessDenied":               "AccessDeniedException",
	"ExpiredToken":               "ExpiredTokenException",
	"IncompleteSignature":        "IncompleteSignatureException",
	"InvalidClientTokenId":       "UnrecognizedClientException",
	"MissingAuthenticationToken": "MissingAuthenticationTokenException",
	"SignatureDoesNotMatch":      "InvalidSignatureException",
	"Throttling":                 "ThrottlingException",
	"ValidationError":            "InvalidParameterException",
}
