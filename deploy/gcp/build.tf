# Builds, tests and pushes the images at every push to main. The repository is connected once, in the console.
resource "google_cloudbuild_trigger" "main" {
  count           = var.repository_owner == "" ? 0 : 1
  name            = "petmood-main"
  location        = var.region
  description     = "Build, test and push the images of petmood."
  filename        = "deploy/gcp/cloudbuild.yaml"
  service_account = google_service_account.account["build"].id

  github {
    owner = var.repository_owner
    name  = var.repository_name
    push {
      branch = "^main$"
    }
  }

  substitutions = {
    _IMAGES = local.images
  }

  depends_on = [google_project_iam_member.account]
}

# Starts the training of a new candidate; the promotion checks decide whether it becomes the champion.
resource "google_cloud_scheduler_job" "retrain" {
  count       = var.retrain_data == "" ? 0 : 1
  name        = "petmood-retrain"
  region      = var.region
  description = "Train a candidate on the current dataset, and register it."
  schedule    = var.retrain_schedule
  time_zone   = "Etc/UTC"

  retry_config {
    retry_count = 1
  }

  http_target {
    http_method = "POST"
    uri         = "https://${var.region}-aiplatform.googleapis.com/v1/projects/${var.project}/locations/${var.region}/customJobs"
    headers     = { "Content-Type" = "application/json" }

    body = base64encode(jsonencode({
      displayName = "petmood-retrain"
      labels      = merge(local.labels, { component = "train" })
      jobSpec = {
        serviceAccount = google_service_account.account["train"].email
        scheduling     = { timeout = "43200s" }
        workerPoolSpecs = [{
          replicaCount = 1
          machineSpec  = { machineType = "n1-standard-8" }
          diskSpec     = { bootDiskType = "pd-ssd", bootDiskSizeGb = 100 }
          containerSpec = {
            imageUri = "${local.images}/train:${var.image_tag}"
            command  = ["petmood", "retrain"]
            args     = ["data=/gcs/${google_storage_bucket.petmood.name}/${var.retrain_data}", "tracker=none"]
            env      = [{ name = "PETMOOD_REGISTRY", value = local.registry }]
          }
        }]
      }
    }))

    oauth_token {
      service_account_email = google_service_account.account["scheduler"].email
      scope                 = "https://www.googleapis.com/auth/cloud-platform"
    }
  }

  depends_on = [google_project_service.api]
}
