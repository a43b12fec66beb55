package awslocal

import (
	"fmt"
	"slices"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// Versions of managed policies:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html

func createPolicyVersion(c *call) (model.Struct, error) {
	var created policyVersion
	err := c.editPolicy(notAttachable, func(p *managedPolicy) error {
		document := c.in.Str("PolicyDocument")
		if err := c.checkManaged(document); err != nil {
			return err
		}
		if limit := c.srv.quota("VersionsPerPolicyQuota"); len(p.versions) >= limit {
			return model.Errorf("LimitExceeded", "A managed policy can have up to %d versions. "+
				"Before you create a new version, you must delete an existing version.", limit)
		}
		p.lastVersion++
		created = policyVersion{id: fmt.Sprintf("v%d", p.lastVersion), document: document, created: c.now}
		p.versions = append(p.versions, created)
		if c.in.Bool("SetAsDefault") {
			created.isDefault = true
			p.setDefault(created.id)
		}
		p.updated = c.now
		return nil
	})
	return model.Struct{"PolicyVersion": versionItem(created)}, err
}

func getPolicyVersion(c *call) (model.Struct, error) {
	p, err := c.policy(c.noVersion)
	if err != nil {
		return nil, err
	}
	i, err := c.version(p)
	if err != nil {
		return nil, err
	}
	return model.Struct{"PolicyVersion": versionDetail(p.versions[i])}, nil
}

func listPolicyVersions(c *call) (model.Struct, error) {
	p, err := c.policy(policyNotFound)
	if err != nil {
		return nil, err
	}
	versions := slices.Clone(p.versions)
	slices.Reverse(versions)
	out := model.Struct{}
	versions, err = page(c, out, versions, func(v policyVersion) string { return v.id })
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, v := range versions {
		items = append(items, versionItem(v))
	}
	out["Versions"] = items
	return out, nil
}

func setDefaultPolicyVersion(c *call) (model.Struct, error) {
	return nil, c.editPolicy(c.noVersion, func(p *managedPolicy) error {
		i, err := c.version(p)
		if err != nil {
			return err
		}
		p.setDefault(p.versions[i].id)
		return nil
	})
}

func deletePolicyVersion(c *call) (model.Struct, error) {
	return nil, c.editPolicy(c.noVersion, func(p *managedPolicy) error {
		i, err := c.version(p)
		if err != nil {
			return err
		}
		if p.versions[i].isDefault {
			return model.Errorf("DeleteConflict", "Cannot delete the default version of a policy.")
		}
		p.versions = slices.Delete(p.versions, i, i+1)
		return nil
	})
}

// version returns the index of the version that a call names.
func (c *call) version(p *managedPolicy) (int, error) {
	id := c.in.Str("VersionId")
	i := slices.IndexFunc(p.versions, func(v policyVersion) bool { return v.id == id })
	if i < 0 {
		return 0, c.noVersion(p.arn)
	}
	return i, nil
}

func (c *call) noVersion(arn string) error {
	return model.Errorf("NoSuchEntity", "Policy %s version %s does not exist or is not attachable.%s",
		arn, c.in.Str("VersionId"), c.versionNotCarried(arn))
}

func (p *managedPolicy) setDefault(id string) {
	for i := range p.versions {
		p.versions[i].isDefault = p.versions[i].id == id
	}
}

func versionItem(v policyVersion) model.Struct {
	return model.Struct{"VersionId": v.id, "IsDefaultVersion": v.isDefault, "CreateDate": v.created}
}

func versionDetail(v policyVersion) model.Struct {
	out := versionItem(v)
	out["Document"] = encodeDocument(v.document)
	return out
}
