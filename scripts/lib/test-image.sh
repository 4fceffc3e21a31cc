#!/usr/bin/env bash
# Builds the image that the end-to-end tests share, by the command line, as a person would.
# VIVARIUM_TEST_INSTANCE names it.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${VIVARIUM_TEST_INSTANCE:?names the image}"
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
target/debug/vivarium --instance "$VIVARIUM_TEST_INSTANCE" --home "$home" build
# Its layers stay in the engine's cache when this run's image goes.
docker tag "$VIVARIUM_TEST_INSTANCE-os" vivarium-test-layers
