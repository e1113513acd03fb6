#!/usr/bin/env bash
# Instructions for each execution, counted by callgrind: what no noise touches. The load is fixed (one connection, one
# call at a time, one partition); Valkey and the client are counted apart, each in runs of their own. Of Valkey that is
# reading, performing and answering commands, without its background work.
#
#   tests/bench/instructions.sh            counts, and compares with the budget, tests/bench/instructions.txt
#   tests/bench/instructions.sh --write    writes the budget anew: commit it with the change that moved it
#
# Exit code: 0 within the tolerance that the budget states, 1 above it (below it is printed, and wants a new budget).
# The budget holds for the machine's Valkey and compiler that it names; with others the comparison is only printed.
set -euo pipefail
cd "$(dirname "$0")/../.."
budget=tests/bench/instructions.txt
tolerances='server 2, client 8'  # percent; how often Asio polls depends on how fast the machine is
bench=$PWD/build/release/tests/bench/ff_bench

for program in valgrind callgrind_control valkey-server valkey-cli; do
  command -v "$program" >/dev/null || { echo "instructions.sh: $program is missing" >&2; exit 2; }
done
# shellcheck source=tests/bench/build.sh
. tests/bench/build.sh

scratch=$(mktemp -d "${TMPDIR:-/tmp}/ff-instr-XXXXXX")
server=
cleanup() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  rm -rf "$scratch"
}
trap cleanup EXIT
export TMPDIR=$scratch

# start_server COMMAND…: a Valkey in $scratch/data, started by COMMAND; its pid in $server.
start_server() {
  rm -rf "$scratch/data"
  mkdir "$scratch/data"
  "$@" valkey-server --port 0 --unixsocket "$scratch/s" --save '' --appendonly yes --appendfsync everysec \
    --dir "$scratch/data" --hz 1 --dynamic-hz no --logfile "$scratch/data/log" >"$scratch/server.out" 2>&1 &
  server=$!
  local tries=0
  until valkey-cli -s "$scratch/s" ping 2>/dev/null | grep -q PONG; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$server" 2>/dev/null; then
      echo "instructions.sh: Valkey does not start" >&2
      cat "$scratch/server.out" >&2
      exit 2
    fi
    sleep 0.1
  done
}

stop_server() {
  kill "$server"
  wait "$server" || true
  server=
}

# per_execution FILE EXECUTIONS: the instructions of a dump.
per_execution() { awk -v n="$2" '/^summary:/ { printf "%.0f\n", $2 / n }' "$1"; }

# The dump of a step is server.<k>, in order: submit, claim, complete.
count_server() {  # MODE BATCH EXECUTIONS
  cat > "$scratch/hook" <<HOOK
#!/bin/sh
if [ "\$1" = warm ]; then exec callgrind_control --zero $server; fi
exec callgrind_control --dump=\$1 $server
HOOK
  chmod +x "$scratch/hook"
  "$bench" --script "$scratch/s" "$3" "$2" "$1" "$scratch/hook"
  local step
  for step in submit claim complete; do
    local dump
    dump=$(grep -l "^desc: Trigger: .*$step" "$scratch"/server.dump.* | head -1)
    echo "server $1 $2 $step $(per_execution "$dump" "$3")"
  done
}

count_client() {  # MODE BATCH EXECUTIONS
  local step
  for step in submit claim complete; do
    rm -f "$scratch"/client.dump*
    valgrind --tool=callgrind --callgrind-out-file="$scratch/client.dump" --toggle-collect="ff::bench::counted_$step*" \
      "$bench" --script "$scratch/s" "$3" "$2" "$1" >"$scratch/client.out" 2>&1
    echo "client $1 $2 $step $(per_execution "$scratch/client.dump" "$3")"
  done
}

measured=$scratch/measured.txt
for shape in 'record 1 400' 'record 64 3200' 'lean 1 400' 'lean 64 3200'; do
  read -r mode batch executions <<< "$shape"
  rm -f "$scratch"/server.dump*
  start_server valgrind --tool=callgrind --callgrind-out-file="$scratch/server.dump" \
    --toggle-collect=readQueryFromClient --toggle-collect=writeToClient
  count_server "$mode" "$batch" "$executions" >> "$measured"
  stop_server
  start_server
  count_client "$mode" "$batch" "$executions" >> "$measured"
  stop_server
done

versions=$(valkey-server --version | sed -n 's/.* v=\([^ ]*\).*/valkey \1/p')
versions="$versions, $(g++ --version | head -1 | sed 's/.* /g++ /')"
if [ "${1:-}" = --write ]; then
  {
    echo '# Instructions for each execution, as tests/bench/instructions.sh counts them and compares them.'
    echo "# versions: $versions"
    echo "# tolerance in percent: $tolerances"
    echo '# side mode batch step instructions'
    cat "$measured"
  } > "$budget"
  cat "$budget"
  exit 0
fi

grep -q '^# tolerance in percent: ' "$budget" || { echo "instructions.sh: $budget states no tolerance" >&2; exit 2; }
comparable=1
grep -qxF "# versions: $versions" "$budget" || comparable=0
awk -v comparable="$comparable" '
  sub(/^# tolerance in percent: /, "") { gsub(",", ""); tolerance[$1] = $2; tolerance[$3] = $4 }
  /^#/ || /^server [0-9]+ client/ { next }
  NR == FNR { budget[$1 " " $2 " " $3 " " $4] = $5; next }
  {
    key = $1 " " $2 " " $3 " " $4
    was = budget[key]; delete budget[key]
    change = was > 0 ? ($5 / was - 1) * 100 : 0
    word = ""
    if (!(was > 0)) { word = "NOT IN THE BUDGET"; bad = 1 }
    else if (change > tolerance[$1]) { word = "OVER BUDGET"; bad = 1 }
    else if (change < -tolerance[$1]) word = "below: run with --write"
    printf "%-28s %9d  budget %9d  %+6.1f %%  %s\n", key, $5, was, change, word
  }
  END {
    for (key in budget) { print key " was not counted"; bad = 1 }
    if (!comparable) print "other versions than the budget was written with: not compared"
    exit comparable && bad
  }' "$budget" "$measured"
