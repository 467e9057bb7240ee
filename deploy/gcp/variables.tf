variable "project" {
  description = "Project that everything is created in."
  type        = string
}

variable "region" {
  description = "Region of the bucket, the images, the services and the jobs."
  type        = string
  default     = "us-central1"
}

variable "image_tag" {
  description = "Tag of the images of the first revision; `petmood cloud deploy` changes it later."
  type        = string
  default     = "latest"
}

variable "repository_owner" {
  description = "Owner of the GitHub repository that Cloud Build is connected to; empty: no trigger."
  type        = string
  default     = ""
}

variable "repository_name" {
  description = "Name of that repository."
  type        = string
  default     = "petmood"
}

variable "api_url" {
  description = "Address of the API, which the page calls; known after the first apply. Empty: no page."
  type        = string
  default     = ""
}

variable "cloud_sql" {
  description = "PROJECT:REGION:INSTANCE of the database of the prediction log; empty: no log and no monitor."
  type        = string
  default     = ""
}

variable "public" {
  description = "Whether everyone may call the API and the page; the API demands its token all the same."
  type        = bool
  default     = true
}

variable "deployers" {
  description = "Members who may run `petmood cloud deploy` and `train`, such as user:me@example.org."
  type        = set(string)
  default     = []
}

variable "retrain_data" {
  description = "Folder of the dataset in the bucket for scheduled training, such as data/pets; empty: none."
  type        = string
  default     = ""
}

variable "retrain_schedule" {
  description = "When it trains, as cron writes it."
  type        = string
  default     = "0 3 * * 1"
}

variable "alert_emails" {
  description = "Addresses that alerts are sent to."
  type        = set(string)
  default     = []
}

variable "billing_account" {
  description = "Billing account of the budget; empty: no budget."
  type        = string
  default     = ""
}

variable "monthly_budget" {
  description = "Amount a month, in the currency of the billing account, at whose shares its owners get mail."
  type        = number
  default     = 50
}
