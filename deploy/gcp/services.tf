# The services as `petmood cloud deploy` specifies them; a test compares both. Later revisions come from that command.
locals {
  model    = "registry://petmood@champion"
  registry = "gs://${google_storage_bucket.petmood.name}/registry"
  listen   = ["--host", "0.0.0.0", "--port", "8080"]
  has_log  = var.cloud_sql != ""

  all_services = {
    api = {
      image       = "serve"
      args        = concat(["serve", local.model], local.listen, ["--log", "json"])
      cpu         = "2"
      memory      = "2Gi"
      concurrency = 32
      min         = 0
      max         = 4
      timeout     = "60s"
      ingress     = "INGRESS_TRAFFIC_ALL"
      startup     = "/readyz"
      liveness    = "/livez"
      collector   = true
      uses_log    = local.has_log
      env = {
        GOOGLE_CLOUD_PROJECT    = var.project
        PETMOOD_REGISTRY        = local.registry
        PETMOOD_TRUSTED_PROXIES = "*"
        PETMOOD_PROXY_HOPS      = "1"
      }
      secrets = merge(
        { PETMOOD_TOKEN = "petmood-token" },
        local.has_log ? { PETMOOD_PREDICTION_LOG = "petmood-prediction-log" } : {},
      )
    }

    page = {
      image       = "page"
      args        = concat(["page"], local.listen)
      cpu         = "1"
      memory      = "1Gi"
      concurrency = 32
      min         = 0
      max         = 2
      timeout     = "3600s"
      ingress     = "INGRESS_TRAFFIC_ALL"
      startup     = "/_stcore/health"
      liveness    = "/_stcore/health"
      collector   = false
      uses_log    = false
      env         = { PETMOOD_API_URL = var.api_url }
      secrets     = { PETMOOD_TOKEN = "petmood-token" }
    }

    monitor = {
      image       = "monitor"
      args        = concat(["monitor", "serve", "--bundle", local.model], local.listen)
      cpu         = "1"
      memory      = "1Gi"
      concurrency = 32
      min         = 1
      max         = 1
      timeout     = "60s"
      ingress     = "INGRESS_TRAFFIC_INTERNAL_ONLY"
      startup     = "/healthz"
      liveness    = "/metrics"
      collector   = true
      uses_log    = local.has_log
      env = {
        GOOGLE_CLOUD_PROJECT = var.project
        PETMOOD_REGISTRY     = local.registry
      }
      secrets = { PETMOOD_PREDICTION_LOG = "petmood-prediction-log" }
    }
  }

  services = {
    for name, service in local.all_services : name => service
    if name == "api" || (name == "page" && var.api_url != "") || (name == "monitor" && local.has_log)
  }

  public_services = var.public ? setintersection(["api", "page"], keys(local.services)) : toset([])
}

resource "google_cloud_run_v2_service" "service" {
  for_each            = local.services
  name                = "petmood-${each.key}"
  location            = var.region
  ingress             = each.value.ingress
  deletion_protection = true
  labels              = merge(local.labels, { component = each.key })

  template {
    labels                           = merge(local.labels, { component = each.key })
    service_account                  = google_service_account.account[each.key].email
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    max_instance_request_concurrency = each.value.concurrency
    timeout                          = each.value.timeout
    session_affinity                 = each.key == "page"

    scaling {
      min_instance_count = each.value.min
      max_instance_count = each.value.max
    }

    containers {
      name    = each.key
      image   = "${local.images}/${each.value.image}:${var.image_tag}"
      command = ["petmood"]
      args    = each.value.args

      ports {
        name           = "http1"
        container_port = 8080
      }

      dynamic "env" {
        for_each = each.value.env
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = each.value.secrets
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = env.value
              version = "latest"
            }
          }
        }
      }

      resources {
        limits            = { cpu = each.value.cpu, memory = each.value.memory }
        cpu_idle          = false
        startup_cpu_boost = true
      }

      startup_probe {
        period_seconds    = 5
        timeout_seconds   = 5
        failure_threshold = 48
        http_get {
          path = each.value.startup
          port = 8080
        }
      }

      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 10
        failure_threshold = 3
        http_get {
          path = each.value.liveness
          port = 8080
        }
      }

      dynamic "volume_mounts" {
        for_each = each.value.uses_log ? ["cloudsql"] : []
        content {
          name       = volume_mounts.value
          mount_path = "/cloudsql"
        }
      }
    }

    # Managed Service for Prometheus: scrapes /metrics on port 8080 every 30 s.
    dynamic "containers" {
      for_each = each.value.collector ? ["collector"] : []
      content {
        name       = containers.value
        image      = "us-docker.pkg.dev/cloud-ops-agents-artifacts/cloud-run-gmp-sidecar/cloud-run-gmp-sidecar:1.2.0"
        depends_on = [each.key]

        resources {
          limits   = { cpu = "1", memory = "512Mi" }
          cpu_idle = false
        }

        liveness_probe {
          period_seconds  = 30
          timeout_seconds = 30
          http_get {
            path = "/"
            port = 13133
          }
        }
      }
    }

    dynamic "volumes" {
      for_each = each.value.uses_log ? ["cloudsql"] : []
      content {
        name = volumes.value
        cloud_sql_instance {
          instances = [var.cloud_sql]
        }
      }
    }
  }

  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
  }

  lifecycle {
    # What `petmood cloud deploy` changes; everything else is set back to what is written here.
    ignore_changes = [
      client,
      client_version,
      template[0].annotations,
      template[0].containers[0].image,
      template[0].revision,
    ]
  }

  depends_on = [google_secret_manager_secret_iam_member.account, google_storage_bucket_iam_member.account]
}

resource "google_cloud_run_v2_service_iam_member" "public" {
  for_each = local.public_services
  name     = google_cloud_run_v2_service.service[each.value].name
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}
