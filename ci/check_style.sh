#!/usr/bin/env bash
# Style is a test: line and function length, tabs, banned patterns (ci/check_banned.txt), luacheck, shellcheck.
set -euo pipefail
# shellcheck source=ci/files.sh
. "$(dirname "$0")/files.sh"

code=('*.cpp' '*.hpp' '*.lua' '*.sh' '*.cmake' '*CMakeLists.txt' 'ci/install.sh' '.ci/run')

# Lengths and tabs. Generated files (*.gen.*) are judged by their generator.
found=$(files "${code[@]}" | xargs -0 -r perl ci/check_style.pl) || { printf 'ci/check_style.pl failed\n' >&2; exit 1; }
while IFS= read -r line; do
  [ -z "$line" ] || complain "${line%%: *}" "${line#*: }"
done <<< "$found"

if command -v luacheck >/dev/null; then
  if [ -n "$(files 'lua/*.lua' | tr '\0' '\n')" ]; then
    luacheck --no-color --quiet lua || complain lua "luacheck has findings, above"
  fi
else
  complain lua "luacheck is missing: ci/install.sh installs it (lua-check)"
fi
if command -v shellcheck >/dev/null; then
  files '*.sh' '.ci/run' | xargs -0 -r shellcheck -x || complain ci "shellcheck has findings, above"
else
  printf 'check_style: shellcheck is not installed, shell scripts are not linted\n'
fi
finish check_style
