// Package oidc reads the keys that an OIDC issuer publishes, as AWS does to verify
// tokens.
package oidc

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Limits of what an issuer may answer: it is anywhere on the internet.
const (
	timeout  = 10 * time.Second
	maxBytes = 1 << 20
)

// Keys returns the thumbprints (RFC 7638) of the keys in a JSON Web Key Set, sorted.
func Keys(raw []byte) ([]string, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, fmt.Errorf("not a JSON Web Key Set: %w", err)
	}
	thumbprints := []string{}
	for _, key := range set.Keys {
		sum, err := key.Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, err
		}
		thumbprints = append(thumbprints, base64.RawURLEncoding.EncodeToString(sum))
	}
	slices.Sort(thumbprints)
	return slices.Compact(thumbprints), nil
}

// Fetch returns the thumbprints of the keys that an issuer publishes.
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
func Fetch(ctx context.Context, client *http.Client, issuer string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	raw, err := get(ctx, client, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	var document struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return nil, fmt.Errorf("the discovery document cannot be read: %w", err)
	}
	if document.Issuer != issuer {
		return nil, fmt.Errorf("the discovery document is that of another issuer, %q", document.Issuer)
	}
	if raw, err = get(ctx, client, document.Keys); err != nil {
		return nil, err
	}
	return Keys(raw)
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	if !strings.HasPrefix(url, "https://") {
		return nil, fmt.Errorf("%q is not an https:// URL", url)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, response.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxBytes {
		return nil, errors.New(url + " answers with more than 1 MiB")
	}
	return raw, nil
}
