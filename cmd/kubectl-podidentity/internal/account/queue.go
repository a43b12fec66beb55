package account

import (
	"context"
	"errors"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Queue is a queue of SQS.
type Queue struct {
	// Messages is about how many messages wait to be received.
	Messages int `json:"messages"`
}

// Queue returns the queue of a URL in a region, nil if it does not exist.
func (a *Account) Queue(ctx context.Context, url, region string) (*Queue, error) {
	const waiting = sqstypes.QueueAttributeNameApproximateNumberOfMessages
	out, err := a.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{waiting},
	}, func(o *sqs.Options) { o.Region = region })
	if _, gone := errors.AsType[*sqstypes.QueueDoesNotExist](err); gone {
		return nil, nil
	}
	if err != nil {
		return nil, a.explain("sqs:GetQueueAttributes", "queue "+url, err)
	}
	messages, err := strconv.Atoi(out.Attributes[string(waiting)])
	if err != nil {
		return nil, &Error{text: "AWS did not return the number of messages in queue " + url, err: err}
	}
	return &Queue{Messages: messages}, nil
}
