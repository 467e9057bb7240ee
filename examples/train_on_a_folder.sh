#!/usr/bin/env bash
# From a folder of photos to an evaluated bundle.
# Usage: examples/train_on_a_folder.sh PHOTOS WORK [SETTING=VALUE ...]
#   PHOTOS  class folders angry/ happy/ other/ sad/
#   WORK    a new folder: the dataset, the run and the bundle are written there
#   SETTING such as experiment=demo, or backbone=efficientnet_b0 recipe=finetune; `petmood config` lists them
set -euo pipefail
photos=$1 work=$2
shift 2

petmood data import folder "$photos" --output "$work/data"      # finds near-duplicates, and draws the splits around them
petmood data check "$work/data"                             # exit code 1 on blocking issues
petmood train "data=$work/data" "run.folder=$work/runs" name=first tracker=none "$@"
petmood evaluate "$work/runs/first"                         # metrics with intervals, beside baselines; report.html
petmood export "$work/runs/first" --output "$work/bundle"       # compared with the trained network before it is written
