package awslocal

import (
	"encoding/json"
	"net/http"
)

// controlPrefix is where the endpoint itself is controlled. No AWS API has it.
const controlPrefix = "/_awslocal/"

// serveControl answers
//
//	GET  /_awslocal/calls   the counts of AWS calls by action
//	POST /_awslocal/reset   empties the account and the counts
//	GET  /_awslocal/faults  the faults in force
//	POST /_awslocal/faults  replaces them; {} ends them
//	POST /_awslocal/access  adds uses of roles to IAM's records: a list of Access
//	GET  /_awslocal/events  the events of CloudTrail in force
//	POST /_awslocal/events  replaces them; {} ends them
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET " + controlPrefix + "calls":
		writeJSON(w, http.StatusOK, s.Calls())
	case "POST " + controlPrefix + "reset":
		s.Reset()
		writeJSON(w, http.StatusOK, struct{}{})
	case "GET " + controlPrefix + "faults":
		writeJSON(w, http.StatusOK, s.Faults())
	case "POST " + controlPrefix + "faults":
		f, err := ParseFaults(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		s.SetFaults(f)
		writeJSON(w, http.StatusOK, s.Faults())
	case "POST " + controlPrefix + "access":
		var all []Access
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&all)
		if err == nil {
			err = s.Record(all...)
		}
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, struct{}{})
	case "GET " + controlPrefix + "events":
		writeJSON(w, http.StatusOK, s.Events())
	case "POST " + controlPrefix + "events":
		e, err := ParseEvents(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		s.SetEvents(e)
		writeJSON(w, http.StatusOK, s.Events())
	default:
		writeJSON(w, http.StatusNotFound, map[string]string{
			"error": "want GET calls, POST reset, GET or POST faults, GET or POST events, POST access below " + controlPrefix,
		})
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) //nolint:errchkjson // the types above are encodable, and the caller may have gone
}
