package awslocal

import (
	"fmt"
	"strings"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// Service-linked roles: only AWS may change them, and only CreateServiceLinkedRole and
// DeleteServiceLinkedRole create and delete them.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create-service-linked-role.html

const serviceLinkedPath = "/aws-service-role/"

// createServiceLinkedRole creates the role of a service, even if the quota of roles is
// used up.
func createServiceLinkedRole(c *call) (model.Struct, error) {
	principal, suffix := c.in.Str("AWSServiceName"), c.in.Str("CustomSuffix")
	service, ok := linkedServiceOf(principal)
	switch {
	case !ok:
		return nil, model.Errorf("AccessDenied", "Cannot find Service Linked Role template for %s", principal)
	case suffix != "" && !service.suffix:
		return nil, model.Errorf("InvalidInput", "Custom suffix is not allowed for %s", principal)
	}
	name := service.roleName(suffix)
	if c.st.roles[strings.ToLower(name)] != nil {
		return nil, model.Errorf("InvalidInput",
			"Service role name %s has been taken in this account, please try a different suffix.", name)
	}
	r := &role{
		name:    name,
		id:      c.srv.random.id("AROA"),
		path:    serviceLinkedPath + principal + "/",
		created: c.now,
		trust: fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",`+
			`"Principal":{"Service":%q},"Action":"sts:AssumeRole"}]}`, principal),
		description:   c.in.Str("Description"),
		maxSession:    defaultSession,
		inline:        map[string]string{},
		serviceLinked: true,
	}
	r.arn = c.srv.iamARN("role", r.path, r.name)
	if service.policy != "" {
		r.attached = []string{"arn:" + c.srv.options.Partition + ":iam::aws:policy" + serviceLinkedPath + service.policy}
	}
	c.st.roles[strings.ToLower(name)] = r
	return model.Struct{"Role": roleSummary(r)}, nil
}

// deleteServiceLinkedRole deletes immediately; AWS asks the service first, which takes
// some seconds.
func deleteServiceLinkedRole(c *call) (model.Struct, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	if !r.serviceLinked {
		return nil, noRole(r.name)
	}
	delete(c.st.roles, strings.ToLower(r.name))
	c.st.replaceDeleted(r)
	task := "task" + r.path + r.name + "/" + c.srv.random.uuid()
	c.st.deletions[task] = true
	return model.Struct{"DeletionTaskId": task}, nil
}

func getServiceLinkedRoleDeletionStatus(c *call) (model.Struct, error) {
	task := c.in.Str("DeletionTaskId")
	switch {
	case !strings.HasPrefix(task, "task"+serviceLinkedPath):
		return nil, model.Errorf("InvalidInput", "Deletion task ID %s is not valid.", task)
	case !c.st.deletions[task]:
		return nil, model.Errorf("NoSuchEntity", "The deletion task with id %s cannot be found.", task)
	}
	return model.Struct{"Status": "SUCCEEDED"}, nil
}
