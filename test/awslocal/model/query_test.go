package model

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var services = Load()

// toForm writes a value as the AWS SDKs do: the inverse of DecodeQuery.
func toForm(s *Service, shapeName, prefix string, v any, form url.Values) {
	shape := s.Shapes[shapeName]
	switch v := v.(type) {
	case Struct:
		for _, m := range shape.Members {
			if value, ok := v[m.Name]; ok {
				toForm(s, m.Shape, strings.TrimPrefix(prefix+"."+m.Name, "."), value, form)
			}
		}
	case []any:
		if len(v) == 0 {
			form.Set(prefix, "")
		}
		for i, e := range v {
			toForm(s, shape.Member, fmt.Sprintf("%s.member.%d", prefix, i+1), e, form)
		}
	case time.Time:
		form.Set(prefix, v.UTC().Format(time.RFC3339))
	default:
		form.Set(prefix, fmt.Sprint(v))
	}
}

// anyValue draws a value of a shape, of any content. It returns nil for a
// structure without members, which cannot be sent.
func anyValue(t *rapid.T, s *Service, shapeName string) any {
	shape := s.Shapes[shapeName]
	switch shape.Type {
	case "structure":
		if v := anyStruct(t, s, shape); len(v) > 0 {
			return v
		}
		return nil
	case "list":
		out := []any{}
		for range rapid.IntRange(0, 12).Draw(t, "length") {
			if v := anyValue(t, s, shape.Member); v != nil {
				out = append(out, v)
			}
		}
		return out
	case "integer":
		return int64(rapid.Int32().Draw(t, "integer"))
	case "boolean":
		return rapid.Bool().Draw(t, "boolean")
	case "timestamp":
		return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "time"), 0).UTC()
	}
	return rapid.String().Draw(t, "string")
}

func anyStruct(t *rapid.T, s *Service, shape *Shape) Struct {
	out := Struct{}
	for _, m := range shape.Members {
		if !rapid.Bool().Draw(t, m.Name) {
			continue
		}
		if v := anyValue(t, s, m.Shape); v != nil {
			out[m.Name] = v
		}
	}
	return out
}

// The decoder reads what an SDK writes, for all operations.
func TestDecodeQuery_InvertsTheSDKs(t *testing.T) {
	for _, service := range []string{"iam", "sts"} {
		s := services[service]
		for _, operation := range s.OperationNames() {
			input := s.Operations[operation].Input
			if input == "" {
				continue
			}
			t.Run(operation, rapid.MakeCheck(func(t *rapid.T) {
				want := anyStruct(t, s, s.Shapes[input])
				form := url.Values{"Action": {operation}, "Version": {s.Metadata.APIVersion}}
				toForm(s, input, "", want, form)
				got, err := s.DecodeQuery(operation, form)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%v\n-want, +got:\n%s", form, diff)
				}
			}))
		}
	}
}

func TestDecodeQuery_Values(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, operation, form string
		want                    Struct
	}{
		"Unknown": {
			"Unknown parameters are ignored.", "GetRole", "RoleName=r&Shade=red&RoleName.x=y",
			Struct{"RoleName": "r"},
		},
		"Empty": {
			"An empty value is a value.", "UpdateRole", "RoleName=r&Description=",
			Struct{"RoleName": "r", "Description": ""},
		},
		"EmptyList": {
			"The name of a list alone is the empty list.", "UntagRole", "TagKeys=",
			Struct{"TagKeys": []any{}},
		},
		"Order": {
			"Elements are ordered by number, not by text.", "UntagRole",
			"TagKeys.member.10=j&TagKeys.member.2=b&TagKeys.member.1=a",
			Struct{"TagKeys": []any{"a", "b", "j"}},
		},
		"NoNumber": {
			"A parameter without a number is not an element.", "UntagRole", "TagKeys.member.x=a&TagKeys.member.0=b&TagKeys.member.01=c&TagKeys.member.1=d",
			Struct{"TagKeys": []any{"d"}},
		},
		"NotFlattened": {
			"A list that is not flattened has the level member.", "UntagRole", "TagKeys.1=a",
			Struct{},
		},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			form, err := url.ParseQuery(tc.form)
			if err != nil {
				t.Fatal(err)
			}
			got, err := services["iam"].DecodeQuery(tc.operation, form)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// Flattened lists have no member in between. No covered operation has one, so
// the shape is made up.
func TestDecodeQuery_FlattenedLists(t *testing.T) {
	s := &Service{
		Operations: map[string]Operation{"Op": {Input: "In"}},
		Shapes: map[string]*Shape{
			"In":   {Type: "structure", Members: []Member{{Name: "Names", Shape: "List", LocationName: "Name"}}},
			"List": {Type: "list", Member: "Text", Flattened: true},
			"Text": {Type: "string"},
		},
	}
	got, err := s.DecodeQuery("Op", url.Values{"Name.1": {"a"}, "Name.2": {"b"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Struct{"Names": []any{"a", "b"}}, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// Whatever is sent, the decoder and the validator come to an end without a
// panic, and take the same twice for the same.
func FuzzDecodeQuery(f *testing.F) {
	f.Add("CreateRole", "RoleName=r&Tags.member.1.Key=k&Tags.member.1.Value=v")
	f.Add("AssumeRole", "PolicyArns.member.1.arn=x&DurationSeconds=99999999999")
	f.Add("TagRole", "Tags=&Tags.member.=1&Tags..=2&.=3&Tags.member.1=x")
	f.Fuzz(func(t *testing.T, operation, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			t.Skip()
		}
		for _, s := range []*Service{services["iam"], services["sts"]} {
			if _, ok := s.Operations[operation]; !ok {
				continue
			}
			first, err := s.DecodeQuery(operation, form)
			if err != nil {
				continue
			}
			_ = s.Validate(operation, first)
			again, err := s.DecodeQuery(operation, form)
			if err != nil || !cmp.Equal(first, again) {
				t.Errorf("decoded twice: %v and %v, %v", first, again, err)
			}
		}
	})
}

// No shape of the reduced models refers to one that is not there.
func TestModels_ReferToExistingShapes(t *testing.T) {
	for name, s := range services {
		if s.Metadata.APIVersion == "" || len(s.Operations) == 0 || !strings.Contains(s.Origin, s.Metadata.UID) {
			t.Errorf("%s: %+v", name, s.Metadata)
		}
		for user, shapes := range references(s) {
			for _, shape := range shapes {
				if shape != "" && s.Shapes[shape] == nil {
					t.Errorf("%s: %s has no shape", user, shape)
				}
			}
		}
	}
}

// references are the names of shapes by what refers to them.
func references(s *Service) map[string][]string {
	out := map[string][]string{}
	for name, op := range s.Operations {
		out[name] = append([]string{op.Input, op.Output}, op.Errors...)
	}
	for name, shape := range s.Shapes {
		out[name] = []string{shape.Member, shape.Key, shape.Value}
		for _, m := range shape.Members {
			out[name] = append(out[name], m.Shape)
		}
	}
	return out
}

// Answers have the members in AWS's order, and none besides.
func TestEncodeQuery_KeepsTheOrderOfAWS(t *testing.T) {
	s := services["iam"]
	at := time.Date(2026, 3, 1, 12, 0, 0, 999, time.FixedZone("", 3600))
	got, err := s.EncodeQuery("GetOpenIDConnectProvider", Struct{
		"CreateDate": at, "Url": "a&b", "ClientIDList": []any{"<", "\x00'\""},
	}, "ID")
	if err != nil {
		t.Fatal(err)
	}
	want := `<GetOpenIDConnectProviderResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">
  <GetOpenIDConnectProviderResult>
    <ClientIDList>
      <member>&lt;</member>
      <member>` + "\uFFFD'\"" + `</member>
    </ClientIDList>
    <Url>a&amp;b</Url>
    <CreateDate>2026-03-01T11:00:00Z</CreateDate>
  </GetOpenIDConnectProviderResult>
  <ResponseMetadata>
    <RequestId>ID</RequestId>
  </ResponseMetadata>
</GetOpenIDConnectProviderResponse>
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	for name, out := range map[string]Struct{
		"Unknown":   {"Shade": "red"},
		"WrongType": {"Url": int64(1)},
		"NoList":    {"Url": []any{}},
	} {
		if _, err := s.EncodeQuery("GetOpenIDConnectProvider", out, strconv.Itoa(1)); err == nil {
			t.Errorf("%s: %v is encoded", name, out)
		}
	}
}
