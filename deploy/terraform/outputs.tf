output "broker_url" {
  description = "For agents elsewhere (BROKER_URL)."
  value       = "http://broker.vaultbuddy.internal:9201"
}

output "broker_security_group_id" {
  description = "To be let in by other groups of tasks, on port 9202."
  value       = aws_security_group.broker.id
}

output "broker_task_role_arn" {
  value = aws_iam_role.broker.arn
}
