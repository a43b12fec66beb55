package crash_test

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// An ending is all that is there, without what differs between two runs of the
// same story: times, and IDs that the API server and AWS give.
type ending struct {
	Roles           map[string]role           // of the account
	ServiceAccounts map[string]serviceAccount // of the namespace
	Finalizers      []string
	Status          v1alpha1.PodIdentityStatus
}

type role struct {
	Path, Description, Boundary string
	MaxSession                  int32
	Trust                       policy.Document
	Managed                     []string
	Inline                      map[string]policy.Document
	Tags                        map[string]string

	id string
}

type serviceAccount struct {
	Annotations, Labels map[string]string
	Owners              []string // kinds and names
}

// ending looks at everything.
func (w *world) ending() ending {
	w.Helper()
	e := ending{Roles: w.roles(), ServiceAccounts: map[string]serviceAccount{}}
	known := func(id string) string {
		switch id {
		case w.uid:
			return "the object's"
		case e.Roles[w.roleName()].id:
			return "the role's"
		}
		return id
	}
	for _, r := range e.Roles {
		for key, value := range r.Tags {
			r.Tags[key] = known(value)
			if key == plan.TagRetainedAt {
				r.Tags[key] = "some time" // it differs between runs
			}
		}
	}
	var accounts corev1.ServiceAccountList
	w.must(w.cluster.user.List(w.Context(), &accounts, client.InNamespace(w.namespace)))
	for _, sa := range accounts.Items {
		view := serviceAccount{Annotations: sa.Annotations, Labels: sa.Labels}
		for _, owner := range sa.OwnerReferences {
			view.Owners = append(view.Owners, owner.Kind+" "+owner.Name+" "+known(string(owner.UID)))
		}
		e.ServiceAccounts[sa.Name] = view
	}
	if pi := w.get(); pi != nil {
		e.Finalizers, e.Status = pi.Finalizers, pi.Status
		if e.Status.Role != nil {
			e.Status.Role.ID = known(e.Status.Role.ID)
		}
		for i := range e.Status.Conditions {
			e.Status.Conditions[i].LastTransitionTime = metav1.Time{}
		}
	}
	return e
}

// roles returns all roles of the account, by name.
func (w *world) roles() map[string]role {
	w.Helper()
	roles := map[string]role{}
	details := iam.NewGetAccountAuthorizationDetailsPaginator(w.iam, &iam.GetAccountAuthorizationDetailsInput{Filter: []iamtypes.EntityType{iamtypes.EntityTypeRole}})
	for details.HasMorePages() {
		page, err := details.NextPage(w.Context())
		w.must(err)
		for i := range page.RoleDetailList {
			roles[aws.ToString(page.RoleDetailList[i].RoleName)] = w.role(&page.RoleDetailList[i])
		}
	}
	return roles
}

func (w *world) role(detail *iamtypes.RoleDetail) role {
	w.Helper()
	out, err := w.iam.GetRole(w.Context(), &iam.GetRoleInput{RoleName: detail.RoleName})
	w.must(err)
	r := role{
		id:   aws.ToString(detail.RoleId),
		Path: aws.ToString(detail.Path), Description: aws.ToString(out.Role.Description), MaxSession: aws.ToInt32(out.Role.MaxSessionDuration),
		Trust: w.document(detail.AssumeRolePolicyDocument), Inline: map[string]policy.Document{}, Tags: map[string]string{},
	}
	if b := detail.PermissionsBoundary; b != nil {
		r.Boundary = aws.ToString(b.PermissionsBoundaryArn)
	}
	for _, attached := range detail.AttachedManagedPolicies {
		r.Managed = append(r.Managed, aws.ToString(attached.PolicyArn))
	}
	slices.Sort(r.Managed)
	for _, inline := range detail.RolePolicyList {
		r.Inline[aws.ToString(inline.PolicyName)] = w.document(inline.PolicyDocument)
	}
	for _, tag := range detail.Tags {
		r.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return r
}

// document returns a policy as AWS returns it in canonical form.
func (w *world) document(encoded *string) policy.Document {
	w.Helper()
	raw, err := url.PathUnescape(aws.ToString(encoded))
	w.must(err)
	document, err := policy.Parse([]byte(raw))
	w.must(err)
	return document
}

// within reports whether a role allows no caller what the other does not allow it.
func (r role) within(other role) bool {
	if other.Trust == "" {
		return false // there was none
	}
	if r.Boundary == "" && other.Boundary != "" || !policy.IsSubset(r.Trust, other.Trust) {
		return false
	}
	for _, arn := range r.Managed {
		if !slices.Contains(other.Managed, arn) {
			return false
		}
	}
	for name, document := range r.Inline {
		if !policy.IsSubset(document, other.Inline[name]) {
			return false
		}
	}
	return true
}

// clear removes what a story has made.
func (w *world) clear() {
	w.Helper()
	w.must(client.IgnoreNotFound(w.cluster.user.Delete(w.Context(), &v1alpha1.PodIdentity{ObjectMeta: w.meta()})))
	w.eventually("the object to be gone", func() bool { return w.get() == nil })
	w.must(client.IgnoreNotFound(w.cluster.user.Delete(w.Context(), &corev1.ServiceAccount{ObjectMeta: w.meta()})))
	name := w.roleName()
	left, ok := w.roles()[name]
	if !ok {
		return
	}
	for _, arn := range left.Managed {
		_, err := w.iam.DetachRolePolicy(w.Context(), &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: &arn})
		w.must(err)
	}
	for policyName := range maps.Keys(left.Inline) {
		_, err := w.iam.DeleteRolePolicy(w.Context(), &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: &policyName})
		w.must(err)
	}
	_, err := w.iam.DeleteRole(w.Context(), &iam.DeleteRoleInput{RoleName: &name})
	w.must(err)
}

// createUnrelated creates a role and a ServiceAccount that the operator does not own.
func (w *world) createUnrelated() {
	w.Helper()
	w.createRole("unrelated", "/", strings.ReplaceAll(trustOfNamespace, "NAMESPACE", "other"), plan.Owner{})
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Namespace: w.namespace, Name: "unrelated", Annotations: map[string]string{plan.AnnotationRoleARN: "arn:aws:iam::" + accountID + ":role/unrelated"},
	}}
	w.must(w.cluster.user.Create(w.Context(), sa))
	w.eventuallyThere("default")
}

// eventuallyThere waits for a ServiceAccount.
func (w *world) eventuallyThere(name string) {
	w.Helper()
	w.poll("ServiceAccount "+name, func() (bool, error) {
		err := w.cluster.user.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, &corev1.ServiceAccount{})
		return err == nil, client.IgnoreNotFound(err)
	})
}

// createRole creates a role that may do everything, as another tool.
func (w *world) createRole(name, path, trust string, owner plan.Owner) {
	w.Helper()
	var tags []iamtypes.Tag
	if owner.Name != "" {
		owner.ClusterID = w.clusterID()
		for key, value := range owner.Tags() {
			tags = append(tags, iamtypes.Tag{Key: &key, Value: &value})
		}
	}
	trust = strings.ReplaceAll(trust, "ISSUER", strings.TrimPrefix(w.cluster.Issuer, "https://"))
	_, err := w.iam.CreateRole(w.Context(), &iam.CreateRoleInput{RoleName: &name, Path: &path, Tags: tags, AssumeRolePolicyDocument: &trust})
	w.must(err)
	_, err = w.iam.PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{
		RoleName: &name, PolicyName: aws.String("everything"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`),
	})
	w.must(err)
}

// trustOfNamespace is a trust policy for all ServiceAccounts of a namespace.
const trustOfNamespace = `{"Version":"2012-10-17","Statement":{"Effect":"Allow",
	"Principal":{"Federated":"arn:aws:iam::` + accountID + `:oidc-provider/ISSUER"},"Action":"sts:AssumeRoleWithWebIdentity",
	"Condition":{"StringEquals":{"ISSUER:aud":"sts.amazonaws.com"},"StringLike":{"ISSUER:sub":"system:serviceaccount:NAMESPACE:*"}}}}`
