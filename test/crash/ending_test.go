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
	"github.com/podidentity/podidentity-operator/test/testenv"
)

// An ending is all that is there, without what differs between two runs of the
// same scenario: times, and IDs that the API server and AWS give.
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
func (e *env) ending() ending {
	e.Helper()
	found := ending{Roles: e.roles(), ServiceAccounts: map[string]serviceAccount{}}
	known := func(id string) string {
		switch id {
		case e.uid:
			return "the object's"
		case found.Roles[e.roleName()].id:
			return "the role's"
		}
		return id
	}
	for _, r := range found.Roles {
		for key, value := range r.Tags {
			r.Tags[key] = known(value)
			if key == plan.TagRetainedAt {
				r.Tags[key] = "some time" // it differs between runs
			}
		}
	}
	var accounts corev1.ServiceAccountList
	e.Must(e.Client.List(e.Context(), &accounts, client.InNamespace(e.Namespace)))
	for _, sa := range accounts.Items {
		view := serviceAccount{Annotations: sa.Annotations, Labels: sa.Labels}
		for _, owner := range sa.OwnerReferences {
			view.Owners = append(view.Owners, owner.Kind+" "+owner.Name+" "+known(string(owner.UID)))
		}
		found.ServiceAccounts[sa.Name] = view
	}
	if pi := e.get(); pi != nil {
		found.Finalizers, found.Status = pi.Finalizers, pi.Status
		if found.Status.Role != nil {
			found.Status.Role.ID = known(found.Status.Role.ID)
		}
		for i := range found.Status.Conditions {
			found.Status.Conditions[i].LastTransitionTime = metav1.Time{}
		}
	}
	return found
}

// roles returns all roles of the account, by name.
func (e *env) roles() map[string]role {
	e.Helper()
	roles := map[string]role{}
	details := iam.NewGetAccountAuthorizationDetailsPaginator(e.AWS.IAM, &iam.GetAccountAuthorizationDetailsInput{Filter: []iamtypes.EntityType{iamtypes.EntityTypeRole}})
	for details.HasMorePages() {
		page, err := details.NextPage(e.Context())
		e.Must(err)
		for i := range page.RoleDetailList {
			roles[aws.ToString(page.RoleDetailList[i].RoleName)] = e.role(&page.RoleDetailList[i])
		}
	}
	return roles
}

func (e *env) role(detail *iamtypes.RoleDetail) role {
	e.Helper()
	out, err := e.AWS.IAM.GetRole(e.Context(), &iam.GetRoleInput{RoleName: detail.RoleName})
	e.Must(err)
	r := role{
		id:   aws.ToString(detail.RoleId),
		Path: aws.ToString(detail.Path), Description: aws.ToString(out.Role.Description), MaxSession: aws.ToInt32(out.Role.MaxSessionDuration),
		Trust: e.document(detail.AssumeRolePolicyDocument), Inline: map[string]policy.Document{}, Tags: map[string]string{},
	}
	if b := detail.PermissionsBoundary; b != nil {
		r.Boundary = aws.ToString(b.PermissionsBoundaryArn)
	}
	for _, attached := range detail.AttachedManagedPolicies {
		r.Managed = append(r.Managed, aws.ToString(attached.PolicyArn))
	}
	slices.Sort(r.Managed)
	for _, inline := range detail.RolePolicyList {
		r.Inline[aws.ToString(inline.PolicyName)] = e.document(inline.PolicyDocument)
	}
	for _, tag := range detail.Tags {
		r.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return r
}

// document returns a policy as AWS returns it in canonical form.
func (e *env) document(encoded *string) policy.Document {
	e.Helper()
	raw, err := url.PathUnescape(aws.ToString(encoded))
	e.Must(err)
	document, err := policy.Parse([]byte(raw))
	e.Must(err)
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

// clear removes what a scenario has made.
func (e *env) clear() {
	e.Helper()
	e.Must(client.IgnoreNotFound(e.Client.Delete(e.Context(), &v1alpha1.PodIdentity{ObjectMeta: e.meta()})))
	e.Eventually("the object to be gone", func() bool { return e.get() == nil })
	e.Must(client.IgnoreNotFound(e.Client.Delete(e.Context(), &corev1.ServiceAccount{ObjectMeta: e.meta()})))
	name := e.roleName()
	left, ok := e.roles()[name]
	if !ok {
		return
	}
	for _, arn := range left.Managed {
		_, err := e.AWS.IAM.DetachRolePolicy(e.Context(), &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: &arn})
		e.Must(err)
	}
	for policyName := range maps.Keys(left.Inline) {
		_, err := e.AWS.IAM.DeleteRolePolicy(e.Context(), &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: &policyName})
		e.Must(err)
	}
	_, err := e.AWS.IAM.DeleteRole(e.Context(), &iam.DeleteRoleInput{RoleName: &name})
	e.Must(err)
}

// createUnrelated creates a role and a ServiceAccount that the operator does not own.
func (e *env) createUnrelated() {
	e.Helper()
	e.createRole("unrelated", "/", strings.ReplaceAll(trustOfNamespace, "NAMESPACE", "other"), plan.Owner{})
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Namespace: e.Namespace, Name: "unrelated", Annotations: map[string]string{plan.AnnotationRoleARN: "arn:aws:iam::" + testenv.AccountID + ":role/unrelated"},
	}}
	e.Must(e.Client.Create(e.Context(), sa))
	e.awaitServiceAccount("default")
}

// awaitServiceAccount waits for a ServiceAccount.
func (e *env) awaitServiceAccount(name string) {
	e.Helper()
	e.Eventually("ServiceAccount "+name, func() bool {
		err := e.Client.Get(e.Context(), client.ObjectKey{Namespace: e.Namespace, Name: name}, &corev1.ServiceAccount{})
		e.Must(client.IgnoreNotFound(err))
		return err == nil
	})
}

// createRole creates a role that may do everything, as another tool.
func (e *env) createRole(name, path, trust string, owner plan.Owner) {
	e.Helper()
	var tags []iamtypes.Tag
	if owner.Name != "" {
		owner.ClusterID = e.clusterID()
		for key, value := range owner.Tags() {
			tags = append(tags, iamtypes.Tag{Key: &key, Value: &value})
		}
	}
	trust = strings.ReplaceAll(trust, "ISSUER", strings.TrimPrefix(e.Issuer, "https://"))
	_, err := e.AWS.IAM.CreateRole(e.Context(), &iam.CreateRoleInput{RoleName: &name, Path: &path, Tags: tags, AssumeRolePolicyDocument: &trust})
	e.Must(err)
	_, err = e.AWS.IAM.PutRolePolicy(e.Context(), &iam.PutRolePolicyInput{
		RoleName: &name, PolicyName: aws.String("everything"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`),
	})
	e.Must(err)
}

// trustOfNamespace is a trust policy for all ServiceAccounts of a namespace.
const trustOfNamespace = `{"Version":"2012-10-17","Statement":{"Effect":"Allow",
	"Principal":{"Federated":"arn:aws:iam::` + testenv.AccountID + `:oidc-provider/ISSUER"},"Action":"sts:AssumeRoleWithWebIdentity",
	"Condition":{"StringEquals":{"ISSUER:aud":"sts.amazonaws.com"},"StringLike":{"ISSUER:sub":"system:serviceaccount:NAMESPACE:*"}}}}`
