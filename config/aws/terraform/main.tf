data "aws_partition" "current" {}
data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  partition  = data.aws_partition.current.partition
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.id
  issuer     = trimprefix(var.oidc_issuer, "https://")
  role_path  = var.role_path != "" ? var.role_path : "/podidentity/${var.cluster_name}/"

  has_boundary     = var.permissions_boundary != "None"
  use_pod_identity = var.operator_credentials == "EKSPodIdentity"
}

resource "aws_iam_openid_connect_provider" "this" {
  count = var.create_oidc_provider ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
  tags           = var.tags
}

resource "aws_iam_policy" "boundary" {
  count = var.permissions_boundary == "Create" ? 1 : 0

  name        = var.boundary_name
  description = "Limits all roles that the PodIdentity operator creates"
  policy      = local.policies.boundary
  tags        = var.tags
}

resource "aws_iam_role" "operator" {
  name               = "podidentity-operator-${var.cluster_name}"
  description        = "The PodIdentity operator of cluster ${var.cluster_name}"
  assume_role_policy = local.use_pod_identity ? local.policies.trust_eks_pod_identity : local.policies.trust_irsa
  tags               = var.tags
}

resource "aws_iam_policy" "operator" {
  name        = "podidentity-operator-${var.cluster_name}"
  description = "What the PodIdentity operator of cluster ${var.cluster_name} may do"
  policy      = local.has_boundary ? local.policies.operator_with_boundary : local.policies.operator_without_boundary
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "operator" {
  role       = aws_iam_role.operator.name
  policy_arn = aws_iam_policy.operator.arn
}

resource "aws_iam_policy" "oidc_provider" {
  count = var.operator_creates_oidc_provider ? 1 : 0

  name        = "podidentity-operator-${var.cluster_name}-oidc-provider"
  description = "Lets the PodIdentity operator of cluster ${var.cluster_name} create its OIDC provider"
  policy      = local.policies.oidc_provider
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "oidc_provider" {
  count = var.operator_creates_oidc_provider ? 1 : 0

  role       = aws_iam_role.operator.name
  policy_arn = aws_iam_policy.oidc_provider[0].arn
}

resource "aws_eks_pod_identity_association" "operator" {
  count = local.use_pod_identity ? 1 : 0

  cluster_name    = var.eks_cluster_name
  namespace       = var.namespace
  service_account = var.service_account
  role_arn        = aws_iam_role.operator.arn
  tags            = var.tags
}
