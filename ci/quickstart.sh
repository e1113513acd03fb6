#!/usr/bin/env bash
# The product at work: installs, builds, starts a server with a private Valkey and two workers, has every file under a
# folder examined as one execution each, kills a worker halfway, and proves that nothing was lost or done twice.
#
#   ci/quickstart.sh [FOLDER]    default: /usr/include
#
# Exit code 0 only if the proof holds. Everything that is started here is stopped here.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-/usr/include}
[ -d "$folder" ] || { echo "ci/quickstart.sh: $folder is no folder" >&2; exit 2; }
jobs=${FLOWFABRIC_CI_JOBS:-$(nproc)}

sh ci/install.sh
cmake --preset release > /dev/null
cmake --build --preset release --parallel "$jobs" --target ff-server file_worker file_submit
build=build/release

scratch=$(mktemp -d "${TMPDIR:-/tmp}/ff-quickstart-XXXXXX")
started=()
clean_up() {
  local pid
  for pid in "${started[@]}"; do kill -TERM "$pid" 2> /dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2> /dev/null || true; done
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "ci/quickstart.sh: $1" >&2
  tail -n 20 "$scratch"/*.log >&2 || true
  exit 1
}

# wait_for PID FILE TEXT: until the process has written the line, which is printed.
wait_for() {
  local _
  for _ in $(seq 600); do
    if grep -m 1 -- "$3" "$2" 2> /dev/null; then return; fi
    kill -0 "$1" 2> /dev/null || break
    sleep 0.05
  done
  fail "no \"$3\" in $2"
}

"$build/ff-server/ff-server" --dev --listen 127.0.0.1:0 --ops 127.0.0.1:0 > "$scratch/server.log" 2>&1 &
server=$!
started+=("$server")
wait_for "$server" "$scratch/server.log" '^ready$' > /dev/null
socket=$(sed -n 's/^dev valkey: unix socket //p' "$scratch/server.log")
public=$(sed -n 's/^public listener: //p' "$scratch/server.log")
ops=$(sed -n 's/^ops listener: //p' "$scratch/server.log")
for where in "$socket" "$public" "$ops"; do [ -n "$where" ] || fail 'the server did not say where it listens'; done
echo "server: http://$public, metrics: http://$ops/metrics, its private Valkey: $socket"

workers=()
for number in 1 2; do
  "$build/ff-sdk/examples/files/file_worker" "$socket" > "$scratch/worker$number.log" 2>&1 &
  workers+=($!)
  started+=($!)
done
for number in 1 2; do
  wait_for "${workers[number - 1]}" "$scratch/worker$number.log" '^working as ' | sed "s/^/worker $number: /"
done

"$build/ff-sdk/examples/files/file_submit" "$socket" "$folder" "$scratch/halfway" &
job=$!
started+=("$job")
killed=
while kill -0 "$job" 2> /dev/null; do  # Halfway: one worker is no more.
  if [ -z "$killed" ] && [ -s "$scratch/halfway" ]; then
    kill -KILL "${workers[0]}"
    wait "${workers[0]}" 2> /dev/null || true
    killed=yes
  fi
  sleep 0.02
done
status=0
wait "$job" || status=$?
[ -n "$killed" ] || { echo 'the job was over before half of it could be noticed: no worker was killed'; }

# What an operator sees. The metrics count executions only while somebody reads them: the first look asks for it.
id=$(curl -fsS "http://$public/v1/executions?state=completed&limit=1" | grep -o '[0-9]*-[0-9A-Z]\{26\}' | head -1)
if [ -n "$id" ]; then
  printf '\n$ curl http://%s/v1/executions/%s\n' "$public" "$id"
  curl -fsS "http://$public/v1/executions/$id"
  echo
fi
for _ in $(seq 60); do
  curl -fsS "http://$ops/metrics" > "$scratch/metrics"
  if grep -q '^ff_executions{state="completed".*} [1-9]' "$scratch/metrics"; then break; fi
  sleep 0.1
done
printf '\n$ curl http://%s/metrics   (some of it)\n' "$ops"
grep -E '^ff_(executions\{state="(completed|failed|active)"|timers_(items|lag)|valkey_(up|commands)|http_requests)' \
  "$scratch/metrics" || true
echo

kill -TERM "${workers[1]}"
wait "${workers[1]}" || fail 'the second worker did not drain'
sed -n 's/^drained/worker 2 drained/p' "$scratch/worker2.log"
kill -TERM "$server"
wait "$server" || fail 'the server did not end in good order'
if [ "$status" != 0 ]; then echo 'ci/quickstart.sh: FAILED, see WRONG above' >&2; exit 1; fi
echo "ci/quickstart.sh: passed in $SECONDS s"
