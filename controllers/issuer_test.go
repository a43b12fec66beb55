package controllers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

var ownerNone plan.Owner

// Without an IAM OIDC provider nothing is made; the condition has the command
// that makes one.
func TestProvider_MissingOneIsReportedWithTheCommand(t *testing.T) {
	t.Parallel()
	s := newEnv(t)
	before := s.account.Calls()
	s.start()
	s.apply(checkout)
	pi := s.await("checkout", v1alpha1.ConditionIssuerReady, metav1.ConditionFalse, v1alpha1.ReasonOIDCProviderNotFound)
	want := "aws iam create-open-id-connect-provider --url " + cluster.Issuer + " --client-id-list sts.amazonaws.com"
	if got := condition(pi, v1alpha1.ConditionReady).Message; !strings.Contains(got, want) {
		t.Errorf("message = %q, want it to hold %q", got, want)
	}
	if len(written(before, s.account.Calls())) > 0 || len(pi.Finalizers) != 0 {
		t.Error("The operator created something that no pod can use.")
	}

	s.createProvider()
	s.request("checkout", "made")
	s.awaitReady("checkout")
}

// A requested check also reads the provider, but many requests together read it once.
func TestProvider_ManyRequestsReadItOnce(t *testing.T) {
	s := startEnv(t)
	names := s.applyMany(8)
	before := s.account.Calls()
	began := time.Now()
	for _, name := range names {
		s.request(name, "all")
	}
	for _, name := range names {
		s.eventually("the request to be handled", func() bool { return s.get(name).Status.LastHandledReconcileAt == "all" })
	}
	most := 1 + int(time.Since(began)/(10*time.Second)) // on a machine that is that slow
	if n := since(before, s.account.Calls())["GetOpenIDConnectProvider"]; n > most {
		t.Errorf("The provider was checked %d times.", n)
	}
}

// The next drift check after the provider is deleted, every identity reports it, and works
// again once the provider is back, without a request.
func TestProvider_DeletionIsReportedByAllIdentities(t *testing.T) {
	t.Parallel()
	s := newEnv(t, func(c *controllers.Config) { c.DriftCheckInterval = 15 * time.Second })
	s.createProvider()
	s.start()
	names := s.applyMany(5)
	for _, name := range names {
		s.awaitReady(name)
	}
	before := s.account.Calls()
	arn := "arn:aws:iam::123456789012:oidc-provider/" + strings.TrimPrefix(cluster.Issuer, "https://")
	_, err := s.iam.DeleteOpenIDConnectProvider(s.ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	s.must(err)
	for _, name := range names {
		s.await(name, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonOIDCProviderNotFound)
	}
	if changes := written(before, s.account.Calls()); len(changes) != 1 {
		t.Errorf("calls = %v, want no change by the operator", changes)
	}
	s.createProvider()
	for _, name := range names {
		s.awaitReady(name)
	}
}

// A provider that does not list the audience is as good as none.
func TestProvider_MissingAudienceIsReported(t *testing.T) {
	t.Parallel()
	s := newEnv(t)
	out, err := s.iam.CreateOpenIDConnectProvider(s.ctx, &iam.CreateOpenIDConnectProviderInput{Url: &cluster.Issuer, ClientIDList: []string{"other"}})
	s.must(err)
	s.start()
	s.apply(checkout)
	pi := s.await("checkout", v1alpha1.ConditionIssuerReady, metav1.ConditionFalse, v1alpha1.ReasonAudienceMissing)
	want := "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn " + aws.ToString(out.OpenIDConnectProviderArn) + " --client-id sts.amazonaws.com"
	if got := condition(pi, v1alpha1.ConditionReady).Message; !strings.Contains(got, want) {
		t.Errorf("message = %q, want it to hold %q", got, want)
	}
}

// If configured to, the operator creates the provider, with its ownership tags, and adds
// the audience to one that lacks it.
func TestProvider_IsCreatedWithTagsAndAudience(t *testing.T) {
	t.Parallel()
	for name, arrange := range map[string]func(*env){
		"None": func(*env) {},
		"WithoutAudience": func(s *env) {
			_, err := s.iam.CreateOpenIDConnectProvider(s.ctx, &iam.CreateOpenIDConnectProviderInput{Url: &cluster.Issuer, ClientIDList: []string{"other"}})
			s.must(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newEnv(t, func(c *controllers.Config) { c.CreateOIDCProvider = true })
			arrange(s)
			s.start()
			s.apply(checkout)
			pi := s.awaitReady("checkout")
			if err := s.assume("checkout", pi.Status.Role.ARN); err != nil {
				t.Errorf("The ServiceAccount cannot assume its role: %v", err)
			}
		})
	}
}
