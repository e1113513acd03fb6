#!/usr/bin/env bash
# Generated files are what their generator would write now.
set -euo pipefail
# shellcheck source=ci/files.sh
. "$(dirname "$0")/files.sh"

lua5.1 lua/tools/bindgen.lua --check \
  || complain lua/tools/bindgen.lua "bindings are stale: run lua5.1 lua/tools/bindgen.lua"
finish check_generated
