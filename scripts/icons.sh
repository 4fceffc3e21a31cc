#!/usr/bin/env bash
# Makes every size of the app's icon from icons/vivarium.svg. The results are committed.
set -euo pipefail
cd "$(dirname "$0")/../icons"
# shellcheck source=scripts/lib/packages.sh
. ../scripts/lib/packages.sh
need_packages librsvg2-bin imagemagick
size() { rsvg-convert --width "$1" --height "$1" vivarium.svg --output "$2"; }
size 32 32x32.png
size 64 64x64.png
size 128 128x128.png
size 256 128x128@2x.png
size 512 icon.png
convert 32x32.png 64x64.png 128x128.png 128x128@2x.png icon.ico
# macOS: a header, then each size with its name.
python3 - <<'PYTHON'
import pathlib, struct
parts = {b"ic11": "32x32.png", b"ic12": "64x64.png", b"ic07": "128x128.png", b"ic08": "128x128@2x.png", b"ic09": "icon.png"}
body = b"".join(
    name + struct.pack(">I", len(png) + 8) + png
    for name, png in ((name, pathlib.Path(path).read_bytes()) for name, path in parts.items())
)
pathlib.Path("icon.icns").write_bytes(b"icns" + struct.pack(">I", len(body) + 8) + body)
PYTHON
cp vivarium.svg ../ui/public/vivarium.svg
