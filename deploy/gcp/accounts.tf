# One service account for each service and job, with the least roles that it works with. docs/cloud.md has the table.
locals {
  accounts = {
    api       = "Serves predictions."
    page      = "Serves the web page."
    monitor   = "Tests the prediction log for drift."
    train     = "Trains on Vertex AI."
    build     = "Builds and pushes images."
    scheduler = "Starts scheduled training."
  }

  bucket_roles = {
    api     = "roles/storage.objectViewer"
    monitor = "roles/storage.objectViewer"
    train   = "roles/storage.objectUser"
  }

  image_roles = {
    build = "roles/artifactregistry.writer"
    train = "roles/artifactregistry.reader" # on Compute Engine; elsewhere Google's own agents pull images
  }

  secret_readers = {
    "api petmood-token"              = { account = "api", secret_id = "petmood-token" }
    "page petmood-token"             = { account = "page", secret_id = "petmood-token" }
    "api petmood-prediction-log"     = { account = "api", secret_id = "petmood-prediction-log" }
    "monitor petmood-prediction-log" = { account = "monitor", secret_id = "petmood-prediction-log" }
  }

  project_roles = {
    "api logs"         = { account = "api", role = "roles/logging.logWriter" }
    "api metrics"      = { account = "api", role = "roles/monitoring.metricWriter" }
    "api database"     = { account = "api", role = "roles/cloudsql.client" }
    "monitor logs"     = { account = "monitor", role = "roles/logging.logWriter" }
    "monitor metrics"  = { account = "monitor", role = "roles/monitoring.metricWriter" }
    "monitor database" = { account = "monitor", role = "roles/cloudsql.client" }
    "train logs"       = { account = "train", role = "roles/logging.logWriter" }
    "build logs"       = { account = "build", role = "roles/logging.logWriter" }
    "scheduler jobs"   = { account = "scheduler", role = "roles/aiplatform.user" }
  }

  # Who starts a service or a job that runs as an account needs the right to act as it.
  run_as = merge(
    { "scheduler train" = { member = "serviceAccount:${google_service_account.account["scheduler"].email}", account = "train" } },
    {
      for pair in setproduct(var.deployers, ["api", "page", "monitor", "train"]) :
      "${pair[0]} ${pair[1]}" => { member = pair[0], account = pair[1] }
    },
  )

  deployer_roles = {
    for pair in setproduct(var.deployers, ["roles/run.developer", "roles/aiplatform.user"]) :
    "${pair[0]} ${pair[1]}" => { member = pair[0], role = pair[1] }
  }
}

resource "google_service_account" "account" {
  for_each     = local.accounts
  account_id   = "petmood-${each.key}"
  display_name = "petmood ${each.key}"
  description  = each.value
  depends_on   = [google_project_service.api]
}

resource "google_storage_bucket_iam_member" "account" {
  for_each = local.bucket_roles
  bucket   = google_storage_bucket.petmood.name
  role     = each.value
  member   = "serviceAccount:${google_service_account.account[each.key].email}"
}

resource "google_secret_manager_secret_iam_member" "account" {
  for_each  = local.secret_readers
  secret_id = google_secret_manager_secret.secret[each.value.secret_id].id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.account[each.value.account].email}"
}

resource "google_artifact_registry_repository_iam_member" "account" {
  for_each   = local.image_roles
  repository = google_artifact_registry_repository.images.name
  location   = google_artifact_registry_repository.images.location
  role       = each.value
  member     = "serviceAccount:${google_service_account.account[each.key].email}"
}

resource "google_project_iam_member" "account" {
  for_each = local.project_roles
  project  = var.project
  role     = each.value.role
  member   = "serviceAccount:${google_service_account.account[each.value.account].email}"
}

resource "google_project_iam_member" "deployer" {
  for_each = local.deployer_roles
  project  = var.project
  role     = each.value.role
  member   = each.value.member
}

resource "google_service_account_iam_member" "run_as" {
  for_each           = local.run_as
  service_account_id = google_service_account.account[each.value.account].name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value.member
}
