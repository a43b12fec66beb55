package awslocal

import (
	"encoding/base64"
	"maps"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// EKS clusters, as records only: no control plane runs behind them.
// https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html

type cluster struct {
	name, arn, roleARN, version, id string
	created                         time.Time
	vpc, network, access, upgrade   model.Struct
	tags                            model.Struct
	deletionProtection              bool
}

// maxClusters is the quota of a region.
const maxClusters = 100

// noControlPlane is the value in place of a CA certificate.
const noControlPlane = "no control plane runs here"

func createCluster(c *call) (model.Struct, error) {
	name := c.in.Str("name")
	if c.st.clusters[name] != nil {
		return nil, model.Errorf("ResourceInUseException", "Cluster already exists with name: %s", name)
	}
	if len(c.st.clusters) >= maxClusters {
		return nil, model.Errorf("ResourceLimitExceededException", "The maximum number of clusters (%d) has been reached", maxClusters)
	}
	cl := c.newCluster()
	c.st.clusters[name] = cl
	out := c.clusterDetail(cl)
	out["status"] = "CREATING"
	return model.Struct{"cluster": out}, nil
}

func (c *call) newCluster() *cluster {
	in := c.in
	cl := &cluster{
		name:    in.Str("name"),
		arn:     c.eksARN("cluster/" + in.Str("name")),
		roleARN: in.Str("roleArn"),
		version: in.Str("version"),
		id:      c.srv.random.text("0123456789ABCDEF", 32),
		created: c.now,
		vpc: withDefaults(in.Struct("resourcesVpcConfig"), model.Struct{
			"subnetIds": []any{}, "securityGroupIds": []any{}, "publicAccessCidrs": []any{"0.0.0.0/0"},
			"vpcId":                  "vpc-" + c.srv.random.text(hexLetters, 17),
			"clusterSecurityGroupId": "sg-" + c.srv.random.text(hexLetters, 17),
			"endpointPublicAccess":   true, "endpointPrivateAccess": false,
		}),
		network: withDefaults(in.Struct("kubernetesNetworkConfig"), model.Struct{
			"serviceIpv4Cidr": "10.100.0.0/16", "ipFamily": "ipv4", "elasticLoadBalancing": model.Struct{"enabled": false},
		}),
		access:  model.Struct{"authenticationMode": "CONFIG_MAP"},
		upgrade: withDefaults(in.Struct("upgradePolicy"), model.Struct{"supportType": "EXTENDED"}),
		tags:    in.Struct("tags"),

		deletionProtection: in.Bool("deletionProtection"),
	}
	if mode := in.Struct("accessConfig").Str("authenticationMode"); mode != "" {
		cl.access["authenticationMode"] = mode
	}
	if cl.version == "" {
		cl.version = "1.35"
	}
	return cl
}

// withDefaults returns the values of a call, with defaults for the others.
func withDefaults(given, defaults model.Struct) model.Struct {
	out := maps.Clone(defaults)
	maps.Copy(out, given)
	return out
}

func describeCluster(c *call) (model.Struct, error) {
	cl, err := c.cluster(c.in.Str("name"))
	if err != nil {
		return nil, err
	}
	return model.Struct{"cluster": c.clusterDetail(cl)}, nil
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

// deleteCluster also deletes the cluster's associations.
func deleteCluster(c *call) (model.Struct, error) {
	cl, err := c.cluster(c.in.Str("name"))
	if err != nil {
		return nil, err
	}
	if cl.deletionProtection {
		return nil, model.Errorf("InvalidRequestException", "Cannot delete cluster %s: deletion protection is enabled", cl.name)
	}
	delete(c.st.clusters, cl.name)
	for id, a := range c.st.associations {
		if a.cluster == cl.name {
			delete(c.st.associations, id)
		}
	}
	out := c.clusterDetail(cl)
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

// clusterDetail is a cluster as AWS shows it. The address of its API server and the
// certificate are made up.
func (c *call) clusterDetail(cl *cluster) model.Struct {
	o := c.srv.options
	domain := o.Region + "." + dnsSuffix(o.Partition)
	return model.Struct{
		"name":                    cl.name,
		"arn":                     cl.arn,
		"createdAt":               cl.created,
		"version":                 cl.version,
		"platformVersion":         "eks.1",
		"endpoint":                "https://" + cl.id + ".gr7." + o.Region + ".eks." + dnsSuffix(o.Partition),
		"certificateAuthority":    model.Struct{"data": base64.StdEncoding.EncodeToString([]byte(noControlPlane))},
		"roleArn":                 cl.roleARN,
		"resourcesVpcConfig":      cl.vpc,
		"kubernetesNetworkConfig": cl.network,
		"logging": model.Struct{"clusterLogging": []any{model.Struct{
			"types": []any{"api", "audit", "authenticator", "controllerManager", "scheduler"}, "enabled": false,
		}}},
		"identity":           model.Struct{"oidc": model.Struct{"issuer": "https://oidc.eks." + domain + "/id/" + cl.id}},
		"accessConfig":       cl.access,
		"upgradePolicy":      cl.upgrade,
		"health":             model.Struct{"issues": []any{}},
		"deletionProtection": cl.deletionProtection,
		"status":             "ACTIVE",
		"tags":               shownTags(cl.tags),
	}
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

// pageEKS is page for EKS, whose parameters have other names.
func pageEKS[T any](c *call, out model.Struct, items []T, key func(T) string) ([]T, error) {
	paging := &call{in: model.Struct{"Marker": c.in.Str("nextToken"), "MaxItems": int64(c.in.Int("maxResults", 100))}, pageCap: c.pageCap}
	paged := model.Struct{}
	items, err := page(paging, paged, items, key)
	if err != nil {
		return nil, model.Errorf("InvalidParameterException", "%s", strings.Replace(asAPIError(err).Message, "Marker", "nextToken", 1))
	}
	if paged.Has("Marker") {
		out["nextToken"] = paged["Marker"]
	}
	return items, nil
}
