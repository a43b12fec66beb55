package awslocal

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/podidentity/podidentity-operator/internal/awslocal/model"
)

// serveREST answers a call of a REST protocol.
func (s *Server) serveREST(w http.ResponseWriter, r *http.Request, m *model.Service, req request) {
	action, placeholders := m.Route(r.Method, r.URL)
	out, err := s.rest(r.Context(), m, action, placeholders, r.URL.Query(), req)
	status, body := http.StatusOK, []byte(nil)
	if err == nil {
		body, err = m.EncodeREST(action, out)
	}
	if hangUp, ok := errors.AsType[*hangUpError](err); ok {
		hangUp.on(w)
		return
	}
	if err != nil {
		e := asAPIError(err)
		if e.Code == "ValidationError" {
			e = &model.APIError{Code: "InvalidParameterException", Message: e.Message}
		}
		w.Header().Set("X-Amzn-Errortype", e.Code)
		status, body = m.Status(e.Code), model.EncodeRESTError(e)
	}
	writeAnswer(r.Context(), w, "application/json", status, body)
	s.logCall(m.Metadata.EndpointPrefix, action, status, err)
}

func (s *Server) rest(ctx context.Context, m *model.Service, action string, placeholders map[string]string,
	query url.Values, req request,
) (model.Struct, error) {
	op, ok := operations[m.Metadata.EndpointPrefix][action]
	if !ok {
		return nil, model.Errorf("UnknownOperationException", "The endpoint has no such operation")
	}
	c := &call{Context: ctx, srv: s, service: m.Metadata.EndpointPrefix, action: action}
	return s.answer(c, op, req, func() (model.Struct, error) {
		return m.DecodeREST(action, placeholders, query, req.body)
	})
}
