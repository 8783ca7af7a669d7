#!/usr/bin/env bash
# Makes docs/report.png and docs/report-annotated.png, the head of a finished run's report with and without numbers.
#
#   scripts/pictures.sh RUN [HEIGHT]     e.g. runs/pocket 2300; needs chromium (CHROMIUM names another browser of its family)
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
report="$1/report.html"
height="${2:-2300}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Numbers as docs/reading-the-report.md counts them.
cat >"$folder/numbers.css" <<'CSS'
:root { color-scheme: light; }
.page .kicker::before, .page h1::before, .verdicts::before, h2.ask::before {
  display: inline-block; min-width: 1.7rem; margin-right: .5rem; border-radius: 1rem; background: #c2185b; color: #fff;
  font: 700 1rem/1.7rem system-ui, sans-serif; text-align: center; vertical-align: middle; letter-spacing: 0;
}
.page .kicker::before { content: "1"; }
.page h1::before { content: "2"; }
.verdicts { position: relative; }
.verdicts::before { content: "3"; position: absolute; top: -.8rem; left: -.8rem; z-index: 1; }
h2.ask::before { content: "4"; }
h2.ask ~ h2.ask::before { content: "5"; }
CSS

shoot() {
  "${CHROMIUM:-chromium}" --headless --no-sandbox --disable-gpu --hide-scrollbars --force-color-profile=srgb \
    --window-size="1280,$height" --screenshot="$2" "file://$1" 2>/dev/null
}

shoot "$(realpath "$report")" "$PWD/docs/report.png"
python3 - "$report" "$folder" <<'PYTHON'
import pathlib, sys
report, folder = map(pathlib.Path, sys.argv[1:])
style = f"<style>{(folder / 'numbers.css').read_text()}</style></head>"
(folder / "numbered.html").write_text(report.read_text(encoding="utf-8").replace("</head>", style, 1), encoding="utf-8")
PYTHON
shoot "$folder/numbered.html" "$PWD/docs/report-annotated.png"
ls -s docs/report.png docs/report-annotated.png
