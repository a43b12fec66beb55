package forecast

import (
	"cmp"
	"strings"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// unknownIssuer has the length of the issuer of an EKS cluster, for the size of the
// trust policy of a cluster that is not known.
const unknownIssuer = "https://oidc.eks.xx-xxxxxxxxx-0.amazonaws.com/id/00000000000000000000000000000000"

// ClusterFor completes what is not known of a cluster, for an identity: the partition
// and the account are those of its first policy of an account, so that policies of
// two accounts are still rejected.
func ClusterFor(pi *v1alpha1.PodIdentity, known plan.Cluster) plan.Cluster {
	partition, account := "", ""
	for _, arn := range append([]v1alpha1.PolicyARN{pi.Spec.Role.PermissionsBoundary}, pi.Spec.Policies.Managed...) {
		part := strings.SplitN(string(arn), ":", 6)
		if len(part) < 6 {
			continue
		}
		partition = cmp.Or(partition, part[1])
		if part[4] != "aws" {
			account = cmp.Or(account, part[4])
		}
	}
	known.Name = cmp.Or(known.Name, "cluster")
	known.Partition = cmp.Or(known.Partition, partition, "aws")
	known.AccountID = cmp.Or(known.AccountID, account, "000000000000")
	known.Issuer = cmp.Or(known.Issuer, unknownIssuer)
	known.Audience = cmp.Or(known.Audience, plan.DefaultAudience)
	known.RolePath = cmp.Or(known.RolePath, "/podidentity/"+known.Name+"/")
	return known
}
