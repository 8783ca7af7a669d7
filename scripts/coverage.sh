#!/usr/bin/env bash
# Line coverage of src by the fast tests that need no embedded models (arguments: other tests). --more first: added to
# what was measured before, so that a long measurement can be made in parts.
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare test
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
more=()
if [ "${1:-}" = --more ]; then more=(--append) && shift; fi
tests=(agreement audio commands fuzz logs mechanism public reading report study tasks test_reported_files.py test_whole.py)
[ $# -gt 0 ] || set -- "${tests[@]/#/tests/}"
export COVERAGE_FILE="${COVERAGE_FILE:-.coverage}"
status=0
"$bin/python" -m coverage run "${more[@]}" --source src -m pytest -q -p no:cacheprovider "$@" || status=$?
"$bin/python" -m coverage report --sort cover --precision 1 | tail -n 400
exit "$status"
