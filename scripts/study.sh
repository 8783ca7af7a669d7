#!/usr/bin/env bash
# Sets everything up in .venv and runs the pocket study (or any other: arguments go to `ceq run`).
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare models
exec "$bin/ceq" run "$@"
