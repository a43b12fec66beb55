package awslocal

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	discoveryPath  = "/.well-known/openid-configuration"
	maxDiscovery   = 1 << 20         // bytes of a discovery document or a key set
	keysTTL        = 5 * time.Minute // until keys are fetched again
	keysMinRefresh = time.Second     // between two fetches for unknown keys
)

// keySets fetches and remembers the keys of issuers.
type keySets struct {
	client *http.Client
	clock  func() time.Time

	mu   sync.Mutex
	sets map[string]keySet // by issuer
}

type keySet struct {
	keys    jose.JSONWebKeySet
	fetched time.Time
}

func newKeySets(o Options) *keySets {
	client := o.OIDCClient
	if client == nil {
		client = &http.Client{
			Timeout: 10 * time.Second,
			Transport: &http.Transport{
				TLSClientConfig:     &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
				TLSHandshakeTimeout: 5 * time.Second,
				Proxy:               http.ProxyFromEnvironment,
			},
		}
	}
	return &keySets{client: client, clock: o.Clock, sets: map[string]keySet{}}
}

func (k *keySets) prune() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.sets)
}

// of returns the issuer's key with that ID, or all of its keys if the ID is empty. It
// fetches keys that it does not know, and keys that it fetched long ago.
func (k *keySets) of(ctx context.Context, issuer, keyID string) ([]any, error) {
	k.mu.Lock()
	set, known := k.sets[issuer]
	k.mu.Unlock()

	age := k.clock().Sub(set.fetched)
	if known && age < keysTTL {
		if keys := set.find(keyID); len(keys) > 0 || age < keysMinRefresh {
			return keys, nil
		}
	}
	keys, err := k.fetch(ctx, issuer)
	if err != nil {
		return nil, err
	}
	set = keySet{keys: keys, fetched: k.clock()}
	k.mu.Lock()
	k.sets[issuer] = set
	k.mu.Unlock()
	return set.find(keyID), nil
}

func (s keySet) find(keyID string) []any {
	var out []any
	for _, key := range s.keys.Keys {
		if (keyID == "" || key.KeyID == keyID) && key.Use != "enc" {
			out = append(out, key.Key)
		}
	}
	return out
}

// fetch reads the key set that the issuer's discovery document points to.
// https://openid.net/specs/openid-connect-discovery-1_0.html
func (k *keySets) fetch(ctx context.Context, issuer string) (jose.JSONWebKeySet, error) {
	var discovery struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	var keys jose.JSONWebKeySet
	if err := k.get(ctx, strings.TrimSuffix(issuer, "/")+discoveryPath, &discovery); err != nil {
		return keys, err
	}
	if discovery.Issuer != issuer {
		return keys, fmt.Errorf("the discovery document of %s says that its issuer is %q", issuer, discovery.Issuer)
	}
	if !strings.HasPrefix(discovery.JWKSURI, "https://") {
		return keys, fmt.Errorf("the discovery document of %s has the jwks_uri %q: want https", issuer, discovery.JWKSURI)
	}
	return keys, k.get(ctx, discovery.JWKSURI, &keys)
}

func (k *keySets) get(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "*/*") // an API server serves keys as application/jwk-set+json only
	resp, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxDiscovery)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return nil
}
