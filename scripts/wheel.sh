#!/usr/bin/env bash
# Builds the wheel and the source archive into dist/, installs the wheel alone into a bare environment, and uses it there.
#
#   scripts/wheel.sh             the light installation: version, agree, plan, init; no torch
#   scripts/wheel.sh --models    then with the extra [models]: a small run (torch: a large download)
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare test
root=$PWD
rm -rf dist
"$bin/python" -m build --outdir dist . >/dev/null
ls -l dist

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$bin/python" -m venv "$folder/bare"
cd "$folder"
unset PYTHONPATH
pip=(bare/bin/python -m pip install --quiet --disable-pip-version-check -c "$root/constraints.txt")
"${pip[@]}" "$root"/dist/*.whl
bare/bin/ceq --version
printf '{"id": %d, "prediction": "a", "label": "a"}\n' $(seq 60) >left.jsonl
sed '1,3s/"prediction": "a"/"prediction": "b"/' left.jsonl >right.jsonl
bare/bin/ceq agree left.jsonl right.jsonl
bare/bin/ceq plan --discordance 0.1
bare/bin/ceq run --dry-run >/dev/null || [ $? -eq 2 ] # it names the missing extra
bare/bin/python - <<'PYTHON'
import importlib.util
from importlib.metadata import metadata
from importlib.resources import files

import cascade_equivalence as ceq

package = files("cascade_equivalence")
assert importlib.util.find_spec("torch") is None and "site-packages" in str(package), package
assert (package / "py.typed").is_file()
assert metadata("cascade-equivalence")["Version"] == ceq.__version__
PYTHON
if [ "${1:-}" = "--models" ]; then
  "${pip[@]}" "$(echo "$root"/dist/*.whl)[models]"
  bare/bin/ceq run --limit 4 --tasks topic --arms gold,cascade-w
fi
