package iampolicy

import (
	"fmt"
	"regexp"
)

// Queue is a queue of SQS.
type Queue struct{ Region, AccountID, Name string }

// queueURL is the URL of a queue of AWS, at one of the two kinds of endpoints of SQS.
// https://docs.aws.amazon.com/general/latest/gr/sqs-service.html
var queueURL = regexp.MustCompile(`^https://(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.[a-z0-9.-]+/(\d{12})/([A-Za-z0-9_-]{1,80}(?:\.fifo)?)$`)

// QueueOf returns the queue of a URL. The URL of an endpoint that is not AWS's names no
// region, so that no policy can name its queue.
func QueueOf(url string) (Queue, error) {
	m := queueURL.FindStringSubmatch(url)
	if m == nil {
		return Queue{}, fmt.Errorf("invalid value %q for --event-queue-url: must be the URL of a queue of SQS, such as https://sqs.us-east-1.amazonaws.com/123456789012/podidentity-prod-eu", url)
	}
	return Queue{Region: m[1] + m[2], AccountID: m[3], Name: m[4]}, nil
}

// ARN returns the ARN of the queue.
func (q Queue) ARN(partition string) string {
	return "arn:" + partition + ":sqs:" + q.Region + ":" + q.AccountID + ":" + q.Name
}
