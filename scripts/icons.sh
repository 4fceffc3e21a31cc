#!/usr/bin/env bash
# Makes every size of the app's icon from icons/vivarium.svg. The results are committed.
set -euo pipefail
cd "$(dirname "$0")/../icons"
# shellcheck source=scripts/lib/packages.sh
. ../scripts/lib/packages.sh
need_packages librsvg2-bin imagemagick
size() { rsvg-convert --width "$1" --height "$1" vivarium.svg --output "$2"; }
size 32 32x32.png
size 128 128x128.png
size 256 128x128@2x.png
size 512 icon.png
convert 32x32.png \( 128x128.png -resize 64x64 \) 128x128.png 128x128@2x.png icon.ico
cp vivarium.svg ../ui/public/vivarium.svg
