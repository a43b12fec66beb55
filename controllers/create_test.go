package controllers_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

const checkout = `
metadata:
  name: checkout
spec:
  role:
    description: Reads the shop's bucket
    maxSessionDurationSeconds: 7200
    tags: {team: payments}
  policies:
    managed: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
    inline:
    - name: bucket
      statements:
      - sid: Read
        effect: Allow
        actions: ["s3:GetObject"]
        resources: ["arn:aws:s3:::shop/*"]
    - name: queue
      document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:eu-west-1:123456789012:orders"}}'
`

// An app team applies one YAML and gets a role, its policies and a ServiceAccount
// that carries it, at the least number of calls that this can cost.
func TestCreate_RoleAndServiceAccountAtLeastCost(t *testing.T) {
	s := startEnv(t)
	s.eventually("the operator to know its cluster", func() bool { return s.account.Calls()["GetOpenIDConnectProvider"] == 1 })
	before := s.account.Calls()

	s.apply(checkout)
	pi := s.awaitReady("checkout")

	want := map[string]int{"CreateRole": 1, "AttachRolePolicy": 1, "PutRolePolicy": 2, "GetPolicy": 1, "GetPolicyVersion": 1}
	if diff := cmp.Diff(want, since(before, s.account.Calls())); diff != "" {
		t.Errorf("A create costs 1 + managed + inline AWS calls, and the first use of a managed policy two reads.\ncalls: -want, +got:\n%s", diff)
	}
	if writes := s.writes.all(); len(writes) > 4 {
		t.Errorf("A create costs at most 4 writes to the API server, not %d: %q", len(writes), writes)
	}
	s.awaitEvent("checkout", "CreatedRole", "Created role "+pi.Status.Role.Name+" with policies bucket, queue, arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
	s.awaitEvent("checkout", "CreatedServiceAccount", "Created ServiceAccount checkout")
	if events := s.events("checkout"); len(events) > 2 {
		t.Errorf("A create costs two events, not %d: %v", len(events), events)
	}
	role := s.role(pi.Status.Role.Name)
	wantRole := roleView{
		Path:        "/podidentity/test/",
		Description: "Reads the shop's bucket",
		MaxSession:  7200,
		Managed:     []string{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"},
		Inline: map[string]string{
			"bucket": `{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":"s3:getobject","Resource":"arn:aws:s3:::shop/*"}]}`,
			"queue":  `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:sendmessage","Resource":"arn:aws:sqs:eu-west-1:123456789012:orders"}]}`,
		},
		Tags: map[string]string{
			"team":                          "payments",
			"iam.podidentity.io/managed-by": "podidentity-operator",
			"iam.podidentity.io/cluster":    "test",
			"iam.podidentity.io/cluster-id": s.clusterID(),
			"iam.podidentity.io/namespace":  s.namespace,
			"iam.podidentity.io/name":       "checkout",
			"iam.podidentity.io/uid":        string(pi.UID),
		},
	}
	if diff := cmp.Diff(wantRole, role); diff != "" {
		t.Errorf("role: -want, +got:\n%s", diff)
	}
	if got := s.assume("checkout", pi.Status.Role.ARN); got != nil {
		t.Errorf("The ServiceAccount cannot assume its role: %v", got)
	}
	if s.assume("default", pi.Status.Role.ARN) == nil {
		t.Error("Another ServiceAccount can assume the role.")
	}
	s.checkServiceAccount("checkout", map[string]string{
		"eks.amazonaws.com/role-arn":               pi.Status.Role.ARN,
		"eks.amazonaws.com/sts-regional-endpoints": "true",
	})
}

// An identity in sync costs nothing: no AWS write and no API-server write.
func TestInSync_ReconcileWritesNothing(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	pi := s.awaitReady("checkout")
	calls := s.account.Calls()
	s.writes.reset()

	s.touchServiceAccount("checkout") // causes a reconcile
	s.request("checkout", "look")     // and one that looks at AWS
	s.eventually("the request to be handled", func() bool { return s.get("checkout").Status.LastHandledReconcileAt == "look" })

	for action := range since(calls, s.account.Calls()) {
		if !isRead(action) {
			t.Errorf("A reconcile of an identity in sync wrote to AWS: %s", action)
		}
	}
	status := "PATCH /apis/iam.podidentity.io/v1alpha1/namespaces/" + s.namespace + "/podidentities/checkout/status"
	if diff := cmp.Diff([]string{status}, s.writes.all()); diff != "" {
		t.Errorf("Only that the request was handled is worth a write.\nwrites: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(pi.Status.Conditions, s.get("checkout").Status.Conditions); diff != "" {
		t.Errorf("conditions: -before, +after:\n%s", diff)
	}
}

// Between two drift checks the operator does not call AWS for events in the cluster
// that do not concern the role: it has the role in its cache.
func TestInSync_ClusterEventsCauseNoAWSCall(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	s.awaitReady("checkout")
	before := s.account.Calls()

	for range 3 {
		sa := s.serviceAccount("checkout")
		base := sa.DeepCopy()
		sa.Annotations = nil
		s.must(user.Patch(s.ctx, sa, client.MergeFrom(base)))
		s.eventually("the annotations to be back", func() bool { return len(s.serviceAccount("checkout").Annotations) == 2 })
	}
	if diff := cmp.Diff(map[string]int{}, since(before, s.account.Calls())); diff != "" {
		t.Errorf("calls: -want, +got:\n%s", diff)
	}
}

// A restarted operator finds everything in sync in one drift check: it reads no role
// individually, and writes nothing.
func TestRestart_OneDriftCheckFindsAllInSync(t *testing.T) {
	s := startEnv(t)
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names {
		s.apply("metadata: {name: " + name + "}\nspec: {policies: {managed: [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]}}")
	}
	for _, name := range names {
		s.awaitReady(name)
	}
	s.stop()
	s.writes.reset()
	before := s.account.Calls()

	// AWS delays the drift check, so that all reconciles come before it.
	s.account.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{{Action: "GetAccountAuthorizationDetails", Error: "Throttling", Count: 1}}})
	s.start()
	s.eventually("the drift check", func() bool { return since(before, s.account.Calls())["ListRoles"] > 0 })
	s.eventually("the contents of the policy to be read", func() bool { return since(before, s.account.Calls())["GetPolicyVersion"] > 0 })
	s.apply("metadata: {name: late}\nspec: {}") // a new identity
	s.awaitReady("late")
	want := map[string]int{
		"GetCallerIdentity": 1, "GetOpenIDConnectProvider": 1, "GetAccountAuthorizationDetails": 2, "ListRoles": 1,
		"ListPolicies": 1, "GetPolicyVersion": 1, // of one managed policy, for all identities
		"CreateRole": 1, // of the late one
	}
	got := since(before, s.account.Calls())
	delete(got, "GetPolicy") // a reconcile may come before the drift check, which lists the versions
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls: -want, +got:\n%s", diff)
	}
	for _, write := range s.writes.all() {
		if !strings.HasSuffix(write, "/late") && !strings.HasSuffix(write, "/late/status") {
			t.Errorf("A restart wrote to the API server: %s", write)
		}
	}
}

// The empty spec is an identity without rights, for the ServiceAccount of the
// object's own name.
func TestCreate_EmptySpecGrantsNothing(t *testing.T) {
	s := startEnv(t)
	s.apply(`
		metadata: {name: nothing}
		spec: {}
	`)
	pi := s.awaitReady("nothing")
	if got := s.role(pi.Status.Role.Name); len(got.Managed)+len(got.Inline) != 0 {
		t.Errorf("The role has rights: %+v", got)
	}
	if diff := cmp.Diff(&v1alpha1.ServiceAccountStatus{Name: "nothing", Mode: v1alpha1.ServiceAccountCreate}, pi.Status.ServiceAccount); diff != "" {
		t.Errorf("status.serviceAccount: -want, +got:\n%s", diff)
	}
}

// A ServiceAccount is made after its role, so no pod starts without credentials.
func TestCreate_ServiceAccountComesAfterRole(t *testing.T) {
	s := startEnv(t)
	s.failCalls("AttachRolePolicy", "AccessDenied")
	s.apply(checkout)
	s.await("checkout", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAccessDenied)
	err := user.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: "checkout"}, &corev1.ServiceAccount{})
	if client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("There is a ServiceAccount before its role is ready (%v).", err)
	}
}
