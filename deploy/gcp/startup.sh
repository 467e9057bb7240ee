#!/usr/bin/env bash
# Start-up script of a Compute Engine machine with Container-Optimized OS: trains in the image of Vertex AI jobs, and
# shuts the machine down. A machine that is started again resumes. Metadata of the machine:
#   petmood-image      image, such as us-central1-docker.pkg.dev/PROJECT/petmood/train:latest
#   petmood-output     gs://BUCKET/jobs/NAME, as the baseOutputDirectory of a job
#   petmood-overrides  settings of `petmood run`, separated by spaces (optional)
#   petmood-free-gb    free disk space that is needed, in GB (optional, 40)
set -euo pipefail

# Container-Optimized OS mounts most folders read-only; the configuration of docker goes here.
export HOME="${PETMOOD_HOME:-/var/lib/petmood}"
disk="${PETMOOD_DISK:-/var/lib/docker}"

say() {
  echo "petmood: $*" >&2
}

metadata() {
  curl --silent --fail --retry 5 --retry-connrefused --header "Metadata-Flavor: Google" \
    "http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1/instance/attributes/$1"
}

needed() {
  metadata "$1" || {
    say "Expected the metadata $1, got none. Add it with: gcloud compute instances add-metadata --metadata $1=VALUE"
    exit 1
  }
}

image="$(needed petmood-image)"
output="$(needed petmood-output)"
free_gb="$(metadata petmood-free-gb || echo 40)"
read -r -a overrides <<<"$(metadata petmood-overrides || true)"

if [[ ! "$free_gb" =~ ^[0-9]{1,5}$ ]]; then
  say "Expected a number of GB in petmood-free-gb, got '$free_gb'."
  exit 1
fi
if [[ ! "$output" =~ ^gs://[^/]+/.+ ]]; then
  say "Expected gs://BUCKET/PATH in petmood-output, got '$output'."
  exit 1
fi

# The image has some 7 GB unpacked, and the cache of prepared photos some 0.2 MB a photo. A disk that fills up while
# it trains loses hours, so that is checked before anything is started.
mkdir -p "$disk" "$HOME"
available_gb="$(($(df --output=avail --block-size=1 "$disk" | tail -n 1) / 1000000000))"
if ((available_gb < free_gb)); then
  say "Expected $free_gb GB free on the disk of $disk, got $available_gb GB. Nothing was started." \
    "Resize it with: gcloud compute disks resize DISK --size ${free_gb}GB, then restart the machine."
  exit 1
fi
say "$available_gb GB are free. Starting $image."

docker-credential-gcr configure-docker --registries="${image%%/*}"
docker pull --quiet "$image"
docker rm --force petmood >/dev/null 2>&1 || true
docker run --name petmood --network host --shm-size 1g \
  --env AIP_MODEL_DIR="$output/model/" \
  --env AIP_CHECKPOINT_DIR="$output/checkpoints/" \
  --env AIP_TENSORBOARD_LOG_DIR="$output/logs/" \
  --entrypoint petmood "$image" cloud run-job "${overrides[@]}"
say "Done: the bundle is in $output/model. Shutting down."
shutdown -h now
