package model

// Struct is a value of a structure or map shape, by member name or key. Its values are
// string, int64, float64, bool, time.Time, []any and Struct, depending on the shape. An
// absent member was not sent, or is not written.
type Struct map[string]any

// Str returns a string member, empty if it is absent.
func (s Struct) Str(name string) string {
	v, _ := s[name].(string)
	return v
}

// Has reports whether a member is present.
func (s Struct) Has(name string) bool {
	_, ok := s[name]
	return ok
}

// Int returns an integer member, or fallback if it is absent.
func (s Struct) Int(name string, fallback int) int {
	if v, ok := s[name].(int64); ok {
		return int(v)
	}
	return fallback
}

// Bool returns a boolean member, false if it is absent.
func (s Struct) Bool(name string) bool {
	v, _ := s[name].(bool)
	return v
}

// Strings returns a list of strings, nil if it is absent.
func (s Struct) Strings(name string) []string {
	list, ok := s[name].([]any)
	if !ok {
		return nil
	}
	out := make([]string, 0, len(list))
	for _, v := range list {
		str, _ := v.(string)
		out = append(out, str)
	}
	return out
}

// Structs returns a list of structures, nil if it is absent.
func (s Struct) Structs(name string) []Struct {
	list, ok := s[name].([]any)
	if !ok {
		return nil
	}
	out := make([]Struct, 0, len(list))
	for _, v := range list {
		m, _ := v.(Struct)
		out = append(out, m)
	}
	return out
}

// Struct returns a nested structure, nil if it is absent.
func (s Struct) Struct(name string) Struct {
	v, _ := s[name].(Struct)
	return v
}

// List turns a slice into a list value; it is present even if empty.
func List[T any](values []T) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}
