package awslocal

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// What policies see of a call: the resource, and the condition keys beyond those that
// every call has.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html

// resource is what a policy's Resource element is compared with.
type resource struct {
	arn     string
	display string // the resource in AWS's messages about a denied call; empty means the ARN
	tags    []tag
}

func (r resource) name() string {
	if r.display != "" {
		return r.display
	}
	return r.arn
}

// requiredPermission is one permission that a call needs.
type requiredPermission struct {
	action   string // service:Name
	resource resource
	keys     map[string][]string
}

// resourceOf returns the resource of a call.
func (c *call) resourceOf() resource {
	for _, kind := range resourceKinds {
		if slices.Contains(kind.actions, c.action) {
			return kind.find(c)
		}
	}
	return resource{arn: "*"}
}

// resourceKinds lists the actions on each kind of resource. All others have no resource:
// policies allow them on "*".
var resourceKinds = []struct {
	actions []string
	find    func(*call) resource
}{
	{[]string{"CreateRole"}, func(c *call) resource {
		return resource{arn: c.srv.iamARN("role", pathOf(c.in), c.in.Str("RoleName"))}
	}},
	{[]string{
		"GetRole", "UpdateRole", "UpdateRoleDescription", "UpdateAssumeRolePolicy", "DeleteRole", "TagRole", "UntagRole", "ListRoleTags",
		"PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "AttachRolePolicy", "DetachRolePolicy", "ListAttachedRolePolicies",
		"PutRolePolicy", "GetRolePolicy", "DeleteRolePolicy", "ListRolePolicies", "ListInstanceProfilesForRole", "DeleteServiceLinkedRole",
	}, func(c *call) resource { return c.roleResource(c.in.Str("RoleName")) }},
	{[]string{"GenerateServiceLastAccessedDetails"}, func(c *call) resource {
		found := resource{arn: c.in.Str("Arn")}
		if r := c.roleOfARN(found.arn); r != nil {
			found.tags = r.tags
		}
		return found
	}},
	{[]string{"CreateServiceLinkedRole"}, func(c *call) resource {
		principal := c.in.Str("AWSServiceName")
		service, _ := linkedServiceOf(principal)
		return resource{arn: c.srv.iamARN("role", serviceLinkedPath+principal+"/", service.roleName(c.in.Str("CustomSuffix")))}
	}},
	{[]string{"GetServiceLinkedRoleDeletionStatus"}, func(c *call) resource {
		task := strings.TrimPrefix(c.in.Str("DeletionTaskId"), "task")
		return resource{arn: c.srv.iamARN("role", path.Dir(task), "")}
	}},
	{[]string{"ListRoles"}, func(c *call) resource {
		return resource{arn: c.srv.iamARN("role", prefixOf(c.in), "")}
	}},
	{[]string{"ListPolicies"}, func(c *call) resource {
		return resource{arn: c.srv.iamARN("policy", prefixOf(c.in), ""), display: "policy path " + prefixOf(c.in)}
	}},
	{[]string{"ListInstanceProfiles"}, func(c *call) resource {
		return resource{arn: c.srv.iamARN("instance-profile", prefixOf(c.in), "")}
	}},
	{[]string{"ListOpenIDConnectProviders"}, func(c *call) resource {
		return resource{arn: c.srv.iamARN("oidc-provider", "/", "*")}
	}},
	{[]string{"CreatePolicy"}, func(c *call) resource {
		arn := c.srv.iamARN("policy", pathOf(c.in), c.in.Str("PolicyName"))
		return resource{arn: arn, display: "policy " + c.in.Str("PolicyName")}
	}},
	{[]string{
		"GetPolicy", "DeletePolicy", "ListEntitiesForPolicy", "TagPolicy", "UntagPolicy", "ListPolicyTags", "CreatePolicyVersion",
		"GetPolicyVersion", "ListPolicyVersions", "SetDefaultPolicyVersion", "DeletePolicyVersion",
	}, func(c *call) resource {
		arn := c.in.Str("PolicyArn")
		found := resource{arn: arn, display: "policy " + arn}
		if p := c.findPolicy(arn); p != nil {
			found.tags = p.tags
		}
		return found
	}},
	{[]string{"CreateOpenIDConnectProvider"}, func(c *call) resource {
		return resource{arn: c.srv.iamARN("oidc-provider", "/", strings.TrimSuffix(strings.TrimPrefix(c.in.Str("Url"), "https://"), "/"))}
	}},
	{[]string{
		"GetOpenIDConnectProvider", "DeleteOpenIDConnectProvider", "AddClientIDToOpenIDConnectProvider", "RemoveClientIDFromOpenIDConnectProvider",
		"UpdateOpenIDConnectProviderThumbprint", "TagOpenIDConnectProvider", "UntagOpenIDConnectProvider", "ListOpenIDConnectProviderTags",
	}, func(c *call) resource {
		found := resource{arn: c.in.Str("OpenIDConnectProviderArn")}
		if p := c.st.providers[found.arn]; p != nil {
			found.tags = p.tags
		}
		return found
	}},
	{[]string{"CreateInstanceProfile"}, func(c *call) resource {
		return resource{arn: c.srv.iamARN("instance-profile", pathOf(c.in), c.in.Str("InstanceProfileName"))}
	}},
	{[]string{
		"GetInstanceProfile", "DeleteInstanceProfile", "AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile", "TagInstanceProfile",
		"UntagInstanceProfile", "ListInstanceProfileTags",
	}, func(c *call) resource {
		name := c.in.Str("InstanceProfileName")
		found := resource{arn: c.srv.iamARN("instance-profile", "/", name), display: "instance profile " + name}
		if p := c.st.profiles[strings.ToLower(name)]; p != nil {
			found.arn, found.tags = p.arn, p.tags
		}
		return found
	}},
	{[]string{"CreateQueue"}, func(c *call) resource { return resource{arn: c.queueARN(c.in.Str("QueueName"))} }},
	{[]string{"SendMessage", "ReceiveMessage", "DeleteMessageBatch"}, func(c *call) resource {
		return resource{arn: c.queueARN(nameOfQueue(c.in.Str("QueueUrl")))}
	}},
	{[]string{"ListClusters"}, func(c *call) resource { return resource{arn: c.eksARN("cluster/*")} }},
	{[]string{"CreateCluster"}, func(c *call) resource { return resource{arn: c.eksARN("cluster/" + c.in.Str("name"))} }},
	{[]string{"DescribeCluster", "DeleteCluster"}, func(c *call) resource { return c.eksARNResource(c.eksARN("cluster/" + c.in.Str("name"))) }},
	{[]string{"CreatePodIdentityAssociation", "ListPodIdentityAssociations"}, func(c *call) resource {
		return c.eksARNResource(c.eksARN("cluster/" + c.in.Str("clusterName")))
	}},
	{[]string{"DescribePodIdentityAssociation", "UpdatePodIdentityAssociation", "DeletePodIdentityAssociation"}, func(c *call) resource {
		return c.eksARNResource(c.eksARN("podidentityassociation/" + c.in.Str("clusterName") + "/" + c.in.Str("associationId")))
	}},
	{[]string{"TagResource", "UntagResource", "ListTagsForResource"}, func(c *call) resource { return c.eksARNResource(c.in.Str("resourceArn")) }},
}

// eksARNResource is the cluster or association of an ARN, which need not exist.
func (c *call) eksARNResource(arn string) resource {
	found := resource{arn: arn}
	if cl, a := c.eksResource(arn); cl != nil || a != nil {
		found.tags = tagsOf(eksTags(cl, a))
	}
	return found
}

func prefixOf(in model.Struct) string {
	if in.Has("PathPrefix") {
		return in.Str("PathPrefix")
	}
	return "/"
}

// roleResource is the role with that name; one that does not exist has the root path.
func (c *call) roleResource(name string) resource {
	if r := c.st.roles[strings.ToLower(name)]; r != nil {
		return resource{arn: r.arn, display: "role " + r.name, tags: r.tags}
	}
	return resource{arn: c.srv.iamARN("role", "/", name), display: "role " + name}
}

// requiredPermissions lists the permissions that the call needs, in the order in which AWS asks
// for them.
func (c *call) requiredPermissions() []requiredPermission {
	own := requiredPermission{action: c.service + ":" + strings.TrimSuffix(c.action, "Batch"), resource: c.resourceOf(), keys: c.ownKeys()}
	needs := []requiredPermission{own}
	if tagging, ok := taggingOf[c.action]; ok && len(c.requestTags()) > 0 {
		needs = append(needs, requiredPermission{action: tagging, resource: own.resource, keys: own.keys})
	}
	switch {
	case c.action == "AddRoleToInstanceProfile":
		needs = append(needs, c.passRole(c.roleResource(c.in.Str("RoleName")), "ec2.amazonaws.com"))
	case c.service == "eks" && c.in.Has("roleArn"):
		given := c.in.Str("roleArn")
		service := "pods.eks.amazonaws.com"
		if c.action == "CreateCluster" {
			service = "eks.amazonaws.com"
		}
		needs = append(needs, c.passRole(resource{arn: given}, service))
	}
	return needs
}

// passRole is the permission to pass a role to a service.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
func (c *call) passRole(r resource, service string) requiredPermission {
	return requiredPermission{
		action: "iam:PassRole", resource: resource{arn: r.arn, tags: r.tags},
		keys: map[string][]string{"iam:PassedToService": {service}},
	}
}

// taggingOf lists the permission to tag what a call creates.
var taggingOf = map[string]string{
	"CreateRole":                   "iam:TagRole",
	"CreatePolicy":                 "iam:TagPolicy",
	"CreateOpenIDConnectProvider":  "iam:TagOpenIDConnectProvider",
	"CreateInstanceProfile":        "iam:TagInstanceProfile",
	"CreatePodIdentityAssociation": "eks:TagResource",
	"CreateCluster":                "eks:TagResource",
}

// ownKeys are the condition keys that only this action has.
func (c *call) ownKeys() map[string][]string {
	keys := map[string][]string{}
	for _, t := range c.requestTags() {
		keys["aws:RequestTag/"+t.key] = []string{t.value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], t.key)
	}
	keys["aws:TagKeys"] = slices.Concat(keys["aws:TagKeys"], c.in.Strings("TagKeys"), c.in.Strings("tagKeys"))
	if c.in.Has("AWSServiceName") {
		keys["iam:AWSServiceName"] = []string{c.in.Str("AWSServiceName")}
	}
	if boundary := c.boundaryKey(); boundary != "" {
		keys["iam:PermissionsBoundary"] = []string{boundary}
	}
	if slices.Contains([]string{"AttachRolePolicy", "DetachRolePolicy"}, c.action) {
		keys["iam:PolicyARN"] = []string{c.in.Str("PolicyArn")}
	}
	maps.DeleteFunc(keys, func(_ string, values []string) bool { return len(values) == 0 })
	return keys
}

// requestTags are the tags in a call, in IAM's form or in EKS's.
func (c *call) requestTags() []tag {
	tags := tagsOf(c.in.Struct("tags"))
	for _, t := range c.in.Structs("Tags") {
		tags = append(tags, tag{t.Str("Key"), t.Str("Value")})
	}
	return tags
}

// boundaryKey is the value of iam:PermissionsBoundary: the boundary in the request if the
// action sets one, and that of the role if the action changes its permissions.
func (c *call) boundaryKey() string {
	switch c.action {
	case "CreateRole", "PutRolePermissionsBoundary":
		return c.in.Str("PermissionsBoundary")
	case "AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy", "DeleteRolePermissionsBoundary":
		if r := c.st.roles[strings.ToLower(c.in.Str("RoleName"))]; r != nil {
			return r.boundary
		}
	}
	return ""
}
