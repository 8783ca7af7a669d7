# Sourced by the other scripts: makes .venv, and fills it when what it is made from has changed. CEQ_BIN names the bin
# folder of an environment that is ready, which is then used as it is.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin="${CEQ_BIN:-$PWD/.venv/bin}"

# The first interpreter of a version the package supports.
for python in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
  if [ -n "$python" ] && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi
  python=""
done
if [ -z "$python" ]; then
  echo "Python 3.11 or newer is needed; set PYTHON to it" >&2
  exit 1
fi

# prepare EXTRA: installs the project with an extra into .venv.
prepare() {
  if [ -n "${CEQ_BIN:-}" ]; then return; fi
  local stamp wanted
  stamp=".venv/.filled-$1"
  wanted=$(cat pyproject.toml constraints.txt | cksum)
  if [ ! -x .venv/bin/python ]; then
    rm -rf .venv
    "$python" -m venv .venv || { echo "python -m venv failed; on Debian it is the package python3-venv" >&2; exit 1; }
  fi
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    .venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[$1]"
    echo "$wanted" >"$stamp"
  fi
}
