#!/usr/bin/env bash
# A second real server, of another make than scripts/server.sh: `transformers serve`, in an environment of its own.
#
#   scripts/transformers-server.sh install                 makes the environment: CEQ_SERVER_2, default .venv-server-2
#   scripts/transformers-server.sh DIRECTORY [OPTION…]     serves the model in DIRECTORY on 127.0.0.1:8124: a language
#                                                          model by chat and completions, a Whisper by transcriptions
#
# It refuses parameters that it does not know, so a study says `body: {repetition_penalty: null}`, and `model:` is the
# directory as it is given here. It gives no log-probabilities: `answer: generate`.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
home="${CEQ_SERVER_2:-.venv-server-2}"

if [ "${1:-}" = "install" ]; then
  if [ -e "$home/.filled" ]; then exit 0; fi
  [ -x "$home/bin/python" ] || "${PYTHON:-python3}" -m venv "$home"
  "$home/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt \
    torch "transformers[serving]" python-multipart librosa soundfile
  touch "$home/.filled"
  exit 0
fi
if [ ! -e "$home/.filled" ]; then
  echo "no server in $home; make it with: scripts/transformers-server.sh install" >&2
  exit 1
fi
model="$1"
shift
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}" HF_HUB_OFFLINE=1
exec "$home/bin/transformers" serve "$model" --host 127.0.0.1 --port "${PORT:-8124}" --device cpu --dtype float32 "$@"
