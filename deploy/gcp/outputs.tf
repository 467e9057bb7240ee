output "service_urls" {
  description = "Addresses of the services."
  value       = { for name, service in google_cloud_run_v2_service.service : name => service.uri }
}

output "images" {
  description = "Where images are pushed."
  value       = local.images
}

output "registry" {
  description = "Address of the model registry, for PETMOOD_REGISTRY."
  value       = local.registry
}

output "service_accounts" {
  description = "Service accounts by what runs as them."
  value       = { for name, account in google_service_account.account : name => account.email }
}
