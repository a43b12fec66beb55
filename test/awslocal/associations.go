package awslocal

import (
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// EKS Pod Identity associations:
// https://docs.aws.amazon.com/eks/latest/APIReference/API_PodIdentityAssociation.html

type association struct {
	id, arn, cluster, namespace, serviceAccount string
	roleARN, targetRoleARN, externalID, policy  string
	disableSessionTags                          bool
	tags                                        model.Struct
	created, modified                           time.Time
	token                                       string // of the request that created it
}

func createPodIdentityAssociation(c *call) (model.Struct, error) {
	in := c.in
	cl, err := c.cluster(in.Str("clusterName"))
	if err != nil {
		return nil, err
	}
	count := 0
	for _, a := range c.st.associations {
		if a.cluster != cl.name {
			continue
		}
		count++
		if a.namespace != in.Str("namespace") || a.serviceAccount != in.Str("serviceAccount") {
			continue
		}
		if in.Has("clientRequestToken") && a.token == in.Str("clientRequestToken") && a.roleARN == in.Str("roleArn") {
			return model.Struct{"association": a.detail()}, nil // the same request again
		}
		return nil, model.Errorf("ResourceInUseException", "Association already exists: %s", a.id)
	}
	if limit := c.srv.quota(associationsQuota); count >= limit {
		return nil, model.Errorf("ResourceLimitExceededException",
			"The maximum number of Pod Identity associations (%d) for the cluster has been reached", limit)
	}
	a := &association{
		id:             "a-" + c.srv.random.text(lowerLetters, 17),
		cluster:        cl.name,
		namespace:      in.Str("namespace"),
		serviceAccount: in.Str("serviceAccount"),
		tags:           in.Struct("tags"),
		created:        c.now,
		token:          in.Str("clientRequestToken"),
	}
	a.arn = c.eksARN("podidentityassociation/" + cl.name + "/" + a.id)
	if err := c.configure(a); err != nil {
		return nil, err
	}
	c.st.associations[a.id] = a
	return model.Struct{"association": a.detail()}, nil
}

func describePodIdentityAssociation(c *call) (model.Struct, error) {
	a, err := c.association()
	if err != nil {
		return nil, err
	}
	return model.Struct{"association": a.detail()}, nil
}

// listPodIdentityAssociations returns no roles: they need a Describe each.
func listPodIdentityAssociations(c *call) (model.Struct, error) {
	in := c.in
	cl, err := c.cluster(in.Str("clusterName"))
	if err != nil {
		return nil, err
	}
	var wanted []*association
	for _, a := range sorted(c.st.associations, func(a *association) string { return a.id }) {
		if a.cluster == cl.name && (!in.Has("namespace") || a.namespace == in.Str("namespace")) &&
			(!in.Has("serviceAccount") || a.serviceAccount == in.Str("serviceAccount")) {
			wanted = append(wanted, a)
		}
	}
	out := model.Struct{}
	wanted, err = pageEKS(c, out, wanted, func(a *association) string { return a.id })
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, a := range wanted {
		items = append(items, a.summary())
	}
	out["associations"] = items
	return out, nil
}

func updatePodIdentityAssociation(c *call) (model.Struct, error) {
	old, err := c.association()
	if err != nil {
		return nil, err
	}
	a := *old
	if err := c.configure(&a); err != nil {
		return nil, err
	}
	c.st.associations[a.id] = &a
	return model.Struct{"association": a.detail()}, nil
}

func deletePodIdentityAssociation(c *call) (model.Struct, error) {
	a, err := c.association()
	if err != nil {
		return nil, err
	}
	delete(c.st.associations, a.id)
	return model.Struct{"association": a.detail()}, nil
}

func (c *call) association() (*association, error) {
	cl, err := c.cluster(c.in.Str("clusterName"))
	if err != nil {
		return nil, err
	}
	id := c.in.Str("associationId")
	a := c.st.associations[id]
	if a == nil || a.cluster != cl.name {
		return nil, model.Errorf("ResourceNotFoundException", "No association found for cluster: %s, associationId: %s", cl.name, id)
	}
	return a, nil
}

// configure sets the fields that a request may set, if the role can be used.
func (c *call) configure(a *association) error {
	in := c.in
	if in.Has("roleArn") {
		a.roleARN = in.Str("roleArn")
		if err := c.checkPodRole(a); err != nil {
			return err
		}
	}
	if in.Has("targetRoleArn") {
		a.targetRoleARN = in.Str("targetRoleArn")
	}
	if a.targetRoleARN != "" && a.externalID == "" {
		a.externalID = c.srv.random.uuid()
	}
	if in.Has("disableSessionTags") {
		a.disableSessionTags = in.Bool("disableSessionTags")
	}
	if in.Has("policy") {
		a.policy = in.Str("policy")
		if err := checkIdentityPolicy(a.policy); err != nil {
			return model.Errorf("InvalidParameterException", "%s", asAPIError(err).Message)
		}
	}
	if a.policy != "" && !a.disableSessionTags {
		return model.Errorf("InvalidParameterException", "disableSessionTags must be true if there is a policy")
	}
	a.modified = c.now
	return nil
}

// checkPodRole rejects a role of another account, one that does not exist, and
// one that EKS may not assume.
func (c *call) checkPodRole(a *association) error {
	parsed, ok := parseARN(a.roleARN)
	if !ok || parsed.service != "iam" || !strings.HasPrefix(parsed.resource, "role/") {
		return model.Errorf("InvalidParameterException", "Invalid role ARN: %s", a.roleARN)
	}
	if parsed.account != c.srv.options.Account {
		return model.Errorf("InvalidRequestException", "Cross-account pass role is not allowed.")
	}
	r := c.st.roles[strings.ToLower(a.roleARN[strings.LastIndex(a.roleARN, "/")+1:])]
	if r == nil || r.arn != a.roleARN {
		return model.Errorf("InvalidParameterException", "Role provided in the request does not exist.")
	}
	keys := c.requestKeys()
	for key, value := range map[string]string{
		"eks-cluster-arn":            c.st.clusters[a.cluster].arn,
		"eks-cluster-name":           a.cluster,
		"kubernetes-namespace":       a.namespace,
		"kubernetes-service-account": a.serviceAccount,
	} {
		keys["aws:RequestTag/"+key] = []string{value}
	}
	pods := []policy.Principal{{Type: policy.Service, ID: "pods.eks.amazonaws.com"}}
	if r.trusts("sts:AssumeRole", pods, keys) != policy.Allowed || r.trusts("sts:TagSession", pods, keys) != policy.Allowed {
		return model.Errorf("InvalidParameterException",
			"Trust policy of the role provided is invalid. Follow the official documentation to resolve the issue.")
	}
	return nil
}

func (a *association) summary() model.Struct {
	return model.Struct{
		"clusterName":    a.cluster,
		"namespace":      a.namespace,
		"serviceAccount": a.serviceAccount,
		"associationArn": a.arn,
		"associationId":  a.id,
	}
}

func (a *association) detail() model.Struct {
	out := a.summary()
	out["roleArn"] = a.roleARN
	out["createdAt"], out["modifiedAt"] = a.created, a.modified
	out["disableSessionTags"] = a.disableSessionTags
	out["tags"] = shownTags(a.tags)
	for key, value := range map[string]string{"targetRoleArn": a.targetRoleARN, "externalId": a.externalID, "policy": a.policy} {
		if value != "" {
			out[key] = value
		}
	}
	return out
}
