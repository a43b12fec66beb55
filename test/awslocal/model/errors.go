package model

import (
	"fmt"
	"net/http"
)

// APIError is an error in an answer of AWS. Its status, and whether the client or the
// server is at fault, follow from the code; see Service.Status.
type APIError struct {
	Code, Message string
	// Details are the members of the error besides its message. Only services of
	// REST protocols have such errors.
	Details Struct
}

func (e *APIError) Error() string { return e.Code + ": " + e.Message }

// Errorf returns an APIError.
func Errorf(code, format string, args ...any) error {
	return &APIError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// commonErrors are those that every action may return, which the models leave out:
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
// (RequestExpired and Throttling with the statuses observed in IAM itself).
var commonErrors = map[string]int{
	"AccessDenied":               http.StatusForbidden,
	"ExpiredToken":               http.StatusForbidden,
	"IncompleteSignature":        http.StatusBadRequest,
	"InternalFailure":            http.StatusInternalServerError,
	"InvalidAction":              http.StatusBadRequest,
	"InvalidClientTokenId":       http.StatusForbidden,
	"InvalidParameterValue":      http.StatusBadRequest,
	"MalformedInput":             http.StatusBadRequest,
	"MalformedQueryString":       http.StatusNotFound,
	"MissingAuthenticationToken": http.StatusForbidden,
	"RequestExpired":             http.StatusBadRequest,
	"SerializationException":     http.StatusBadRequest,
	"ServiceUnavailable":         http.StatusServiceUnavailable,
	"SignatureDoesNotMatch":      http.StatusForbidden,
	"Throttling":                 http.StatusBadRequest,
	"ValidationError":            http.StatusBadRequest,

	"AccessDeniedException":               http.StatusForbidden,
	"ExpiredTokenException":               http.StatusForbidden,
	"IncompleteSignatureException":        http.StatusForbidden,
	"InvalidSignatureException":           http.StatusForbidden,
	"MissingAuthenticationTokenException": http.StatusForbidden,
	"ThrottlingException":                 http.StatusBadRequest,
	"UnrecognizedClientException":         http.StatusForbidden,
}

// Status returns the HTTP status of an error code: the service model's, or
// else that of the errors common to all AWS services, or 400.
func (s *Service) Status(code string) int {
	if e := s.ErrorByCode(code); e != nil {
		return e.HTTPStatusCode
	}
	if status, ok := commonErrors[code]; ok {
		return status
	}
	return http.StatusBadRequest
}

// KnownError reports whether AWS documents the code for the operation.
func (s *Service) KnownError(operation, code string) bool {
	if _, ok := commonErrors[code]; ok {
		return true
	}
	for _, name := range s.Operations[operation].Errors {
		shape := s.Shapes[name]
		if name == code || shape.Error != nil && shape.Error.Code == code {
			return true
		}
	}
	return false
}
