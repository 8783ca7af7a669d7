#!/usr/bin/env bash
# Sets everything up in .venv and checks the project: style, types, tests (arguments go to pytest; --all: slow ones too).
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare test
if [ "${1:-}" = "--all" ]; then
  shift
  set -- -m "slow or not slow" "$@"
fi
.venv/bin/ruff format --check --quiet .
.venv/bin/ruff check --quiet .
.venv/bin/mypy --no-error-summary
# Each worker computes on one thread: as many workers as processors, and files of tests stay together for their models.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec .venv/bin/python -m pytest -n "${TEST_WORKERS:-auto}" --dist loadfile "$@"
