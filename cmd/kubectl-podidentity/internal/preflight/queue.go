package preflight

import (
	"fmt"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/iampolicy"
)

// Queue is the operator's event queue.
type Queue struct {
	// Exists reports whether SQS has it.
	Exists bool `json:"exists,omitempty"`
	// Messages is about how many messages wait in it.
	Messages int `json:"messages,omitempty"`
	// Problem states why the rest is not known.
	Problem string `json:"problem,omitempty"`
}

// eventRegions are the regions in which EventBridge gets the events of IAM, by
// partition.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
var eventRegions = map[string]string{"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}

// manyMessages is more than a working operator leaves in its queue: it reads all of
// them within seconds.
const manyMessages = 1000

// events checks the queue by which the operator learns of changes, if it has one. That
// it may read the queue is part of the check of permissions.
func events(f Facts) Check {
	const name = "events"
	switch {
	case f.Operator == nil || f.Operator.OptionsProblem != "":
		return unknown(name, "without the operator's options, its event queue is not known")
	case f.Operator.Options.EventQueueURL == "":
		return ok(name, "the operator has no event queue (--event-queue-url); it finds changes of roles at the next drift check")
	case f.AWS == nil:
		return unknown(name, f.AWSProblem)
	}
	queue, err := iampolicy.QueueOf(f.Operator.Options.EventQueueURL)
	if err != nil {
		return unknown(name, err.Error())
	}
	if want := eventRegions[f.AWS.Partition]; want != "" && queue.Region != want {
		return Check{
			name, check.Broken, fmt.Sprintf("the event queue is in region %s, but IAM's events are in %s", queue.Region, want),
			"deploy config/aws/event-queue in " + want + " and set --event-queue-url to its queue",
		}
	}
	switch found := f.AWS.Queue; {
	case found == nil || found.Problem != "":
		problem := "it was not read"
		if found != nil {
			problem = found.Problem
		}
		return unknown(name, problem)
	case !found.Exists:
		return Check{
			name, check.Broken, "the event queue " + queue.ARN(f.AWS.Partition) + " does not exist",
			"deploy config/aws/event-queue, or correct --event-queue-url",
		}
	case found.Messages >= manyMessages:
		return Check{
			name, check.Warning, fmt.Sprintf("about %d messages wait in the event queue: the operator does not receive them, or not fast enough", found.Messages),
			"check the metric podidentity_drift_event_queue_up and the operator's log",
		}
	default:
		return ok(name, fmt.Sprintf("the event queue exists; about %d messages wait in it", found.Messages))
	}
}
