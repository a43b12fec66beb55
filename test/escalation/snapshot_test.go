package escalation_test

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/installation"
)

// A snapshot is all that an attack must not change, by name: the whole AWS account,
// the ServiceAccounts of all namespaces of the scenario and of the operator's, and
// what else the other team has. An object of Kubernetes is its resource version, so
// that every write counts.
type snapshot map[string]string

func (s *scenario) snapshot() snapshot {
	s.Helper()
	all := snapshot{}
	s.addAccount(all)
	for _, namespace := range []string{s.namespace, s.otherNamespace, installation.Namespace} {
		var accounts corev1.ServiceAccountList
		s.must(admin.List(s.Context(), &accounts, client.InNamespace(namespace)))
		for i := range accounts.Items {
			all["ServiceAccount "+namespace+"/"+accounts.Items[i].Name] = accounts.Items[i].ResourceVersion
		}
	}
	var identities v1alpha1.PodIdentityList
	s.must(admin.List(s.Context(), &identities, client.InNamespace(s.otherNamespace)))
	for i := range identities.Items {
		all["PodIdentity "+identities.Items[i].Name] = identities.Items[i].ResourceVersion
	}
	var bindings rbacv1.RoleBindingList
	s.must(admin.List(s.Context(), &bindings, client.InNamespace(s.otherNamespace)))
	for i := range bindings.Items {
		all["RoleBinding "+bindings.Items[i].Name] = bindings.Items[i].ResourceVersion
	}
	return all
}

// addAccount adds the AWS account.
func (s *scenario) addAccount(all snapshot) {
	s.Helper()
	add := func(name string, value any) {
		raw, err := json.MarshalIndent(value, "", " ")
		s.must(err)
		all[name] = string(raw)
	}
	pages := iam.NewGetAccountAuthorizationDetailsPaginator(s.iam, &iam.GetAccountAuthorizationDetailsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.Context())
		s.must(err)
		for _, role := range page.RoleDetailList {
			role.RoleLastUsed = nil // each call with the role's credentials changes it
			add("role "+aws.ToString(role.RoleName), role)
		}
		for _, policy := range page.Policies {
			policy.AttachmentCount, policy.PermissionsBoundaryUsageCount = nil, nil // part of the roles
			add("policy "+aws.ToString(policy.Arn), policy)
		}
	}
	providers, err := s.iam.ListOpenIDConnectProviders(s.Context(), &iam.ListOpenIDConnectProvidersInput{})
	s.must(err)
	add("providers", providers.OpenIDConnectProviderList)
}

// unchanged fails the test if anything differs from the start of the scenario, except
// for the named entries.
func (s *scenario) unchanged(except ...string) {
	s.Helper()
	after := s.snapshot()
	differ := cmp.FilterPath(func(p cmp.Path) bool {
		index, ok := p.Last().(cmp.MapIndex)
		return ok && slices.Contains(except, index.Key().String())
	}, cmp.Ignore())
	if diff := cmp.Diff(s.before, after, differ); diff != "" {
		s.Errorf("something changed: -before, +after:\n%s", diff)
	}
}

// roleEntry is the name of a role in a snapshot.
func roleEntry(pi *v1alpha1.PodIdentity) string { return "role " + pi.Status.Role.Name }

// accountEntry is the name of a ServiceAccount of the tenant in a snapshot.
func (s *scenario) accountEntry(name string) string {
	return fmt.Sprintf("ServiceAccount %s/%s", s.namespace, name)
}
