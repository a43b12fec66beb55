# Written by hack/awstemplates from the policies in config/aws; `make manifests` brings it up to date.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "cluster_name" {
  description = "The operator's --cluster-name, unique in the AWS account."
  type        = string

  validation {
    condition     = length(var.cluster_name) <= 40 && can(regex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", var.cluster_name))
    error_message = "cluster_name must have at most 40 characters of a-z, 0-9 and '-', and begin and end with a letter or digit: the name of a queue has no dots."
  }
}

variable "tags" {
  description = "Tags of what this module creates."
  type        = map(string)
  default     = {}
}

data "aws_partition" "current" {}
data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  partition  = data.aws_partition.current.partition
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.id
}

resource "aws_sqs_queue" "this" {
  name                       = "podidentity-${var.cluster_name}"
  sqs_managed_sse_enabled    = true
  message_retention_seconds  = 3600 # an event that is an hour old is of no use: the drift check has found the change by then
  visibility_timeout_seconds = 30
  receive_wait_time_seconds  = 20
  tags                       = var.tags
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.id
  policy = jsonencode({
    "Version" : "2012-10-17",
    "Statement" : [
      {
        "Sid" : "EventBridgeSends",
        "Effect" : "Allow",
        "Principal" : {
          "Service" : "events.amazonaws.com"
        },
        "Action" : "sqs:SendMessage",
        "Resource" : "arn:${local.partition}:sqs:${local.region}:${local.account_id}:podidentity-${var.cluster_name}",
        "Condition" : {
          "ArnEquals" : {
            "aws:SourceArn" : "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/podidentity-${var.cluster_name}"
          }
        }
      },
      {
        "Sid" : "NobodyElseSends",
        "Effect" : "Deny",
        "Principal" : "*",
        "Action" : "sqs:SendMessage",
        "Resource" : "arn:${local.partition}:sqs:${local.region}:${local.account_id}:podidentity-${var.cluster_name}",
        "Condition" : {
          "ArnNotEquals" : {
            "aws:SourceArn" : "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/podidentity-${var.cluster_name}"
          }
        }
      },
      {
        "Sid" : "OnlyEncrypted",
        "Effect" : "Deny",
        "Principal" : "*",
        "Action" : "sqs:*",
        "Resource" : "arn:${local.partition}:sqs:${local.region}:${local.account_id}:podidentity-${var.cluster_name}",
        "Condition" : {
          "Bool" : {
            "aws:SecureTransport" : "false"
          }
        }
      }
    ]
  })
}

resource "aws_cloudwatch_event_rule" "this" {
  name        = "podidentity-${var.cluster_name}"
  description = "Changes to IAM roles, for the PodIdentity operator of cluster ${var.cluster_name}"
  event_pattern = jsonencode({
    "source" : [
      "aws.iam"
    ],
    "detail-type" : [
      "AWS API Call via CloudTrail"
    ],
    "detail" : {
      "eventSource" : [
        "iam.amazonaws.com"
      ],
      "eventName" : [
        "AddRoleToInstanceProfile",
        "AttachRolePolicy",
        "CreateRole",
        "DeleteRole",
        "DeleteRolePermissionsBoundary",
        "DeleteRolePolicy",
        "DetachRolePolicy",
        "PutRolePermissionsBoundary",
        "PutRolePolicy",
        "TagRole",
        "UntagRole",
        "UpdateAssumeRolePolicy",
        "UpdateRole",
        "UpdateRoleDescription"
      ]
    }
  })
  tags = var.tags
}

resource "aws_cloudwatch_event_target" "this" {
  rule      = aws_cloudwatch_event_rule.this.name
  target_id = "queue"
  arn       = aws_sqs_queue.this.arn
}

resource "aws_iam_policy" "this" {
  name        = "podidentity-operator-${var.cluster_name}-event-queue"
  description = "Lets the PodIdentity operator of cluster ${var.cluster_name} read its event queue"
  policy = jsonencode({
    "Version" : "2012-10-17",
    "Statement" : [
      {
        "Sid" : "ReadEventQueue",
        "Effect" : "Allow",
        "Action" : [
          "sqs:DeleteMessage",
          "sqs:ReceiveMessage"
        ],
        "Resource" : "arn:${local.partition}:sqs:${local.region}:${local.account_id}:podidentity-${var.cluster_name}"
      }
    ]
  })
  tags = var.tags
}

resource "aws_iam_role_policy_attachment" "this" {
  role       = "podidentity-operator-${var.cluster_name}"
  policy_arn = aws_iam_policy.this.arn
}

output "queue_url" {
  description = "The operator's --event-queue-url."
  value       = aws_sqs_queue.this.id
}
