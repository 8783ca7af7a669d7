#!/usr/bin/env bash
# Builds the site into site/ (arguments go to `mkdocs build`); any warning is an error. To read it with its search:
#   .venv/bin/python -m http.server --directory site
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare docs
export NO_MKDOCS_2_WARNING=1
exec .venv/bin/mkdocs build --strict "$@"
