#!/usr/bin/env bash
# Runs three shipped studies and puts their reports into build/gallery/, one file each; scripts/site.sh takes them along.
# An argument is the number of items a task. Stopped, the same command goes on; finished reports are only written again.
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare models
mkdir -p build/gallery
limit=${1:+--limit $1}
for study in pocket docs/gallery/noise.yaml docs/gallery/voice.yaml; do
  name=$(basename "$study" .yaml)
  # shellcheck disable=SC2086 # no limit, no words
  "$bin/ceq" run "$study" $limit --out "runs/gallery-$name${1:+-$1}"
  cp "runs/gallery-$name${1:+-$1}/report.html" "build/gallery/$name.html"
done
ls -sh build/gallery
