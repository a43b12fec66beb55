package awslocal

import (
	"fmt"
	"strings"

	"github.com/podidentity/podidentity-operator/internal/awslocal/model"
)

// createServiceLinkedRole makes a role that only AWS may change. Its name is
// made of the service's, which AWS chooses more carefully.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html
func createServiceLinkedRole(c *call) (model.Struct, error) {
	service := c.in.Str("AWSServiceName")
	short, ok := strings.CutSuffix(service, ".amazonaws.com")
	if !ok || short == "" {
		return nil, model.Errorf("InvalidInput", "Service role name %s is not valid.", service)
	}
	parts := strings.FieldsFunc(short, func(r rune) bool { return r == '.' || r == '-' })
	for i, part := range parts {
		parts[i] = strings.ToUpper(part[:1]) + part[1:]
	}
	name := "AWSServiceRoleFor" + strings.Join(parts, "")
	if suffix := c.in.Str("CustomSuffix"); suffix != "" {
		name += "_" + suffix
	}
	if c.st.roles[strings.ToLower(name)] != nil {
		return nil, model.Errorf("InvalidInput",
			"Service role name %s has been taken in this account, please try a different suffix.", name)
	}
	r := &role{
		name:    name,
		id:      c.srv.random.id("AROA"),
		path:    "/aws-service-role/" + service + "/",
		created: c.now,
		trust: fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",`+
			`"Principal":{"Service":%q},"Action":"sts:AssumeRole"}]}`, service),
		description:   c.in.Str("Description"),
		maxSession:    defaultSession,
		inline:        map[string]string{},
		serviceLinked: true,
	}
	r.arn = c.srv.iamARN("role", r.path, r.name)
	c.st.roles[strings.ToLower(name)] = r
	return model.Struct{"Role": roleSummary(r)}, nil
}
