#!/usr/bin/env bash
# From two data versions to a promoted, served and rolled-back model, and from a prediction back to its training photos.
# Usage: docs/life_cycle.sh FOLDER [PORT]. It needs petmood, dvc, git, curl and python on the PATH; no account, no network.
set -euo pipefail
mkdir -p "$1" && cd "$1"
port=${2:-8000}
export PETMOOD_REGISTRY=$PWD/registry PETMOOD_CACHE=$PWD/cache PETMOOD_FOLLOW_S=1 DVC_NO_ANALYTICS=1
settings=(data=data/pets experiment=demo tracker=none evaluation.baselines=false run.folder="$PWD/runs")
say() { printf '\n== %s\n' "$*"; }
field() { python -c 'import json, sys; print(json.load(sys.stdin)["model"]["sha256"])'; }
wait_for() { for _ in $(seq 3000); do "$@" && return; sleep 0.2; done; echo "waited in vain for: $*" >&2; exit 1; }
ask() { curl --silent --fail --form photo=@"$photo" "http://127.0.0.1:$port/predict"; }

say "A folder of photos: a third of them today, all of them tomorrow"
petmood data import demo --output photos >/dev/null 2>&1
for class in angry happy other sad; do
  mkdir -p "today/$class"
  find "photos/photos/$class" -name '*.jpg' | sort | awk 'NR % 3 == 1' | xargs -I{} cp {} "today/$class"
done

say "Version 1 of the data: imported, checked, pushed, tagged"
mkdir project && cd project
git init --quiet --initial-branch main
git config user.name story && git config user.email story@example.org
dvc init --quiet
dvc remote add --quiet --default team ../remote
printf '.cache/\ncheck.html\n' > .dvcignore
petmood data import folder ../today --output data/pets
petmood data check data/pets | tail -n 1
version() { dvc add --quiet data/pets && git add --all && git commit --quiet --message "$1" && git tag "$1" && dvc push --quiet; }
version v1

say "A first model, checked against absolute limits, becomes champion"
candidate() {
  petmood train "${settings[@]}" name="$1" epochs="$2" 2>/dev/null
  petmood evaluate "../runs/$1" 2>/dev/null | sed -n 1p
  petmood export "../runs/$1" --output "../bundles/$1" >/dev/null
  petmood registry push "../bundles/$1"
}
candidate first 30
petmood registry promote 1 --to champion --reason "the first" --report ../promotion-1

say "It is served by its alias"
petmood serve registry://petmood@champion --port "$port" --log json 2> ../service.log &
service=$!
trap 'kill "$service" 2>/dev/null || true; wait' EXIT
photo=$(find data/pets/photos -name '*.jpg' | sort | sed -n 1p)
answers() { ask >/dev/null 2>&1; }
wait_for answers
first=$(ask | field)
echo "answers come from $first"

say "Version 2 of the data"
petmood data import folder ../photos/photos --output data/pets
version v2

say "A second model passes the checks, and is served without a restart"
candidate second 16
petmood registry promote 2 --to champion --reason "three times the photos" --report ../promotion-2
is_another() { [ "$(ask | field)" != "$first" ]; }
wait_for is_another
second=$(ask | field)
echo "answers come from $second"

say "The older one fails the checks against the champion: exit code 3"
code=0; petmood registry promote 1 --to champion || code=$?
[ "$code" = 3 ]

say "An answer is traced to its photos, and their hashes to the files of that data version in a fresh clone"
petmood registry lineage "$second"
git clone --quiet . ../clone && cd ../clone
check() {
  git checkout --quiet "$1" && dvc pull --quiet
  petmood registry lineage "$2" --photos > photos.csv
  python - <<'PY'
import csv, hashlib, pathlib
rows = list(csv.DictReader(open("photos.csv", newline="")))
files = {p.relative_to("data/pets").as_posix(): p for p in pathlib.Path("data/pets/photos").rglob("*") if p.is_file()}
assert {row["path"] for row in rows} == set(files)
assert all(hashlib.sha256(files[row["path"]].read_bytes()).hexdigest() == row["sha256"] for row in rows)
print(f"all {len(rows)} photos are there, byte for byte")
PY
}
check v1 "$first"
check v2 "$second"
cd ../project

say "Something is wrong in production: back to the version before"
petmood registry rollback --reason "it was wrong about rabbits"
is_first() { [ "$(ask | field)" = "$first" ]; }
wait_for is_first
petmood registry history
petmood registry verify

say "The end"
kill "$service"; wait "$service"; trap - EXIT
