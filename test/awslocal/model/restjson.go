package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// DecodeREST reads the input of a REST operation from the placeholders of its
// path, the query and a JSON body.
func (s *Service) DecodeREST(operation string, placeholders map[string]string, query url.Values, body []byte) (Struct, error) {
	out := Struct{}
	shape := s.Shapes[s.Operations[operation].Input]
	if shape == nil {
		return out, nil
	}
	fields, err := bodyFields(body)
	if err != nil {
		return nil, err
	}
	for _, m := range shape.Members {
		var v any
		switch m.Location {
		case "uri":
			v = placeholders[m.wireName()]
		case "querystring":
			v, err = s.decodeQueryString(m, query)
		default:
			if raw, ok := fields[m.wireName()]; ok {
				v, err = s.decodeJSON(m.Shape, raw)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		if v != nil {
			out[m.Name] = v
		}
	}
	return out, nil
}

func bodyFields(body []byte) (map[string]any, error) {
	fields := map[string]any{}
	if len(bytes.TrimSpace(body)) == 0 {
		return fields, nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil {
		return nil, Errorf("SerializationException", "The body is not a JSON object")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, Errorf("SerializationException", "The body has more than one JSON object")
	}
	return fields, nil
}

func (s *Service) decodeQueryString(m Member, query url.Values) (any, error) {
	values, ok := query[m.wireName()]
	if !ok {
		return nil, nil
	}
	shape := s.Shapes[m.Shape]
	if shape.Type == "list" {
		return List(values), nil
	}
	v, err := parseScalar(shape, values[0])
	if err != nil { // which has the code of another protocol, and no message
		return nil, unexpected(shape)
	}
	return v, nil
}

func (s *Service) decodeJSON(name string, raw any) (any, error) {
	shape := s.Shapes[name]
	switch v := raw.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return s.decodeJSONObject(shape, v)
	case []any:
		if shape.Type != "list" {
			return nil, unexpected(shape)
		}
		out := []any{}
		for _, e := range v {
			d, err := s.decodeJSON(shape.Member, e)
			if err != nil {
				return nil, err
			}
			out = append(out, d)
		}
		return out, nil
	case string:
		if shape.Type == "string" || shape.Type == "blob" {
			return v, nil
		}
	case bool:
		if shape.Type == "boolean" {
			return v, nil
		}
	case json.Number:
		return jsonNumber(shape, v)
	}
	return nil, unexpected(shape)
}

func (s *Service) decodeJSONObject(shape *Shape, v map[string]any) (any, error) {
	out := Struct{}
	for _, key := range slices.Sorted(maps.Keys(v)) {
		name, to := key, shape.Value
		if shape.Type == "structure" {
			i := slices.IndexFunc(shape.Members, func(m Member) bool { return m.wireName() == key })
			if i < 0 {
				continue
			}
			name, to = shape.Members[i].Name, shape.Members[i].Shape
		} else if shape.Type != "map" {
			return nil, unexpected(shape)
		}
		d, err := s.decodeJSON(to, v[key])
		if err != nil {
			return nil, err
		}
		if d != nil {
			out[name] = d
		}
	}
	return out, nil
}

func jsonNumber(shape *Shape, v json.Number) (any, error) {
	switch shape.Type {
	case "integer", "long":
		n, err := strconv.ParseInt(v.String(), 10, 64)
		if err != nil {
			return nil, unexpected(shape)
		}
		return n, nil
	case "timestamp":
		f, err := v.Float64()
		if err != nil {
			return nil, unexpected(shape)
		}
		whole, fraction := math.Modf(f)
		return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), nil
	case "float", "double":
		return v.Float64()
	}
	return nil, unexpected(shape)
}

func unexpected(shape *Shape) error {
	return Errorf("SerializationException", "Expected a value of type %s", shape.Type)
}

// EncodeREST writes the JSON answer of a REST operation. A member that the model does not
// know is an error.
func (s *Service) EncodeREST(operation string, out Struct) ([]byte, error) {
	shape := s.Operations[operation].Output
	if shape == "" {
		return []byte("{}"), nil
	}
	v, err := s.encodeJSON(shape, out)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	return json.Marshal(v)
}

// EncodeRESTError writes the body of an error; its code goes into a header. It writes
// those details that the model's exception has.
func (s *Service) EncodeRESTError(e *APIError) []byte {
	fields := map[string]string{"message": e.Message}
	if shape := s.Shapes[e.Code]; shape != nil {
		for name := range e.Details {
			if m := shape.member(name); m != nil {
				fields[m.wireName()] = e.Details.Str(name)
			}
		}
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return []byte("{}")
	}
	return body
}

func (s *Service) encodeJSON(name string, v any) (any, error) {
	shape := s.Shapes[name]
	switch v := v.(type) {
	case Struct:
		return s.encodeJSONObject(shape, v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			d, err := s.encodeJSON(shape.Member, e)
			if err != nil {
				return nil, err
			}
			out[i] = d
		}
		return out, nil
	case time.Time:
		return float64(v.UnixMilli()) / 1000, nil
	}
	if shape.Type == "blob" {
		return v, nil
	}
	if _, err := scalarText(shape, v); err != nil {
		return nil, err
	}
	return v, nil
}

func (s *Service) encodeJSONObject(shape *Shape, v Struct) (any, error) {
	out := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(v)) {
		name, to := key, shape.Value
		if shape.Type == "structure" {
			m := shape.member(key)
			if m == nil {
				return nil, fmt.Errorf("the model has no member %s", key)
			}
			name, to = m.wireName(), m.Shape
		}
		d, err := s.encodeJSON(to, v[key])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		out[name] = d
	}
	return out, nil
}
