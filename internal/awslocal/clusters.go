package awslocal

import (
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/internal/awslocal/model"
)

// EKS clusters, as state alone: no control plane runs behind them.
// https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html

type cluster struct {
	name, arn, roleARN, version, issuer string
	created                             time.Time
	subnets                             []string
	tags                                model.Struct
}

func createCluster(c *call) (model.Struct, error) {
	in := c.in
	name := in.Str("name")
	if c.st.clusters[name] != nil {
		return nil, model.Errorf("ResourceInUseException", "Cluster already exists with name: %s", name)
	}
	cl := &cluster{
		name:    name,
		arn:     c.eksARN("cluster/" + name),
		roleARN: in.Str("roleArn"),
		version: in.Str("version"),
		issuer: "https://oidc.eks." + c.srv.options.Region + "." + dnsSuffix(c.srv.options.Partition) + "/id/" +
			c.srv.random.text("0123456789ABCDEF", 32),
		created: c.now,
		subnets: in.Struct("resourcesVpcConfig").Strings("subnetIds"),
		tags:    in.Struct("tags"),
	}
	if cl.version == "" {
		cl.version = "1.35"
	}
	c.st.clusters[name] = cl
	return model.Struct{"cluster": cl.detail()}, nil
}

func describeCluster(c *call) (model.Struct, error) {
	cl, err := c.cluster(c.in.Str("name"))
	if err != nil {
		return nil, err
	}
	return model.Struct{"cluster": cl.detail()}, nil
}

func listClusters(c *call) (model.Struct, error) {
	out := model.Struct{}
	clusters, err := pageEKS(c, out, sorted(c.st.clusters, func(cl *cluster) string { return cl.name }),
		func(cl *cluster) string { return cl.name })
	if err != nil {
		return nil, err
	}
	names := []any{}
	for _, cl := range clusters {
		names = append(names, cl.name)
	}
	out["clusters"] = names
	return out, nil
}

// deleteCluster takes the cluster's associations with it.
func deleteCluster(c *call) (model.Struct, error) {
	cl, err := c.cluster(c.in.Str("name"))
	if err != nil {
		return nil, err
	}
	delete(c.st.clusters, cl.name)
	for id, a := range c.st.associations {
		if a.cluster == cl.name {
			delete(c.st.associations, id)
		}
	}
	out := cl.detail()
	out["status"] = "DELETING"
	return model.Struct{"cluster": out}, nil
}

func (c *call) cluster(name string) (*cluster, error) {
	cl := c.st.clusters[name]
	if cl == nil {
		return nil, model.Errorf("ResourceNotFoundException", "No cluster found for name: %s.", name)
	}
	return cl, nil
}

func (cl *cluster) detail() model.Struct {
	out := model.Struct{
		"name":               cl.name,
		"arn":                cl.arn,
		"createdAt":          cl.created,
		"version":            cl.version,
		"roleArn":            cl.roleARN,
		"resourcesVpcConfig": model.Struct{"subnetIds": model.List(cl.subnets)},
		"identity":           model.Struct{"oidc": model.Struct{"issuer": cl.issuer}},
		"status":             "ACTIVE",
		"tags":               model.Struct{},
	}
	if cl.tags != nil {
		out["tags"] = cl.tags
	}
	return out
}

func (c *call) eksARN(resource string) string {
	o := c.srv.options
	return "arn:" + o.Partition + ":eks:" + o.Region + ":" + o.Account + ":" + resource
}

// dnsSuffix is the domain of a partition's services.
func dnsSuffix(partition string) string {
	switch partition {
	case "aws-cn":
		return "amazonaws.com.cn"
	case "aws-eusc":
		return "amazonaws.eu"
	}
	return "amazonaws.com"
}

// pageEKS is page for EKS, which has other names for the same.
func pageEKS[T any](c *call, out model.Struct, items []T, key func(T) string) ([]T, error) {
	asked := &call{in: model.Struct{"Marker": c.in.Str("nextToken"), "MaxItems": int64(c.in.Int("maxResults", 100))}, pageCap: c.pageCap}
	paged := model.Struct{}
	items, err := page(asked, paged, items, key)
	if err != nil {
		return nil, model.Errorf("InvalidParameterException", "%s", strings.Replace(asAPIError(err).Message, "Marker", "nextToken", 1))
	}
	if paged.Has("Marker") {
		out["nextToken"] = paged["Marker"]
	}
	return items, nil
}
