variable "cluster_name" {
  description = "The operator's --cluster-name, unique in the AWS account."
  type        = string

  validation {
    condition     = length(var.cluster_name) <= 40 && can(regex("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", var.cluster_name))
    error_message = "cluster_name must have at most 40 characters of a-z, 0-9, '.' and '-', and begin and end with a letter or digit."
  }
}

variable "oidc_issuer" {
  description = "The cluster's OIDC issuer, with or without https://."
  type        = string

  validation {
    condition     = can(regex("^(https://)?[a-z0-9][a-z0-9.-]*(/[A-Za-z0-9._~/-]*)?$", var.oidc_issuer))
    error_message = "oidc_issuer must be an https:// URL without a port and a query."
  }
}

variable "create_oidc_provider" {
  description = "Create the OIDC provider of the issuer in IAM. If false, it must exist."
  type        = bool
  default     = false
}

variable "operator_credentials" {
  description = "How the operator itself gets its role: IRSA or EKSPodIdentity. EKSPodIdentity requires eks_cluster_name and the EKS Pod Identity Agent."
  type        = string
  default     = "IRSA"

  validation {
    condition     = contains(["IRSA", "EKSPodIdentity"], var.operator_credentials)
    error_message = "operator_credentials must be IRSA or EKSPodIdentity."
  }

  validation {
    condition     = var.operator_credentials != "EKSPodIdentity" || var.eks_cluster_name != ""
    error_message = "operator_credentials = \"EKSPodIdentity\" requires eks_cluster_name."
  }
}

variable "eks_cluster_name" {
  description = "Name of the cluster in EKS, for operator_credentials = \"EKSPodIdentity\"."
  type        = string
  default     = ""
}

variable "permissions_boundary" {
  description = "The boundary of all roles that the operator creates: Create creates the example of config/aws, Existing uses a policy of this account, None forces no boundary."
  type        = string
  default     = "Create"

  validation {
    condition     = contains(["Create", "Existing", "None"], var.permissions_boundary)
    error_message = "permissions_boundary must be Create, Existing or None."
  }
}

variable "boundary_name" {
  description = "Name of the boundary policy. One boundary can serve several clusters."
  type        = string
  default     = "podidentity-boundary"
}

variable "operator_creates_oidc_provider" {
  description = "Allow the operator to create the OIDC provider, for its flag --oidc-provider=Create."
  type        = bool
  default     = false
}

variable "role_path" {
  description = "The operator's --role-path, if it is set."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^((/[A-Za-z0-9_+=,.@-]+)+/)?$", var.role_path))
    error_message = "role_path must be one or more names of letters, digits and _+=,.@- between slashes, with a slash at both ends."
  }
}

variable "namespace" {
  description = "Namespace of the operator."
  type        = string
  default     = "podidentity-system"
}

variable "service_account" {
  description = "ServiceAccount of the operator."
  type        = string
  default     = "podidentity-controller-manager"
}

variable "tags" {
  description = "Tags of what this module creates."
  type        = map(string)
  default     = {}
}
