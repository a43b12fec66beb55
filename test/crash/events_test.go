package crash_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// eventQueue is the queue that config/aws gives the operator access to.
const eventQueue = "podidentity-" + clusterName

// openQueue has each write of IAM reported through a queue: late, in another order, and
// more than once, so that messages are on their way wherever the operator is killed.
func (e *env) openQueue() {
	e.Helper()
	text, err := os.ReadFile(filepath.Join(e.Root, "config", "aws", "operator-policy-event-queue.json"))
	e.Must(err)
	document := strings.NewReplacer("PARTITION", "aws", "ACCOUNT_ID", e.AWS.ID, "CLUSTER", clusterName, "EVENT_REGION", e.AWS.Region).Replace(string(text))
	_, role, _ := strings.Cut(e.granted.Role, ":role/")
	_, err = e.AWS.IAM.PutRolePolicy(e.Context(), &iam.PutRolePolicyInput{RoleName: &role, PolicyName: aws.String("event-queue"), PolicyDocument: &document})
	e.Must(err)
	e.AWS.SetEvents(awslocal.Events{
		Queue: eventQueue, Delay: awslocal.Duration(100 * time.Millisecond), Spread: awslocal.Duration(200 * time.Millisecond), Duplicates: 1,
	})
}

func (e *env) queueArgs() []string {
	if !e.events {
		return nil
	}
	return []string{"--event-queue-url=https://sqs." + e.AWS.Region + ".amazonaws.com/" + e.AWS.ID + "/" + eventQueue}
}

// awaitNoEvents waits until the operator has done what the events so far cause. A message
// that a killed process had received may come later.
func (e *env) awaitNoEvents() {
	e.Helper()
	e.Eventually("quiet", func() bool { return e.operator.breakpoint.quietFor() > 500*time.Millisecond })
}

const backdoor = "arn:aws:iam::aws:policy/AdministratorAccess"

// attachBackdoor attaches a policy to the role of the object, as an administrator.
func (e *env) attachBackdoor() {
	e.Helper()
	name := e.roleName()
	_, err := e.AWS.IAM.AttachRolePolicy(e.Context(), &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: aws.String(backdoor)})
	e.Must(err)
}

func (e *env) hasBackdoor() bool {
	e.Helper()
	return slices.Contains(e.roles()[e.roleName()].Managed, backdoor)
}
