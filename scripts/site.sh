#!/usr/bin/env bash
# Builds the site into site/ (arguments go to `mkdocs build`); any warning is an error. Open
# site/index.html: it works from the folder, search included, and fetches nothing.
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
prepare docs
export NO_MKDOCS_2_WARNING=1
exec "$bin/mkdocs" build --strict "$@"
