#!/usr/bin/env bash
# Measures FlowFabric: builds the release, starts a Valkey on core 0, runs the scenarios on core 1, prints a table with
# the bars beside the figures, writes build/bench/<scenario>.json and, from a whole run, docs/performance.md.
#
#   tests/bench/run.sh                  all scenarios, five runs: about 15 minutes on a quiet machine
#   tests/bench/run.sh --quick          shows that all works, in about two minutes; not a measurement
#   tests/bench/run.sh --only drain,start --runs 3    other words go to ff_bench, see tests/bench/README.md
#
# FLOWFABRIC_BENCH_MINUTES (default 60) is a hard limit on the measurement. It stops by itself and ends what it started.
set -euo pipefail
cd "$(dirname "$0")/../.."

# shellcheck source=tests/bench/build.sh
. tests/bench/build.sh

peer=tests/bench/peer
if command -v npm >/dev/null; then
  # Exactly what the lock file says; install scripts are not run.
  [ -d "$peer/node_modules/bullmq" ] && [ "$peer/node_modules/.package-lock.json" -nt "$peer/package-lock.json" ] ||
    npm --prefix "$peer" ci --ignore-scripts --no-audit --no-fund --loglevel=error ||
    echo 'run.sh: BullMQ cannot be installed, the peer is left out' >&2
else
  echo 'run.sh: npm is missing, the peer is left out' >&2
fi

partial=
for word in "$@"; do
  case $word in --only|--skip|--quick) partial=1 ;; esac
done

minutes=${FLOWFABRIC_BENCH_MINUTES:-60}
status=0
timeout --kill-after=15 "${minutes}m" build/release/tests/bench/ff_bench "$@" || status=$?
if [ "$status" = 124 ] || [ "$status" = 137 ]; then echo "run.sh: not done after $minutes minutes" >&2; fi

if [ "$status" = 0 ] && [ -z "$partial" ]; then
  /usr/bin/python3 tests/bench/report.py
fi
exit "$status"
