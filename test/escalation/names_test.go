package escalation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// createRole creates a role as the platform team, which trusts the account.
func (s *scenario) createRole(name, path string, tags map[string]string) {
	s.Helper()
	input := &iam.CreateRoleInput{RoleName: &name, Path: &path, AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}`)}
	input.Tags = tagList(tags)
	_, err := s.iam.CreateRole(s.Context(), input)
	s.must(err)
	s.before = s.snapshot()
}

func tagList(tags map[string]string) []iamtypes.Tag {
	var list []iamtypes.Tag
	for key, value := range tags {
		list = append(list, iamtypes.Tag{Key: &key, Value: &value})
	}
	return list
}

// The name of a role leads to no role of another owner, and the message does not tell
// the tenant who that is.
func TestRoleName_OfAnotherOwner(t *testing.T) {
	s := open(t, options{boundary: true})
	s.createRole("Administrators", "/", nil)
	generated := s.victim.Status.Role.Name
	for name, tc := range map[string]struct{ role, want string }{
		"generated":  {generated, "has the form of a generated name"},
		"other-case": {strings.ToUpper(generated), "has the form of a generated name"},
		"future":     {plan.RoleName(clusterName, s.otherNamespace, "tomorrow"), "has the form of a generated name"},
		"platform":   {"administrators", "already exists and has another owner"},
		"operator":   {"podidentity-operator-" + clusterName, "already exists and has another owner"},
	} {
		for _, adoption := range []string{"Never", "IfTagged"} {
			message := s.reject(name+strings.ToLower(adoption), "role: {name: "+tc.role+", adoptionPolicy: "+adoption+"}")
			s.expect(message, tc.want)
		}
	}
	s.unchanged()
}

// A join of namespace and name by a dash makes one name of those of tenant and
// otherNamespace.
func TestRoleName_DoesNotCollide(t *testing.T) {
	s := open(t, options{})
	suffix := strings.TrimPrefix(s.otherNamespace, s.namespace+"-")
	name := suffix + "-" + s.victim.Name
	s.apply(name, "{}")
	pi := s.awaitReady(s.namespace, name)
	if strings.EqualFold(pi.Status.Role.Name, s.victim.Status.Role.Name) {
		s.Errorf("both roles are named %s", pi.Status.Role.Name)
	}
	s.cannotAssume(s.namespace, name, s.victim.Status.Role.ARN)
	s.unchanged(roleEntry(pi), s.accountEntry(name))
}

// A role is adopted only if all of its tags identify the object and the cluster.
func TestAdoption_NeedsAllTags(t *testing.T) {
	s := open(t, options{boundary: true})
	var system corev1.Namespace
	s.must(admin.Get(s.Context(), keyOf("kube-system"), &system))
	for name, forge := range map[string]func(*plan.Owner) bool{
		"without-tags":    func(*plan.Owner) bool { return false },
		"other-namespace": func(o *plan.Owner) bool { o.Namespace = s.otherNamespace; return true },
		"other-name":      func(o *plan.Owner) bool { o.Name = "checkout"; return true },
		"other-cluster":   func(o *plan.Owner) bool { o.Cluster = "blue"; return true },
		"same-name":       func(o *plan.Owner) bool { o.ClusterID = "0f8fad5b-d9cb-469f-a165-70867728950e"; return true },
	} {
		owner := plan.Owner{Cluster: clusterName, ClusterID: string(system.UID), Namespace: s.namespace, Name: name, UID: "earlier"}
		var tags map[string]string
		if forge(&owner) {
			tags = owner.Tags()
		}
		s.createRole(plan.RoleName(clusterName, s.namespace, name), rolePath, tags)
		s.expect(s.reject(name, "role: {adoptionPolicy: IfTagged}"), "already exists and has another owner")
	}
	s.unchanged()
}

// Another cluster uses the same name, and its roles are in the same path. The operator
// neither seals them, though no object of this cluster owns them, nor takes them over.
func TestCluster_OfTheSameNameIsLeftAlone(t *testing.T) {
	s := open(t, options{driftInterval: time.Second})
	for _, name := range []string{"gone", "web"} {
		owner := plan.Owner{Cluster: clusterName, ClusterID: "0f8fad5b-d9cb-469f-a165-70867728950e", Namespace: s.namespace, Name: name, UID: "another"}
		s.createRole(plan.RoleName(clusterName, s.namespace, name), rolePath, owner.Tags())
	}
	s.expect(s.reject("web", "role: {adoptionPolicy: IfTagged}"), "already exists and has another owner")
	const checks = 2 * sightings
	before := s.account.Calls()["ListRoles"]
	s.eventually("several drift checks", func() bool { return s.account.Calls()["ListRoles"] >= before+checks })
	s.must(s.tenant.Delete(s.Context(), s.get(s.namespace, "web")))
	s.eventually("the object to be deleted", func() bool { return s.get(s.namespace, "web") == nil })
	s.unchanged()
}

// sightings is the number of drift checks after which a leaked role is sealed.
const sightings = 2

// Tags that name an object make no role outside the path that object's own.
func TestTeardown_ForgedTagsOutsideThePath(t *testing.T) {
	s := open(t, options{})
	const name = "outside"
	s.createRole(name, "/", nil)
	s.expect(s.reject("web", "role: {name: "+name+"}"), "already exists and has another owner")
	var system corev1.Namespace
	s.must(admin.Get(s.Context(), keyOf("kube-system"), &system))
	owner := plan.Owner{Cluster: clusterName, ClusterID: string(system.UID), Namespace: s.namespace, Name: "web", UID: string(s.get(s.namespace, "web").UID)}
	_, err := s.iam.TagRole(s.Context(), &iam.TagRoleInput{RoleName: aws.String(name), Tags: tagList(owner.Tags())})
	s.must(err)
	s.before = s.snapshot()
	calls := s.account.Calls()
	s.edit("web", func(pi *v1alpha1.PodIdentity) {
		pi.Annotations = map[string]string{v1alpha1.RequestedAtAnnotation: "now"}
	})
	s.eventually("the request to be handled", func() bool { return s.get(s.namespace, "web").Status.LastHandledReconcileAt == "now" })
	s.must(s.tenant.Delete(s.Context(), s.get(s.namespace, "web")))
	s.eventually("the object to be deleted", func() bool { return s.get(s.namespace, "web") == nil })
	for call, n := range s.account.Calls() {
		read := strings.HasPrefix(call, "Get") || strings.HasPrefix(call, "List")
		if !read && call != "CreateRole" && n > calls[call] { // IAM rejects CreateRole for a name that exists
			s.Errorf("the operator called %s", call)
		}
	}
	s.unchanged()
}

// The status redirects the operator to no other role.
func TestStatus_IsNoAuthority(t *testing.T) {
	s := open(t, options{})
	s.apply("web", "{}")
	pi := s.awaitReady(s.namespace, "web")
	own := roleEntry(pi)
	before := pi.DeepCopy()
	pi.Status.Role = s.victim.Status.Role.DeepCopy()
	if err := s.tenant.Status().Patch(s.Context(), pi, client.MergeFrom(before)); !apierrors.IsForbidden(err) {
		s.Errorf("a tenant writes the status: %v", err)
	}
	s.must(admin.Status().Patch(s.Context(), pi, client.MergeFrom(before)))
	s.must(s.tenant.Delete(s.Context(), pi))
	s.eventually("the object to be deleted", func() bool { return s.get(s.namespace, "web") == nil })
	s.unchanged(own, s.accountEntry("web"))
}
