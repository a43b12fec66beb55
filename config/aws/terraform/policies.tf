# Written by hack/awstemplates from the policies in config/aws; `make manifests` brings it up to date.

locals {
  policies = {
    operator_with_boundary = jsonencode({
      "Version" : "2012-10-17",
      "Statement" : [
        {
          "Sid" : "ReadRoles",
          "Effect" : "Allow",
          "Action" : [
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:ListInstanceProfilesForRole",
            "iam:ListRolePolicies"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:role/*"
        },
        {
          "Sid" : "ReadProvider",
          "Effect" : "Allow",
          "Action" : [
            "iam:GetOpenIDConnectProvider"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:oidc-provider/*"
        },
        {
          "Sid" : "ReadAccount",
          "Effect" : "Allow",
          "Action" : [
            "iam:GetAccountAuthorizationDetails",
            "iam:GetAccountSummary",
            "iam:ListPolicies",
            "iam:ListRoles"
          ],
          "Resource" : "*"
        },
        {
          "Sid" : "ReadManagedPolicies",
          "Effect" : "Allow",
          "Action" : [
            "iam:GetPolicy",
            "iam:GetPolicyVersion"
          ],
          "Resource" : [
            "arn:${local.partition}:iam::${local.account_id}:policy/*",
            "arn:${local.partition}:iam::aws:policy/*"
          ]
        },
        {
          "Sid" : "CreateBoundedRoles",
          "Effect" : "Allow",
          "Action" : [
            "iam:CreateRole"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:role${local.role_path}*",
          "Condition" : {
            "StringEquals" : {
              "iam:PermissionsBoundary" : "arn:${local.partition}:iam::${local.account_id}:policy/${var.boundary_name}",
              "aws:RequestTag/iam.podidentity.io/cluster" : "${var.cluster_name}",
              "aws:RequestTag/iam.podidentity.io/managed-by" : "podidentity-operator"
            }
          }
        },
        {
          "Sid" : "BoundRoles",
          "Effect" : "Allow",
          "Action" : [
            "iam:PutRolePermissionsBoundary"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:role${local.role_path}*",
          "Condition" : {
            "StringEquals" : {
              "iam:PermissionsBoundary" : "arn:${local.partition}:iam::${local.account_id}:policy/${var.boundary_name}"
            }
          }
        },
        {
          "Sid" : "TagNewRoles",
          "Effect" : "Allow",
          "Action" : [
            "iam:TagRole"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:role${local.role_path}*",
          "Condition" : {
            "StringEquals" : {
              "aws:RequestTag/iam.podidentity.io/cluster" : "${var.cluster_name}",
              "aws:RequestTag/iam.podidentity.io/managed-by" : "podidentity-operator"
            }
          }
        },
        {
          "Sid" : "GrantToBoundedRoles",
          "Effect" : "Allow",
          "Action" : [
            "iam:AttachRolePolicy",
            "iam:PutRolePolicy"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:role${local.role_path}*",
          "Condition" : {
            "StringEquals" : {
              "iam:PermissionsBoundary" : "arn:${local.partition}:iam::${local.account_id}:policy/${var.boundary_name}",
              "aws:ResourceTag/iam.podidentity.io/cluster" : "${var.cluster_name}"
            }
          }
        },
        {
          "Sid" : "ChangeOwnRoles",
          "Effect" : "Allow",
          "Action" : [
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:TagRole",
            "iam:UntagRole",
            "iam:UpdateAssumeRolePolicy",
            "iam:UpdateRole"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:role${local.role_path}*",
          "Condition" : {
            "StringEquals" : {
              "aws:ResourceTag/iam.podidentity.io/cluster" : "${var.cluster_name}"
            }
          }
        },
        {
          "Sid" : "LeaveInstanceProfiles",
          "Effect" : "Allow",
          "Action" : [
            "iam:RemoveRoleFromInstanceProfile"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:instance-profile${local.role_path}*"
        },
        {
          "Sid" : "NothingOutsideOfThePath",
          "Effect" : "Deny",
          "Action" : [
            "iam:AttachRolePolicy",
            "iam:CreateRole",
            "iam:DeleteRole",
            "iam:DeleteRolePermissionsBoundary",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:PutRolePermissionsBoundary",
            "iam:PutRolePolicy",
            "iam:TagRole",
            "iam:UntagRole",
            "iam:UpdateAssumeRolePolicy",
            "iam:UpdateRole"
          ],
          "NotResource" : "arn:${local.partition}:iam::${local.account_id}:role${local.role_path}*"
        },
        {
          "Sid" : "NoOtherClustersRoles",
          "Effect" : "Deny",
          "Action" : [
            "iam:CreateRole",
            "iam:TagRole"
          ],
          "Resource" : "*",
          "Condition" : {
            "Null" : {
              "aws:RequestTag/iam.podidentity.io/cluster" : "false"
            },
            "StringNotEquals" : {
              "aws:RequestTag/iam.podidentity.io/cluster" : "${var.cluster_name}"
            }
          }
        },
        {
          "Sid" : "OwnerTagsStay",
          "Effect" : "Deny",
          "Action" : [
            "iam:UntagRole"
          ],
          "Resource" : "*",
          "Condition" : {
            "ForAnyValue:StringEqualsIgnoreCase" : {
              "aws:TagKeys" : [
                "iam.podidentity.io/cluster",
                "iam.podidentity.io/cluster-id",
                "iam.podidentity.io/managed-by",
                "iam.podidentity.io/name",
                "iam.podidentity.io/namespace",
                "iam.podidentity.io/uid"
              ]
            }
          }
        },
        {
          "Sid" : "NoAdministrators",
          "Effect" : "Deny",
          "Action" : [
            "iam:AttachRolePolicy"
          ],
          "Resource" : "*",
          "Condition" : {
            "ArnLike" : {
              "iam:PolicyARN" : [
                "arn:${local.partition}:iam::aws:policy/AdministratorAccess",
                "arn:${local.partition}:iam::aws:policy/IAMFullAccess",
                "arn:${local.partition}:iam::aws:policy/PowerUserAccess",
                "arn:${local.partition}:iam::${local.account_id}:policy/${var.boundary_name}",
                "arn:${local.partition}:iam::${local.account_id}:policy/podidentity-operator-*"
              ]
            }
          }
        },
        {
          "Sid" : "NoOtherBoundary",
          "Effect" : "Deny",
          "Action" : [
            "iam:CreateRole",
            "iam:PutRolePermissionsBoundary"
          ],
          "Resource" : "*",
          "Condition" : {
            "StringNotEquals" : {
              "iam:PermissionsBoundary" : "arn:${local.partition}:iam::${local.account_id}:policy/${var.boundary_name}"
            }
          }
        },
        {
          "Sid" : "NoWayAroundTheBoundary",
          "Effect" : "Deny",
          "Action" : [
            "iam:CreatePolicyVersion",
            "iam:DeletePolicy",
            "iam:DeletePolicyVersion",
            "iam:DeleteRolePermissionsBoundary",
            "iam:PassRole",
            "iam:SetDefaultPolicyVersion"
          ],
          "Resource" : "*"
        }
      ]
    })

    operator_without_boundary = jsonencode({
      "Version" : "2012-10-17",
      "Statement" : [
        {
          "Sid" : "ReadRoles",
          "Effect" : "Allow",
          "Action" : [
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:ListInstanceProfilesForRole",
            "iam:ListRolePolicies"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:role/*"
        },
        {
          "Sid" : "ReadProvider",
          "Effect" : "Allow",
          "Action" : [
            "iam:GetOpenIDConnectProvider"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:oidc-provider/*"
        },
        {
          "Sid" : "ReadAccount",
          "Effect" : "Allow",
          "Action" : [
            "iam:GetAccountAuthorizationDetails",
            "iam:GetAccountSummary",
            "iam:ListPolicies",
            "iam:ListRoles"
          ],
          "Resource" : "*"
        },
        {
          "Sid" : "ReadManagedPolicies",
          "Effect" : "Allow",
          "Action" : [
            "iam:GetPolicy",
            "iam:GetPolicyVersion"
          ],
          "Resource" : [
            "arn:${local.partition}:iam::${local.account_id}:policy/*",
            "arn:${local.partition}:iam::aws:policy/*"
          ]
        },
        {
          "Sid" : "CreateRoles",
          "Effect" : "Allow",
          "Action" : [
            "iam:CreateRole"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:role${local.role_path}*",
          "Condition" : {
            "StringEquals" : {
              "aws:RequestTag/iam.podidentity.io/cluster" : "${var.cluster_name}",
              "aws:RequestTag/iam.podidentity.io/managed-by" : "podidentity-operator"
            }
          }
        },
        {
          "Sid" : "BoundRoles",
          "Effect" : "Allow",
          "Action" : [
            "iam:PutRolePermissionsBoundary"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:role${local.role_path}*"
        },
        {
          "Sid" : "TagNewRoles",
          "Effect" : "Allow",
          "Action" : [
            "iam:TagRole"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:role${local.role_path}*",
          "Condition" : {
            "StringEquals" : {
              "aws:RequestTag/iam.podidentity.io/cluster" : "${var.cluster_name}",
              "aws:RequestTag/iam.podidentity.io/managed-by" : "podidentity-operator"
            }
          }
        },
        {
          "Sid" : "ChangeOwnRoles",
          "Effect" : "Allow",
          "Action" : [
            "iam:AttachRolePolicy",
            "iam:DeleteRole",
            "iam:DeleteRolePermissionsBoundary",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:PutRolePolicy",
            "iam:TagRole",
            "iam:UntagRole",
            "iam:UpdateAssumeRolePolicy",
            "iam:UpdateRole"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:role${local.role_path}*",
          "Condition" : {
            "StringEquals" : {
              "aws:ResourceTag/iam.podidentity.io/cluster" : "${var.cluster_name}"
            }
          }
        },
        {
          "Sid" : "LeaveInstanceProfiles",
          "Effect" : "Allow",
          "Action" : [
            "iam:RemoveRoleFromInstanceProfile"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:instance-profile${local.role_path}*"
        },
        {
          "Sid" : "NothingOutsideOfThePath",
          "Effect" : "Deny",
          "Action" : [
            "iam:AttachRolePolicy",
            "iam:CreateRole",
            "iam:DeleteRole",
            "iam:DeleteRolePermissionsBoundary",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:PutRolePermissionsBoundary",
            "iam:PutRolePolicy",
            "iam:TagRole",
            "iam:UntagRole",
            "iam:UpdateAssumeRolePolicy",
            "iam:UpdateRole"
          ],
          "NotResource" : "arn:${local.partition}:iam::${local.account_id}:role${local.role_path}*"
        },
        {
          "Sid" : "NoOtherClustersRoles",
          "Effect" : "Deny",
          "Action" : [
            "iam:CreateRole",
            "iam:TagRole"
          ],
          "Resource" : "*",
          "Condition" : {
            "Null" : {
              "aws:RequestTag/iam.podidentity.io/cluster" : "false"
            },
            "StringNotEquals" : {
              "aws:RequestTag/iam.podidentity.io/cluster" : "${var.cluster_name}"
            }
          }
        },
        {
          "Sid" : "OwnerTagsStay",
          "Effect" : "Deny",
          "Action" : [
            "iam:UntagRole"
          ],
          "Resource" : "*",
          "Condition" : {
            "ForAnyValue:StringEqualsIgnoreCase" : {
              "aws:TagKeys" : [
                "iam.podidentity.io/cluster",
                "iam.podidentity.io/cluster-id",
                "iam.podidentity.io/managed-by",
                "iam.podidentity.io/name",
                "iam.podidentity.io/namespace",
                "iam.podidentity.io/uid"
              ]
            }
          }
        },
        {
          "Sid" : "NoAdministrators",
          "Effect" : "Deny",
          "Action" : [
            "iam:AttachRolePolicy"
          ],
          "Resource" : "*",
          "Condition" : {
            "ArnLike" : {
              "iam:PolicyARN" : [
                "arn:${local.partition}:iam::aws:policy/AdministratorAccess",
                "arn:${local.partition}:iam::aws:policy/IAMFullAccess",
                "arn:${local.partition}:iam::aws:policy/PowerUserAccess",
                "arn:${local.partition}:iam::${local.account_id}:policy/${var.boundary_name}",
                "arn:${local.partition}:iam::${local.account_id}:policy/podidentity-operator-*"
              ]
            }
          }
        },
        {
          "Sid" : "NoWayAroundBoundaries",
          "Effect" : "Deny",
          "Action" : [
            "iam:CreatePolicyVersion",
            "iam:DeletePolicy",
            "iam:DeletePolicyVersion",
            "iam:PassRole",
            "iam:SetDefaultPolicyVersion"
          ],
          "Resource" : "*"
        }
      ]
    })

    boundary = jsonencode({
      "Version" : "2012-10-17",
      "Statement" : [
        {
          "Sid" : "WhatWorkloadsMayUse",
          "Effect" : "Allow",
          "Action" : [
            "cloudwatch:*",
            "dynamodb:*",
            "ecr:*",
            "events:PutEvents",
            "firehose:PutRecord",
            "firehose:PutRecordBatch",
            "kinesis:*",
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:GenerateDataKey*",
            "lambda:InvokeFunction",
            "logs:*",
            "s3:*",
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetSecretValue",
            "ses:Send*",
            "sns:Publish",
            "sqs:*",
            "ssm:GetParameter*",
            "states:StartExecution",
            "xray:*"
          ],
          "Resource" : "*"
        },
        {
          "Sid" : "WhatNoWorkloadMayDo",
          "Effect" : "Deny",
          "Action" : [
            "account:*",
            "iam:*",
            "organizations:*",
            "sts:AssumeRole",
            "sts:AssumeRoot",
            "sts:GetFederationToken"
          ],
          "Resource" : "*"
        }
      ]
    })

    oidc_provider = jsonencode({
      "Version" : "2012-10-17",
      "Statement" : [
        {
          "Sid" : "CreateProvider",
          "Effect" : "Allow",
          "Action" : [
            "iam:AddClientIDToOpenIDConnectProvider",
            "iam:CreateOpenIDConnectProvider",
            "iam:TagOpenIDConnectProvider"
          ],
          "Resource" : "arn:${local.partition}:iam::${local.account_id}:oidc-provider/${local.issuer}"
        }
      ]
    })

    trust_irsa = jsonencode({
      "Version" : "2012-10-17",
      "Statement" : [
        {
          "Sid" : "OperatorOfThisCluster",
          "Effect" : "Allow",
          "Principal" : {
            "Federated" : "arn:${local.partition}:iam::${local.account_id}:oidc-provider/${local.issuer}"
          },
          "Action" : "sts:AssumeRoleWithWebIdentity",
          "Condition" : {
            "StringEquals" : {
              "${local.issuer}:aud" : "sts.amazonaws.com",
              "${local.issuer}:sub" : "system:serviceaccount:${var.namespace}:${var.service_account}"
            }
          }
        }
      ]
    })

    trust_eks_pod_identity = jsonencode({
      "Version" : "2012-10-17",
      "Statement" : [
        {
          "Sid" : "OperatorOfThisCluster",
          "Effect" : "Allow",
          "Principal" : {
            "Service" : "pods.eks.amazonaws.com"
          },
          "Action" : [
            "sts:AssumeRole",
            "sts:TagSession"
          ],
          "Condition" : {
            "StringEquals" : {
              "aws:RequestTag/eks-cluster-arn" : "arn:${local.partition}:eks:${local.region}:${local.account_id}:cluster/${var.eks_cluster_name}",
              "aws:RequestTag/kubernetes-namespace" : "${var.namespace}",
              "aws:RequestTag/kubernetes-service-account" : "${var.service_account}"
            }
          }
        }
      ]
    })
  }
}
