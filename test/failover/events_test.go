package failover_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

const eventQueue = "podidentity-failover"

// Only the leader reads the event queue. An event that it has deleted from the queue when it
// is killed, before it has read the role, is not lost, and neither is one that comes while no
// replica leads.
func TestFailover_LosesNoEvent(t *testing.T) {
	e := newEnv(t)
	e.AWS.SetEvents(awslocal.Events{Queue: eventQueue})
	queue := "--event-queue-url=https://sqs." + e.AWS.Region + ".amazonaws.com/" + e.AWS.ID + "/" + eventQueue
	first := e.startReplica("first", queue)
	e.create("deleted", "waiting")
	second := e.startReplica("second", queue)
	noEvents := func() bool { return e.AWS.QueueLength(eventQueue) == 0 }
	e.Eventually("the events of the creation to be read", func() bool { return first.calls()["DeleteMessageBatch"] > 0 && noEvents() })

	first.killAt("DeleteMessageBatch", "GetRole")
	e.attachBackdoor("deleted")
	e.Eventually("the event to be deleted", noEvents)
	first.Signal(syscall.SIGKILL) // which it got at that call
	began := time.Now()
	e.attachBackdoor("waiting")
	e.checkCalls(second, nil, "before it leads")
	if !e.hasBackdoor("deleted") {
		t.Error("the first replica has repaired the role, so this shows nothing")
	}
	for _, name := range []string{"deleted", "waiting"} {
		e.Eventually("the role of "+name+" to be repaired", func() bool { return !e.hasBackdoor(name) })
	}
	took := time.Since(began)
	t.Logf("Both roles were repaired %s after the leader was killed", took.Round(time.Millisecond))
	if took > lease+slack {
		t.Errorf("the roles were repaired %s after the leader was killed; the lease is %s", took, lease)
	}
	e.Eventually("the events to be read", noEvents)
}

const backdoor = "arn:aws:iam::aws:policy/AdministratorAccess"

func (e *env) attachBackdoor(name string) {
	e.Helper()
	role := e.Get(name).Status.Role.Name
	_, err := e.AWS.IAM.AttachRolePolicy(e.Context(), &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: aws.String(backdoor)})
	e.Must(err)
}

func (e *env) hasBackdoor(name string) bool {
	e.Helper()
	role := e.Get(name).Status.Role.Name
	out, err := e.AWS.IAM.ListAttachedRolePolicies(e.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: &role})
	e.Must(err)
	return len(out.AttachedPolicies) > 0
}
