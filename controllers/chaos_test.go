package controllers_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// How long TestChaos_EverythingMatchesTheSpecsInTheEnd goes on, with how many identities, and the seed of what
// happens; `make chaos` asks for more than a test run does.
var (
	chaosFor        = flag.Duration("chaos", 5*time.Second, "how long TestChaos_EverythingMatchesTheSpecsInTheEnd goes on")
	chaosIdentities = flag.Int("identities", 10, "how many identities TestChaos_EverythingMatchesTheSpecsInTheEnd has")
	chaosSeed       = flag.Uint64("seed", 1, "seed of what happens in TestChaos_EverythingMatchesTheSpecsInTheEnd")
)

// chaosSpecs are what teams declare.
var chaosSpecs = []string{
	`{}`,
	`{role: {description: one, tags: {team: a}}, policies: {managed: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}}`,
	`{role: {maxSessionDurationSeconds: 7200, tags: {team: b, more: c}}, policies: {managed: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "arn:aws:iam::aws:policy/SecurityAudit"]}}`,
	`{policies: {inline: [{name: p, statements: [{effect: Allow, actions: ["s3:GetObject"], resources: ["*"]}]}]}}`,
	`{trust: {scope: Namespace}, policies: {inline: [
		{name: p, statements: [{effect: Allow, actions: ["s3:PutObject"], resources: ["*"]}]},
		{name: q, statements: [{effect: Deny, actions: ["s3:*"], resources: ["arn:aws:s3:::secret/*"]}]}]}}`,
}

// faultProfiles are the ways in which AWS behaves for a while.
var faultProfiles = []awslocal.Faults{
	{},
	{Latency: awslocal.Duration(50 * time.Millisecond), Jitter: awslocal.Duration(50 * time.Millisecond)},
	{Throttles: []awslocal.Throttle{{Rate: 20, Burst: 20}}},
	{Rules: []awslocal.Rule{{Error: "Throttling", Probability: 0.3}}},
	{Rules: []awslocal.Rule{{Error: "ServiceFailure", Probability: 0.2}}},
	{Rules: []awslocal.Rule{{Error: "ConcurrentModification", Action: "*Role*", Probability: 0.3}}},
	{Rules: []awslocal.Rule{{Error: awslocal.ConnectionReset, Probability: 0.1}}},
	{Rules: []awslocal.Rule{{Error: awslocal.ConnectionReset, After: true, Probability: 0.1}}},
	{ReadDelay: awslocal.Duration(time.Second)},
}

// chaos is an environment in which anything may happen.
type chaos struct {
	*env
	random *rand.Rand
	specs  map[string]string // of the identities that there are
}

// Teams create, edit and delete; other tools change roles and ServiceAccounts; AWS
// throttles, fails, drops connections and shows late what was written; the operator is
// restarted. When all is quiet again, everything matches the specs, and the operator
// has touched nothing of other owners.
func TestChaos_EverythingMatchesTheSpecsInTheEnd(t *testing.T) {
	runChaos(t, startEnv(t, func(c *controllers.Config) {
		c.IAMPropagationDelay, c.DriftCheckInterval, c.MaxConcurrentReconciles = 2*time.Second, 2*time.Second, 10
	}))
}

// The same with an event queue, whose messages come late, in disorder and several times.
func TestChaos_WithAnEventQueue(t *testing.T) {
	events := awslocal.Events{Delay: awslocal.Duration(100 * time.Millisecond), Spread: awslocal.Duration(2 * time.Second), Duplicates: 2}
	s := startEnvWithEvents(t, events, func(c *controllers.Config) {
		c.IAMPropagationDelay, c.DriftCheckInterval, c.MaxConcurrentReconciles = 2*time.Second, 20*time.Second, 10
	})
	runChaos(t, s)
}

func runChaos(t *testing.T, s *env) {
	t.Helper()
	c := &chaos{env: s, random: rand.New(rand.NewPCG(*chaosSeed, 0)), specs: map[string]string{}}
	t.Logf("seed %d, %d identities, %s", *chaosSeed, *chaosIdentities, *chaosFor)
	c.createRole("unrelated", "/", ownerNone)
	c.must(c.putPolicy("unrelated", "own"))
	unrelated := c.role("unrelated")
	other := c.createServiceAccount("unrelated", map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/unrelated"})

	over := time.After(*chaosFor)
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-over:
			running = false
		case <-tick.C:
			c.step()
		}
	}

	c.clearFaults()
	c.drain()
	if diff := cmp.Diff(unrelated, c.role("unrelated")); diff != "" {
		t.Errorf("role of another owner: -before, +after:\n%s", diff)
	}
	var after corev1.ServiceAccount
	c.must(user.Get(c.ctx, client.ObjectKeyFromObject(other), &after))
	if diff := cmp.Diff(other.ObjectMeta, after.ObjectMeta); diff != "" {
		t.Errorf("ServiceAccount of another owner: -before, +after:\n%s", diff)
	}
}

// step makes one random change.
func (c *chaos) step() {
	name := fmt.Sprintf("app-%d", c.random.IntN(*chaosIdentities))
	switch n := c.random.IntN(100); {
	case n < 50:
		c.declare(name)
	case n < 60:
		if _, ok := c.specs[name]; ok {
			delete(c.specs, name)
			c.must(client.IgnoreNotFound(user.Delete(c.ctx, &v1alpha1.PodIdentity{ObjectMeta: c.meta(name)})))
		}
	case n < 80:
		c.driftRole(roleName(c.env, name))
	case n < 90:
		c.driftServiceAccount(name)
	case n < 98:
		c.account.SetFaults(faultProfiles[c.random.IntN(len(faultProfiles))])
	default:
		c.stop()
		c.start()
	}
}

func (c *chaos) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: c.namespace, Name: name}
}

// declare creates or edits an identity. It leaves out one that is being deleted.
func (c *chaos) declare(name string) {
	var pi v1alpha1.PodIdentity
	err := user.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, &pi)
	if err == nil && !pi.DeletionTimestamp.IsZero() {
		return
	}
	spec := chaosSpecs[c.random.IntN(len(chaosSpecs))]
	if _, err := c.tryApply("metadata: {name: " + name + "}\nspec: " + spec); err == nil {
		c.specs[name] = spec
	}
}

// driftRole changes a part of a role out of band, if the role exists and AWS permits it.
func (c *chaos) driftRole(role string) {
	switch c.random.IntN(5) {
	case 0:
		_ = c.putPolicy(role, "backdoor")
	case 1:
		_ = c.attach(role, "arn:aws:iam::aws:policy/IAMFullAccess")
	case 2:
		_, _ = c.iam.UpdateRole(c.ctx, &iam.UpdateRoleInput{RoleName: &role, Description: aws.String("mine")})
	case 3:
		_, _ = c.iam.UntagRole(c.ctx, &iam.UntagRoleInput{RoleName: &role, TagKeys: []string{"team"}})
	case 4:
		_, _ = c.iam.DetachRolePolicy(c.ctx, &iam.DetachRolePolicyInput{RoleName: &role, PolicyArn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")})
	}
}

// driftServiceAccount removes the annotation of a ServiceAccount, or deletes it.
func (c *chaos) driftServiceAccount(name string) {
	var sa corev1.ServiceAccount
	if err := user.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, &sa); err != nil {
		return
	}
	if c.random.IntN(2) == 0 {
		c.must(client.IgnoreNotFound(user.Delete(c.ctx, &sa)))
		return
	}
	before := sa.DeepCopy()
	delete(sa.Annotations, plan.AnnotationRoleARN)
	c.must(client.IgnoreNotFound(user.Patch(c.ctx, &sa, client.MergeFrom(before))))
}

// drain requests a check of everything, waits, and compares everything with what
// was declared, role by role and ServiceAccount by ServiceAccount.
func (c *chaos) drain() {
	var all v1alpha1.PodIdentityList
	c.must(user.List(c.ctx, &all, client.InNamespace(c.namespace)))
	for i := range all.Items { // those that are being deleted, too
		before := all.Items[i].DeepCopy()
		all.Items[i].Annotations = map[string]string{v1alpha1.RequestedAtAnnotation: "quiet"}
		c.must(client.IgnoreNotFound(user.Patch(c.ctx, &all.Items[i], client.MergeFrom(before))))
	}
	for name := range c.specs {
		c.awaitHandled(name)
		c.compare(name)
	}
	var left []v1alpha1.PodIdentity
	defer func() {
		for i := range left {
			if _, ok := c.specs[left[i].Name]; !ok {
				c.t.Logf("not gone: %s", describe(&left[i]))
			}
		}
	}()
	c.eventually("what was deleted to be gone", func() bool {
		var list v1alpha1.PodIdentityList
		c.must(user.List(c.ctx, &list, client.InNamespace(c.namespace)))
		left = list.Items
		return len(left) == len(c.specs)
	})
	listed, err := c.iam.ListRoles(c.ctx, &iam.ListRolesInput{PathPrefix: aws.String(c.config.RolePath)})
	c.must(err)
	if len(listed.Roles) != len(c.specs) {
		c.t.Errorf("There are %d roles for %d identities.", len(listed.Roles), len(c.specs))
	}
}

// awaitHandled waits until the requested check of an identity is handled and it is Ready, and
// logs its status if that takes too long.
func (c *chaos) awaitHandled(name string) {
	c.t.Helper()
	handled := false
	defer func() {
		if !handled {
			c.t.Logf("not ready: %s", describe(c.get(name)))
		}
	}()
	c.eventually(name+" to be ready", func() bool {
		pi := c.get(name)
		ready := condition(pi, v1alpha1.ConditionReady)
		return pi.Status.LastHandledReconcileAt == "quiet" && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == pi.Generation
	})
	handled = true
}

// compare compares what is there of an identity with what should be.
func (c *chaos) compare(name string) {
	c.t.Helper()
	pi := c.get(name)
	desired, err := plan.Desired(pi, plan.Cluster{
		ID:   c.clusterID(),
		Name: c.config.ClusterName, Partition: "aws", AccountID: "123456789012", Issuer: cluster.Issuer,
		Audience: plan.DefaultAudience, RolePath: c.config.RolePath,
	})
	c.must(err)
	want := roleView{
		Path: desired.Role.Path, Description: desired.Role.Description, MaxSession: desired.Role.MaxSessionDuration,
		Managed: desired.Role.Managed, Inline: map[string]string{}, Tags: desired.Role.Tags,
	}
	for policyName, p := range desired.Role.Inline {
		want.Inline[policyName] = string(p.Document)
	}
	if diff := cmp.Diff(want, c.role(desired.Role.Name)); diff != "" {
		c.t.Errorf("role of %s: -want, +got:\n%s", name, diff)
	}
	if got := c.trust(desired.Role.Name); got != string(desired.Role.Trust) {
		c.t.Errorf("trust of %s: %s, want %s", name, got, desired.Role.Trust)
	}
	c.eventually("the ServiceAccount of "+name, func() bool {
		var sa corev1.ServiceAccount
		err := user.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, &sa)
		return err == nil && sa.Annotations[plan.AnnotationRoleARN] == pi.Status.Role.ARN
	})
}
