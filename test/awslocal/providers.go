package awslocal

import (
	"net/url"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// OpenID Connect providers:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html

func createOpenIDConnectProvider(c *call) (model.Struct, error) {
	in := c.in
	tags, err := resourceTags.given(in)
	if err != nil {
		return nil, err
	}
	given := in.Str("Url")
	hostPath, err := issuerHostPath(given)
	if err != nil {
		return nil, err
	}
	clientIDs, thumbprints := in.Strings("ClientIDList"), in.Strings("ThumbprintList")
	if len(clientIDs) > maxClientIDs {
		return nil, exceeded("ClientIdsPerOpenIdConnectProvider", maxClientIDs)
	}
	if err := checkThumbprints(thumbprints); err != nil {
		return nil, err
	}
	p := &oidcProvider{
		arn:         c.srv.iamARN("oidc-provider", "/", hostPath),
		url:         hostPath,
		created:     c.now,
		clientIDs:   unique(clientIDs),
		thumbprints: lower(thumbprints),
		tags:        tags,
	}
	if c.st.providers[p.arn] != nil {
		return nil, model.Errorf("EntityAlreadyExists", "Provider with url %s already exists.", given)
	}
	if len(c.st.providers) >= maxProviders {
		return nil, exceeded("OpenIdConnectProvidersPerAccount", maxProviders)
	}
	c.st.providers[p.arn] = p

	out := model.Struct{"OpenIDConnectProviderArn": p.arn}
	if len(tags) > 0 {
		out["Tags"] = tagValues(tags)
	}
	return out, nil
}

func getOpenIDConnectProvider(c *call) (model.Struct, error) {
	p, err := c.provider()
	if err != nil {
		return nil, err
	}
	return model.Struct{
		"Url":            p.url,
		"ClientIDList":   model.List(p.clientIDs),
		"ThumbprintList": model.List(p.thumbprints),
		"CreateDate":     p.created,
		"Tags":           tagValues(p.tags),
	}, nil
}

func listOpenIDConnectProviders(c *call) (model.Struct, error) {
	items := []any{}
	for _, p := range sorted(c.st.providers, func(p *oidcProvider) string { return p.arn }) {
		items = append(items, model.Struct{"Arn": p.arn})
	}
	return model.Struct{"OpenIDConnectProviderList": items}, nil
}

// deleteOpenIDConnectProvider rejects a provider that does not exist, as AWS does (seen in
// 2026), although AWS's documentation states otherwise.
func deleteOpenIDConnectProvider(c *call) (model.Struct, error) {
	arn, err := c.providerARN()
	switch {
	case err != nil:
		return nil, err
	case c.st.providers[arn] == nil:
		return nil, model.Errorf("NoSuchEntity", "OpenId connect Provider %s cannot be found.", arn)
	}
	delete(c.st.providers, arn)
	return nil, nil
}

func addClientIDToOpenIDConnectProvider(c *call) (model.Struct, error) {
	return nil, c.editProvider(func(p *oidcProvider) error {
		p.clientIDs = unique(append(p.clientIDs, c.in.Str("ClientID")))
		if len(p.clientIDs) > maxClientIDs {
			return exceeded("ClientIdsPerOpenIdConnectProvider", maxClientIDs)
		}
		return nil
	})
}

// removeClientIDFromOpenIDConnectProvider succeeds even if the ID is not in the list.
func removeClientIDFromOpenIDConnectProvider(c *call) (model.Struct, error) {
	return nil, c.editProvider(func(p *oidcProvider) error {
		p.clientIDs = slices.DeleteFunc(p.clientIDs, func(id string) bool { return id == c.in.Str("ClientID") })
		return nil
	})
}

func updateOpenIDConnectProviderThumbprint(c *call) (model.Struct, error) {
	return nil, c.editProvider(func(p *oidcProvider) error {
		p.thumbprints = lower(c.in.Strings("ThumbprintList"))
		return checkThumbprints(p.thumbprints)
	})
}

func tagOpenIDConnectProvider(c *call) (model.Struct, error) {
	tags, err := resourceTags.given(c.in)
	if err != nil {
		return nil, err
	}
	return nil, c.editProvider(func(p *oidcProvider) error {
		p.tags, err = resourceTags.put(p.tags, tags)
		return err
	})
}

func untagOpenIDConnectProvider(c *call) (model.Struct, error) {
	return nil, c.editProvider(func(p *oidcProvider) error {
		p.tags = resourceTags.without(p.tags, c.in.Strings("TagKeys"))
		return nil
	})
}

func listOpenIDConnectProviderTags(c *call) (model.Struct, error) {
	p, err := c.provider()
	if err != nil {
		return nil, err
	}
	return listTags(c, byLength(p.tags))
}

// provider returns the provider that a call names.
func (c *call) provider() (*oidcProvider, error) {
	arn, err := c.providerARN()
	if err != nil {
		return nil, err
	}
	p := c.st.providers[arn]
	if p == nil {
		return nil, model.Errorf("NoSuchEntity", "OpenIDConnect Provider not found for arn %s", arn)
	}
	return p, nil
}

func (c *call) providerARN() (string, error) {
	given := c.in.Str("OpenIDConnectProviderArn")
	a, ok := parseARN(given)
	if !ok || a.service != "iam" || !strings.HasPrefix(a.resource, "oidc-provider/") {
		return "", model.Errorf("InvalidInput", "Invalid ARN: %s", given)
	}
	return given, nil
}

func (c *call) editProvider(edit func(*oidcProvider) error) error {
	p, err := c.provider()
	if err != nil {
		return err
	}
	p = p.copy()
	if err := edit(p); err != nil {
		return err
	}
	c.st.providers[p.arn] = p
	return nil
}

// issuerHostPath returns the URL of an issuer without its scheme, as in the provider's
// ARN; a slash at its end is part of it. AWS accepts no port numbers; this endpoint does,
// because issuers on a developer's machine have one.
func issuerHostPath(raw string) (string, error) {
	const invalid = "Invalid Open ID Connect Provider URL"
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "":
		return "", model.Errorf("ValidationError", invalid)
	case u.Scheme != "https":
		return "", model.Errorf("InvalidInput", invalid+". The URL must begin with https://.")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", model.Errorf("InvalidInput", invalid+".")
	}
	return strings.TrimPrefix(raw, "https://"), nil
}

func lower(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.ToLower(v)
	}
	return out
}

func checkThumbprints(thumbprints []string) error {
	if len(thumbprints) > maxThumbprints {
		return model.Errorf("InvalidInput", "Thumbprint list must contain fewer than %d entries.", maxThumbprints)
	}
	return nil
}

// unique removes repetitions.
func unique(values []string) []string {
	var out []string
	for _, v := range values {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}
