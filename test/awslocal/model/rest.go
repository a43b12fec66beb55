package model

import (
	"net/url"
	"strings"
)

// Route returns the REST operation of a method and path, and the values of the
// placeholders in its path; the name is empty if there is none.
func (s *Service) Route(method string, u *url.URL) (operation string, placeholders map[string]string) {
	for _, name := range s.OperationNames() {
		h := s.Operations[name].HTTP
		if h == nil || h.Method != method {
			continue
		}
		if placeholders, ok := matchPath(h.RequestURI, u.EscapedPath()); ok {
			return name, placeholders
		}
	}
	return "", nil
}

// Routes reports whether the service has an operation of that method and path.
func (s *Service) Routes(method string, u *url.URL) bool {
	name, _ := s.Route(method, u)
	return name != ""
}

func matchPath(pattern, path string) (map[string]string, bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	placeholders := map[string]string{}
	for i, part := range want {
		if !strings.HasPrefix(part, "{") {
			if part != got[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(got[i])
		if err != nil || value == "" {
			return nil, false
		}
		placeholders[strings.Trim(part, "{}")] = value
	}
	return placeholders, true
}
