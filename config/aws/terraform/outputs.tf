output "role_arn" {
  description = "The operator's role. With IRSA, annotate its ServiceAccount with it."
  value       = aws_iam_role.operator.arn
}

output "permissions_boundary_arn" {
  description = "The operator's --permissions-boundary, or null if no boundary is forced."
  value       = local.has_boundary ? "arn:${local.partition}:iam::${local.account_id}:policy/${var.boundary_name}" : null
}
