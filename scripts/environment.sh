# Sourced by the other scripts: makes .venv, and fills it when what it is made from has changed.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

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
