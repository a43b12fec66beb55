package awslocal

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Users who export AWS_ENDPOINT_URL send the calls of all services here. Calls of
// services that this endpoint does not have get an error in the protocol of the service,
// so that their SDK can read it.

// otherService returns the name of the service that a request is for, if this endpoint
// does not have it: by its signature, or else by the header that names an operation. A
// call of IAM or STS that is signed for another service has a wrong signature.
func (s *Server) otherService(r *http.Request, signed string, form url.Values) string {
	if m := s.byVersion(form.Get("Version")); form.Get("Version") == m.Metadata.APIVersion && signed != "s3" {
		if _, ok := m.Operations[form.Get("Action")]; ok {
			return ""
		}
	}
	service := signed
	if target := r.Header.Get("X-Amz-Target"); service == "" && target != "" {
		service, _, _ = strings.Cut(target, ".")
	}
	if service == "" || s.services[service] != nil || service == s.services["sqs"].Metadata.TargetPrefix {
		return ""
	}
	return service
}

// rejectOther answers a request for another service. The status is one that SDKs do not retry.
func rejectOther(w http.ResponseWriter, r *http.Request, service string, req request, form url.Values) {
	message := fmt.Sprintf("This is awslocal, a local endpoint of %s. It does not have the service %s. "+
		"Set AWS_ENDPOINT_URL_IAM and AWS_ENDPOINT_URL_STS instead of AWS_ENDPOINT_URL, or AWS_ENDPOINT_URL_%s for that service.",
		strings.Join(slices.Sorted(maps.Keys(operations)), ", "), service, strings.ToUpper(strings.ReplaceAll(service, "-", "_")))
	switch {
	case r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor":
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		answerOther(w, "application/cbor", cborError("UnknownOperationException", message))
	case r.Header.Get("X-Amz-Target") != "":
		w.Header().Set("X-Amzn-Errortype", "UnknownOperationException")
		answerOther(w, r.Header.Get("Content-Type"), jsonError("UnknownOperationException", message))
	case service == "s3" || service == "s3express":
		answerOther(w, "application/xml", xmlError("", "NotImplemented", message, req.id))
	case service == "ec2" && form.Has("Action"):
		answerOther(w, "text/xml", xmlError("Response", "InvalidAction", message, req.id))
	case form.Has("Action"):
		answerOther(w, "text/xml", xmlError("ErrorResponse", "InvalidAction", message, req.id))
	default:
		w.Header().Set("X-Amzn-Errortype", "UnknownOperationException")
		answerOther(w, "application/json", jsonError("UnknownOperationException", message))
	}
}

func answerOther(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(body) // the caller may have gone
}

func jsonError(code, message string) []byte {
	body, err := json.Marshal(map[string]string{"__type": code, "message": message, "Message": message})
	if err != nil {
		return []byte("{}")
	}
	return body
}

// xmlError writes an error as S3 does, or within the elements of another protocol.
func xmlError(around, code, message, id string) []byte {
	var text strings.Builder
	_ = xml.EscapeText(&text, []byte(message)) // a Builder does not fail
	inner := "<Error><Code>" + code + "</Code><Message>" + text.String() + "</Message>"
	switch around {
	case "":
		return []byte(xml.Header + inner + "<RequestId>" + id + "</RequestId></Error>")
	case "ErrorResponse":
		return []byte(xml.Header + "<ErrorResponse>" + inner + "</Error><RequestId>" + id + "</RequestId></ErrorResponse>")
	default: // of EC2
		return []byte(xml.Header + "<Response><Errors>" + inner + "</Error></Errors><RequestID>" + id + "</RequestID></Response>")
	}
}

// cborError writes an error of Smithy's RPC protocol: a map of two texts.
// https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
func cborError(code, message string) []byte {
	out := []byte{0xa2}
	for _, text := range []string{"__type", code, "message", message} {
		out = append(out, 0x79, byte(len(text)>>8), byte(len(text))) //nolint:gosec // texts of two bytes' length
		out = append(out, text...)
	}
	return out
}
