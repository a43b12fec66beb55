package oidc

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

func keySet(t *testing.T, kids ...string) []byte {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, kid := range kids {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: "RS256", Use: "sig"})
	}
	raw, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestFetch_RejectsWhatAWSWouldReject(t *testing.T) {
	keys := keySet(t, "a", "b")
	cases := map[string]struct {
		reason   string
		document func(url string) string
		keys     []byte
		wrong    string // part of the error; empty if there is none
	}{
		"Published":   {"The issuer publishes its keys.", func(url string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, url, url+"/keys") }, keys, ""},
		"OtherIssuer": {"AWS compares the issuer character by character.", func(url string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, url+"/", url+"/keys") }, keys, "of another issuer"},
		"PlainKeys":   {"Keys are fetched over https only.", func(url string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":"http://a/keys"}`, url) }, keys, "not an https:// URL"},
		"NoKeys":      {"The keys do not exist.", func(url string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, url, url+"/nope") }, keys, "404"},
		"NoJSON":      {"A proxy returned an HTML page.", func(string) string { return "<html>" }, keys, "cannot be read"},
		"NoKeySet":    {"The JSON is not a key set.", func(url string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, url, url+"/keys") }, []byte("<html>"), "not a JSON Web Key Set"},
		"Endless":     {"An endless answer must not exhaust memory.", func(string) string { return strings.Repeat(" ", maxBytes+1) }, keys, "more than 1 MiB"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			mux := http.NewServeMux()
			server := httptest.NewTLSServer(mux)
			defer server.Close()
			mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, tc.document(server.URL))
			})
			mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(tc.keys) })
			got, err := Fetch(t.Context(), server.Client(), server.URL)
			if (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
				t.Fatalf("Fetch(): %v, want an error with %q", err, tc.wrong)
			}
			if err != nil {
				return
			}
			want, err := Keys(tc.keys)
			if diff := cmp.Diff(want, got); err != nil || diff != "" || len(got) != 2 {
				t.Errorf("Fetch(): -want, +got:\n%s", diff)
			}
		})
	}
}
