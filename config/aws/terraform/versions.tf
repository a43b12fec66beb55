terraform {
  required_version = ">= 1.9" # a validation may refer to other variables

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.81" # thumbprint_list of an OIDC provider is optional
    }
  }
}
