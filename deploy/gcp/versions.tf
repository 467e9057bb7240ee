terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
  }

  # The state has no secrets. Keep it in a bucket of its own: terraform init -backend-config=bucket=NAME
  backend "gcs" {
    prefix = "petmood"
  }
}

provider "google" {
  project               = var.project
  region                = var.region
  billing_project       = var.project
  user_project_override = true # the budget is billed to the project, not to the person
}
