package awslocal_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

func providerARN(hostPath string) string {
	return "arn:aws:iam::" + account + ":oidc-provider/" + hostPath
}

func TestOIDCProvider_Lifecycle(t *testing.T) {
	clock := newClock()
	e := newEndpoint(t, awslocal.Options{Clock: clock.now})
	ctx := t.Context()
	created := must(e.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url:            aws.String("https://oidc.eks.eu-west-1.amazonaws.com/id/ABC"),
		ClientIDList:   []string{"sts.amazonaws.com"},
		ThumbprintList: []string{strings.Repeat("AB", 20)},
	}))(t)
	arn := created.OpenIDConnectProviderArn
	if *arn != providerARN("oidc.eks.eu-west-1.amazonaws.com/id/ABC") {
		t.Errorf("ARN = %s", *arn)
	}
	for _, id := range []string{"second", "second", "third"} { // adding twice is not an error
		must(e.iam.AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: &id}))(t)
	}
	for _, id := range []string{"second", "never"} { // nor is removing what is not there
		must(e.iam.RemoveClientIDFromOpenIDConnectProvider(ctx, &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: &id}))(t)
	}
	get := func() *iam.GetOpenIDConnectProviderOutput {
		t.Helper()
		return must(e.iam.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))(t)
	}
	got := get()
	if diff := cmp.Diff([]string{
		"oidc.eks.eu-west-1.amazonaws.com/id/ABC", "sts.amazonaws.com third", strings.Repeat("ab", 20), clock.at.String(), "0",
	}, []string{
		*got.Url, strings.Join(got.ClientIDList, " "), strings.Join(got.ThumbprintList, " "), got.CreateDate.String(), fmt.Sprint(len(got.Tags)),
	}); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}

	must(e.iam.UpdateOpenIDConnectProviderThumbprint(ctx, &iam.UpdateOpenIDConnectProviderThumbprintInput{
		OpenIDConnectProviderArn: arn, ThumbprintList: []string{strings.Repeat("c", 40), strings.Repeat("d", 40)},
	}))(t)
	must(e.iam.TagOpenIDConnectProvider(ctx, &iam.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, Tags: []iamtypes.Tag{
		{Key: aws.String("k1"), Value: aws.String("v1")}, {Key: aws.String("k2"), Value: aws.String("v2")},
	}}))(t)
	must(e.iam.UntagOpenIDConnectProvider(ctx, &iam.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, TagKeys: []string{"k1"}}))(t)
	if got := get(); len(got.ThumbprintList) != 2 || len(got.Tags) != 1 || *got.Tags[0].Key != "k2" {
		t.Errorf("after the updates: %v, %v", got.ThumbprintList, got.Tags)
	}
	tags := must(e.iam.ListOpenIDConnectProviderTags(ctx, &iam.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: arn}))(t)
	if len(tags.Tags) != 1 {
		t.Errorf("tags: %v", tags.Tags)
	}

	if list := must(e.iam.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{}))(t).OpenIDConnectProviderList; len(list) != 1 || *list[0].Arn != *arn {
		t.Errorf("list: %v", list)
	}
	must(e.iam.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))(t)
	if list := must(e.iam.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{}))(t).OpenIDConnectProviderList; len(list) != 0 {
		t.Errorf("list after the end: %v", list)
	}
}

func TestOIDCProvider_Errors(t *testing.T) {
	create := func(url string, edit ...func(*iam.CreateOpenIDConnectProviderInput)) func(context.Context, *endpoint) error {
		return func(ctx context.Context, e *endpoint) error {
			in := &iam.CreateOpenIDConnectProviderInput{Url: &url}
			for _, f := range edit {
				f(in)
			}
			return ignore(e.iam.CreateOpenIDConnectProvider(ctx, in))
		}
	}
	none := aws.String(providerARN("none.example"))
	runErrors(t, map[string]errorCase{
		"Exists": {
			call: create("https://known.example"),
			want: failure{409, "EntityAlreadyExists", "Provider with url https://known.example already exists."},
		},
		"NoScheme": {
			call: create("example.org"),
			want: failure{400, "ValidationError", "Invalid Open ID Connect Provider URL"},
		},
		"NotTLS": {
			call: create("http://example.org"),
			want: failure{400, "InvalidInput", "Invalid Open ID Connect Provider URL. The URL must begin with https://."},
		},
		"Query": {
			call: create("https://example.org?a=b"),
			want: failure{400, "InvalidInput", "Invalid Open ID Connect Provider URL."},
		},
		"SeveralMistakes": {
			call: create(strings.Repeat("b", 256), func(in *iam.CreateOpenIDConnectProviderInput) {
				in.ClientIDList, in.ThumbprintList = []string{strings.Repeat("b", 256)}, []string{strings.Repeat("b", 41)}
			}),
			want: failure{400, "ValidationError", "3 validation errors detected: " +
				"Value at 'clientIDList' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 255, Member must have length greater than or equal to 1]; " +
				"Value at 'thumbprintList' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 40, Member must have length greater than or equal to 40]; " +
				"Value at 'url' failed to satisfy constraint: Member must have length less than or equal to 255"},
		},
		"Thumbprints": {
			call: create("https://new.example", func(in *iam.CreateOpenIDConnectProviderInput) {
				for range 6 {
					in.ThumbprintList = append(in.ThumbprintList, strings.Repeat("a", 40))
				}
			}),
			want: failure{400, "InvalidInput", "Thumbprint list must contain fewer than 5 entries."},
		},
		"ClientIDs": {
			call: create("https://new.example", func(in *iam.CreateOpenIDConnectProviderInput) {
				for i := range 101 {
					in.ClientIDList = append(in.ClientIDList, fmt.Sprint(i))
				}
			}),
			want: failure{409, "LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100"},
		},
		"Get": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: none}))
			},
			want: failure{404, "NoSuchEntity", "OpenIDConnect Provider not found for arn " + *none},
		},
		"Delete": {
			reason: "AWS documents the deletion as idempotent, but rejects it.",
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: none}))
			},
			want: failure{404, "NoSuchEntity", "OpenId connect Provider " + *none + " cannot be found."},
		},
		"NoARN": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String("arn:aws:iam::123456789012:role/x")}))
			},
			want: failure{400, "InvalidInput", "Invalid ARN: arn:aws:iam::123456789012:role/x"},
		},
		"TooManyTags": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.TagOpenIDConnectProvider(ctx, &iam.TagOpenIDConnectProviderInput{
					OpenIDConnectProviderArn: aws.String(providerARN("known.example")), Tags: []iamtypes.Tag{{Key: aws.String("one-more"), Value: aws.String("")}},
				}))
			},
			want: failure{409, "LimitExceeded", "The number of tags has reached the maximum limit."},
		},
	}, func(t *testing.T, e *endpoint) {
		t.Helper()
		in := &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://known.example")}
		for i := range 50 {
			in.Tags = append(in.Tags, iamtypes.Tag{Key: aws.String(fmt.Sprint(i)), Value: aws.String("")})
		}
		must(e.iam.CreateOpenIDConnectProvider(t.Context(), in))(t)
	}, awslocal.Options{})
}
