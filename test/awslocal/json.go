package awslocal

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// serveJSON answers a call of AWS's JSON protocol: the header X-Amz-Target names the action.
// https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
func (s *Server) serveJSON(w http.ResponseWriter, r *http.Request, m *model.Service, action string, req request) {
	out, err := s.json(r.Context(), m, action, req)
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
		if code, ok := restCodes[e.Code]; ok {
			e.Code = code
		}
		status = m.Status(e.Code)
		if query, ok := sqsQueryCodes[e.Code]; ok {
			w.Header().Set("X-Amzn-Query-Error", query+";Sender")
		}
		body = jsonErrorOf(m, e)
	}
	writeAnswer(r.Context(), w, "application/x-amz-json-1.0", status, body)
	s.logCall(m.Metadata.EndpointPrefix, action, status, err)
}

func jsonErrorOf(m *model.Service, e *model.APIError) []byte {
	kind := e.Code
	if m.Shapes[e.Code] != nil {
		kind = "com.amazonaws." + m.Metadata.EndpointPrefix + "#" + e.Code
	}
	body, err := json.Marshal(map[string]string{"__type": kind, "message": e.Message})
	if err != nil {
		return []byte("{}")
	}
	return body
}

func (s *Server) json(ctx context.Context, m *model.Service, action string, req request) (model.Struct, error) {
	op, ok := operations[m.Metadata.EndpointPrefix][action]
	if !ok {
		return nil, model.Errorf("UnknownOperationException", "awslocal does not have the action %s of %s", action, m.Metadata.EndpointPrefix)
	}
	c := &call{Context: ctx, srv: s, service: m.Metadata.EndpointPrefix, action: action}
	return s.answer(c, op, req, func() (model.Struct, error) {
		return m.DecodeREST(action, nil, nil, req.body)
	})
}

// sqsQueryCodes are the codes that errors had when SQS had another protocol. SDKs still show them.
var sqsQueryCodes = map[string]string{
	"BatchEntryIdsNotDistinct":     "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
	"EmptyBatchRequest":            "AWS.SimpleQueueService.EmptyBatchRequest",
	"QueueDoesNotExist":            "AWS.SimpleQueueService.NonExistentQueue",
	"TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
	"UnsupportedOperation":         "AWS.SimpleQueueService.UnsupportedOperation",
}
