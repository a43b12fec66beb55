package awslocal

import (
	"strings"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// Instance profiles: https://docs.aws.amazon.com/IAM/latest/APIReference/API_InstanceProfile.html

func createInstanceProfile(c *call) (model.Struct, error) {
	tags, err := resourceTags.given(c.in)
	if err != nil {
		return nil, err
	}
	name := c.in.Str("InstanceProfileName")
	key := strings.ToLower(name)
	if c.st.profiles[key] != nil {
		return nil, model.Errorf("EntityAlreadyExists", "Instance Profile %s already exists.", name)
	}
	if err := c.srv.within(len(c.st.profiles)+1, "InstanceProfilesQuota", "InstanceProfilesPerAccount"); err != nil {
		return nil, err
	}
	p := &instanceProfile{name: name, id: c.srv.random.id("AIPA"), path: pathOf(c.in), created: c.now, tags: tags}
	p.arn = c.srv.iamARN("instance-profile", p.path, p.name)
	c.st.profiles[key] = p

	out := c.profileItem(p)
	if len(tags) > 0 {
		out["Tags"] = tagValues(tags)
	}
	return model.Struct{"InstanceProfile": out}, nil
}

func getInstanceProfile(c *call) (model.Struct, error) {
	p, err := c.profile()
	if err != nil {
		return nil, err
	}
	out := c.profileItem(p)
	out["Tags"] = tagValues(byLength(p.tags))
	return model.Struct{"InstanceProfile": out}, nil
}

func listInstanceProfiles(c *call) (model.Struct, error) {
	return listProfiles(c, func(p *instanceProfile) bool { return strings.HasPrefix(p.path, c.in.Str("PathPrefix")) })
}

func listInstanceProfilesForRole(c *call) (model.Struct, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	return listProfiles(c, func(p *instanceProfile) bool { return p.role == strings.ToLower(r.name) })
}

func listProfiles(c *call, wanted func(*instanceProfile) bool) (model.Struct, error) {
	out := model.Struct{}
	profiles, err := page(c, out, c.profiles(wanted), func(p *instanceProfile) string { return p.name })
	if err != nil {
		return nil, err
	}
	out["InstanceProfiles"] = c.profileItems(profiles)
	return out, nil
}

func deleteInstanceProfile(c *call) (model.Struct, error) {
	p, err := c.profile()
	if err != nil {
		return nil, err
	}
	if p.role != "" {
		return nil, model.Errorf("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
	}
	delete(c.st.profiles, strings.ToLower(p.name))
	return nil, nil
}

func addRoleToInstanceProfile(c *call) (model.Struct, error) {
	return nil, c.editProfile(func(p *instanceProfile) error {
		r, err := c.role()
		if err != nil {
			return err
		}
		if err := r.modifiable(); err != nil {
			return err
		}
		if p.role != "" {
			return exceeded("InstanceSessionsPerInstanceProfile", 1)
		}
		p.role = strings.ToLower(r.name)
		return nil
	})
}

func removeRoleFromInstanceProfile(c *call) (model.Struct, error) {
	return nil, c.editProfile(func(p *instanceProfile) error {
		r, err := c.role()
		if err != nil {
			return err
		}
		if err := r.modifiable(); err != nil {
			return err
		}
		if p.role != strings.ToLower(r.name) {
			return model.Errorf("NoSuchEntity", "Role %s in Instance Profile %s cannot be found.", r.name, p.name)
		}
		p.role = ""
		return nil
	})
}

func tagInstanceProfile(c *call) (model.Struct, error) {
	tags, err := resourceTags.given(c.in)
	if err != nil {
		return nil, err
	}
	return nil, c.editProfile(func(p *instanceProfile) error {
		p.tags, err = resourceTags.put(p.tags, tags)
		return err
	})
}

func untagInstanceProfile(c *call) (model.Struct, error) {
	return nil, c.editProfile(func(p *instanceProfile) error {
		p.tags = resourceTags.without(p.tags, c.in.Strings("TagKeys"))
		return nil
	})
}

func listInstanceProfileTags(c *call) (model.Struct, error) {
	p, err := c.profile()
	if err != nil {
		return nil, err
	}
	return listTags(c, byLength(p.tags))
}

// profile returns the instance profile that a call names.
func (c *call) profile() (*instanceProfile, error) {
	name := c.in.Str("InstanceProfileName")
	p := c.st.profiles[strings.ToLower(name)]
	if p == nil {
		return nil, model.Errorf("NoSuchEntity", "Instance Profile %s cannot be found.", name)
	}
	return p, nil
}

func (c *call) editProfile(edit func(*instanceProfile) error) error {
	p, err := c.profile()
	if err != nil {
		return err
	}
	p = p.copy()
	if err := edit(p); err != nil {
		return err
	}
	c.st.profiles[strings.ToLower(p.name)] = p
	return nil
}

// profiles returns the selected instance profiles in the order of their names.
func (c *call) profiles(wanted func(*instanceProfile) bool) []*instanceProfile {
	var out []*instanceProfile
	for _, p := range sorted(c.st.profiles, func(p *instanceProfile) string { return p.name }) {
		if wanted(p) {
			out = append(out, p)
		}
	}
	return out
}

func (c *call) profileItems(profiles []*instanceProfile) []any {
	items := []any{}
	for _, p := range profiles {
		items = append(items, c.profileItem(p))
	}
	return items
}

// profileItem is an instance profile as lists show it: without tags.
func (c *call) profileItem(p *instanceProfile) model.Struct {
	roles := []any{}
	if r := c.st.roles[p.role]; r != nil {
		roles = append(roles, roleSummary(r))
	}
	return model.Struct{
		"Path":                p.path,
		"InstanceProfileName": p.name,
		"InstanceProfileId":   p.id,
		"Arn":                 p.arn,
		"CreateDate":          p.created,
		"Roles":               roles,
	}
}
