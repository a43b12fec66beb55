package awslocal

import (
	"maps"
	"slices"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// Tags of EKS's resources, which go by ARN:
// https://docs.aws.amazon.com/eks/latest/APIReference/API_TagResource.html

func tagEKSResource(c *call) (model.Struct, error) {
	return nil, c.editEKSTags(func(tags model.Struct) error {
		maps.Copy(tags, c.in.Struct("tags"))
		if len(tags) > maxTags {
			return model.Errorf("BadRequestException", "A resource can have at most %d tags", maxTags)
		}
		return nil
	})
}

func untagEKSResource(c *call) (model.Struct, error) {
	return nil, c.editEKSTags(func(tags model.Struct) error {
		maps.DeleteFunc(tags, func(key string, _ any) bool { return slices.Contains(c.in.Strings("tagKeys"), key) })
		return nil
	})
}

func listEKSResourceTags(c *call) (model.Struct, error) {
	cl, a, err := c.taggedResource()
	if err != nil {
		return nil, err
	}
	return model.Struct{"tags": shownTags(eksTags(cl, a))}, nil
}

// taggedResource returns the cluster or the association that a call names.
func (c *call) taggedResource() (*cluster, *association, error) {
	given := c.in.Str("resourceArn")
	if a, ok := parseARN(given); !ok || a.service != "eks" {
		return nil, nil, model.Errorf("BadRequestException", "Invalid ARN: %s", given)
	}
	cl, a := c.eksResource(given)
	if cl == nil && a == nil {
		return nil, nil, model.Errorf("NotFoundException", "No resource found for ARN: %s", given)
	}
	return cl, a, nil
}

// eksResource returns the cluster or the association of an ARN, or neither.
func (c *call) eksResource(arn string) (*cluster, *association) {
	for _, cl := range c.st.clusters {
		if cl.arn == arn {
			return cl, nil
		}
	}
	for _, a := range c.st.associations {
		if a.arn == arn {
			return nil, a
		}
	}
	return nil, nil
}

func eksTags(cl *cluster, a *association) model.Struct {
	if cl != nil {
		return cl.tags
	}
	return a.tags
}

// tagsOf are EKS's tags in the form of IAM's.
func tagsOf(tags model.Struct) []tag {
	var out []tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, tag{key, tags.Str(key)})
	}
	return out
}

// shownTags are tags as answers have them: an object even if there are none.
func shownTags(tags model.Struct) model.Struct {
	if tags == nil {
		return model.Struct{}
	}
	return tags
}

func (c *call) editEKSTags(edit func(model.Struct) error) error {
	cl, a, err := c.taggedResource()
	if err != nil {
		return err
	}
	tags := maps.Clone(shownTags(eksTags(cl, a)))
	if err := edit(tags); err != nil {
		return err
	}
	if cl != nil {
		edited := *cl
		edited.tags = tags
		c.st.clusters[cl.name] = &edited
		return nil
	}
	edited := *a
	edited.tags = tags
	c.st.associations[a.id] = &edited
	return nil
}
