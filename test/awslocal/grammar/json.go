package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// object is a JSON object whose keys keep their order and occur once.
type object struct {
	keys   []string
	values map[string]any
}

func (o *object) has(key string) bool {
	_, ok := o.values[key]
	return ok
}

var errDuplicate = errors.New("duplicate key")

// decode reads one JSON value: string, json.Number, bool, nil, []any or *object.
func decode(document string) (any, error) {
	dec := json.NewDecoder(bytes.NewReader([]byte(document)))
	dec.UseNumber()
	v, err := next(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

func next(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := next(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	case json.Delim('{'):
		return nextObject(dec)
	}
	return token, nil
}

func nextObject(dec *json.Decoder) (any, error) {
	o := &object{values: map[string]any{}}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		if o.has(name) {
			return nil, errDuplicate
		}
		if o.values[name], err = next(dec); err != nil {
			return nil, err
		}
		o.keys = append(o.keys, name)
	}
	_, err := dec.Token()
	return o, err
}
