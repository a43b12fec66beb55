package awslocal

import (
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// Keys of tags of roles and users are case-insensitive, those of all other IAM resources
// are case-sensitive:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
type tagRules struct{ foldCase bool }

var (
	roleTags     = tagRules{foldCase: true}
	resourceTags = tagRules{}
)

func (t tagRules) same(a, b string) bool {
	if t.foldCase {
		return strings.EqualFold(a, b)
	}
	return a == b
}

// given reads the tags of a request and rejects invalid ones.
func (t tagRules) given(in model.Struct) ([]tag, error) {
	var tags []tag
	for _, v := range in.Structs("Tags") {
		key := v.Str("Key")
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, model.Errorf("InvalidInput", "System tags cannot be added/updated by requester")
		}
		if slices.ContainsFunc(tags, func(other tag) bool { return t.same(other.key, key) }) {
			if t.foldCase {
				return nil, model.Errorf("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
			}
			return nil, model.Errorf("InvalidInput", "Duplicate tag keys found.")
		}
		tags = append(tags, tag{key, v.Str("Value")})
	}
	return tags, nil
}

// put adds tags or replaces those of the same key, up to the quota.
func (t tagRules) put(to, tags []tag) ([]tag, error) {
	for _, add := range tags {
		i := slices.IndexFunc(to, func(old tag) bool { return t.same(old.key, add.key) })
		if i < 0 {
			to = append(to, add)
			continue
		}
		to[i] = add
	}
	if len(to) > maxTags {
		return nil, model.Errorf("LimitExceeded", "The number of tags has reached the maximum limit.")
	}
	return to, nil
}

// without returns the tags that have none of the keys.
func (t tagRules) without(tags []tag, keys []string) []tag {
	return slices.DeleteFunc(tags, func(have tag) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return t.same(key, have.key) })
	})
}

// byLength orders tags as AWS lists those of policies: short keys first.
func byLength(tags []tag) []tag {
	tags = slices.Clone(tags)
	slices.SortFunc(tags, func(a, b tag) int {
		if len(a.key) != len(b.key) {
			return len(a.key) - len(b.key)
		}
		return strings.Compare(a.key, b.key)
	})
	return tags
}

func tagValues(tags []tag) []any {
	out := make([]any, len(tags))
	for i, t := range tags {
		out[i] = model.Struct{"Key": t.key, "Value": t.value}
	}
	return out
}

// listTags answers a List…Tags call.
func listTags(c *call, tags []tag) (model.Struct, error) {
	out := model.Struct{}
	tags, err := page(c, out, tags, func(t tag) string { return t.key })
	if err != nil {
		return nil, err
	}
	out["Tags"] = tagValues(tags)
	return out, nil
}
