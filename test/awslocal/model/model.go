// Package model holds the part of AWS's published service models that the
// endpoint covers, and the protocols that these models define: it decodes and
// validates requests, and encodes answers and errors. It knows no operation by
// name; what AWS accepts and prints is read from the models.
//
// The files iam.json, sts.json, eks.json and sqs.json are AWS's own models (API versions
// 2010-05-08, 2011-06-15, 2017-11-01 and 2012-11-05, published under the Apache License
// 2.0 with each AWS SDK), reduced by the program in reduce.
package model

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
)

//go:embed iam.json
var iamJSON []byte

//go:embed sts.json
var stsJSON []byte

//go:embed eks.json
var eksJSON []byte

//go:embed sqs.json
var sqsJSON []byte

// Service is a reduced service model.
type Service struct {
	Origin     string               `json:"origin"`
	Metadata   Metadata             `json:"metadata"`
	Operations map[string]Operation `json:"operations"`
	Shapes     map[string]*Shape    `json:"shapes"`

	// ValuesInErrors reports whether a validation error repeats the invalid value. STS
	// does; IAM has not since 2024.
	ValuesInErrors bool `json:"-"`
}

// Metadata describes the service as a whole.
type Metadata struct {
	UID            string `json:"uid"`
	APIVersion     string `json:"apiVersion"`
	EndpointPrefix string `json:"endpointPrefix"`
	Protocol       string `json:"protocol"`
	XMLNamespace   string `json:"xmlNamespace,omitempty"`
	TargetPrefix   string `json:"targetPrefix,omitempty"` // of the protocol json
}

// Operation is one action of a service.
type Operation struct {
	HTTP          *HTTP    `json:"http,omitempty"` // of REST protocols only
	Input         string   `json:"input,omitempty"`
	Output        string   `json:"output,omitempty"`
	ResultWrapper string   `json:"resultWrapper,omitempty"`
	Errors        []string `json:"errors,omitempty"` // names of shapes
	AuthType      string   `json:"authtype,omitempty"`
}

// HTTP is how a REST operation is addressed.
type HTTP struct {
	Method       string `json:"method"`
	RequestURI   string `json:"requestUri"`
	ResponseCode int    `json:"responseCode,omitempty"`
}

// Shape is the type of a value.
type Shape struct {
	Type     string   `json:"type"`
	Required []string `json:"required,omitempty"`
	Members  []Member `json:"members,omitempty"` // of a structure, in the model's order

	Member     string `json:"member,omitempty"` // of a list: the shape of its elements
	MemberName string `json:"memberName,omitempty"`
	Flattened  bool   `json:"flattened,omitempty"`
	Key        string `json:"key,omitempty"`   // of a map
	Value      string `json:"value,omitempty"` // of a map

	Min             *float64 `json:"min,omitempty"`
	Max             *float64 `json:"max,omitempty"`
	Pattern         string   `json:"pattern,omitempty"`
	Enum            []string `json:"enum,omitempty"`
	TimestampFormat string   `json:"timestampFormat,omitempty"`

	Error     *Error `json:"error,omitempty"`
	Exception bool   `json:"exception,omitempty"`
	Fault     bool   `json:"fault,omitempty"`

	name    string
	pattern *regexp.Regexp
	ordered []Member // as AWS orders them; see inOrder
}

// Member is a field of a structure.
type Member struct {
	Name         string `json:"name,omitempty"`
	Shape        string `json:"shape"`
	Location     string `json:"location,omitempty"` // of REST: uri, querystring, header
	LocationName string `json:"locationName,omitempty"`
	Idempotency  bool   `json:"idempotencyToken,omitempty"`
}

// Error is how an exception looks on the wire.
type Error struct {
	Code           string `json:"code,omitempty"`
	HTTPStatusCode int    `json:"httpStatusCode"`
	SenderFault    bool   `json:"senderFault,omitempty"`
}

// Load returns the models by service name: iam, sts, eks and sqs. It panics if an
// embedded model is invalid, which can only happen in a faulty build.
func Load() map[string]*Service {
	services := map[string]*Service{}
	for name, raw := range map[string][]byte{"iam": iamJSON, "sts": stsJSON, "eks": eksJSON, "sqs": sqsJSON} {
		s, err := Parse(raw)
		if err != nil {
			panic(fmt.Sprintf("model %s: %v", name, err))
		}
		s.ValuesInErrors = name != "iam"
		services[name] = s
	}
	return services
}

// Parse returns a model that the program in reduce wrote, such as one of a service that
// this endpoint does not have.
func Parse(raw []byte) (*Service, error) {
	s := &Service{}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, err
	}
	return s, s.compile()
}

func (s *Service) compile() error {
	for name, shape := range s.Shapes {
		shape.name, shape.ordered = name, inOrder(shape.Members)
		if shape.Pattern == "" {
			continue
		}
		p, err := regexp.Compile(goPattern(shape.Pattern))
		if err != nil {
			return fmt.Errorf("shape %s: %w", name, err)
		}
		shape.pattern = p
	}
	return nil
}

// OperationNames returns the names of the covered operations, sorted.
func (s *Service) OperationNames() []string {
	return slices.Sorted(maps.Keys(s.Operations))
}

// ErrorByCode returns the error in the model of that code, or nil.
func (s *Service) ErrorByCode(code string) *Error {
	for name, shape := range s.Shapes {
		if !shape.Exception {
			continue
		}
		e := shape.Error
		if e == nil {
			e = &Error{HTTPStatusCode: 400, SenderFault: !shape.Fault}
		}
		if e.Code == code || name == code {
			return e
		}
	}
	return nil
}

// member returns the field of that name, or nil.
func (s *Shape) member(name string) *Member {
	for i := range s.Members {
		if s.Members[i].Name == name {
			return &s.Members[i]
		}
	}
	return nil
}
