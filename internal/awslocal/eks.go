package awslocal

import (
	"net/http"

	"github.com/podidentity/podidentity-operator/internal/awslocal/model"
)

type (
	cluster     struct{ name string }
	association struct{ id string }
)

func (s *Server) serveREST(w http.ResponseWriter, r *http.Request, m *model.Service, req request) {
	http.Error(w, "not yet", http.StatusNotImplemented)
}
