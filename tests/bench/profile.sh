#!/usr/bin/env bash
# Flame graphs of Valkey and of the client under one load, and what each command cost inside Valkey.
#
#   tests/bench/profile.sh [SCENARIO…]    one or more of ff_bench --list; default: lifecycle
#
# Writes build/bench/profile/<program>.svg (open in a browser) and <program>.txt (the same as a list). Valkey's own
# functions have names only as far as its package exports them; with a build that has symbols first in PATH all have.
# Needs perf; without it only the commands' costs are printed.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=build/bench/profile
scenarios=$(IFS=,; echo "${*:-lifecycle}")

# shellcheck source=tests/bench/build.sh
. tests/bench/build.sh
mkdir -p "$out"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/ff-profile-XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# BullMQ is left out: the profile is of ours.
bench=(build/release/tests/bench/ff_bench --only "$scenarios" --quick --runs 2 --out "$scratch/json" --peer "$scratch")
if perf record -e cpu-clock -F 99 -o "$scratch/probe" -- true >/dev/null 2>&1; then
  # Everything it starts is recorded with it. The stacks of both are found by their unwind tables.
  timeout 600 perf record -q -e cpu-clock -F 499 --call-graph dwarf,8192 -o "$scratch/perf.data" -- \
    "${bench[@]}" >/dev/null
  perf script --no-inline -i "$scratch/perf.data" -F comm,pid,ip,sym 2>/dev/null |
    /usr/bin/python3 tests/bench/flame.py "$out"
else
  echo 'profile.sh: perf cannot record here, so there are no flame graphs' >&2
  timeout 600 "${bench[@]}" >/dev/null
fi

/usr/bin/python3 - "$scratch/json" <<'PYTHON'
import json, pathlib, sys
for path in sorted(pathlib.Path(sys.argv[1]).glob('*.json')):
    document = json.loads(path.read_text())
    for group in dict.fromkeys(c['group'] for c in document['commands']):
        print(f'\n{group}: commands for each execution (fcall contains the others)')
        commands = [c for c in document['commands'] if c['group'] == group]
        for c in sorted(commands, key=lambda c: -c['us']):
            print(f"  {c['name']:<14} {c['calls']:8.2f} calls {c['us']:8.2f} us")
PYTHON
