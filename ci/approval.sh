#!/usr/bin/env bash
# The approval example, end to end, over a real repository: a worker sums up the last commits of it, people approve with
# tokens and curl, nobody approves and it escalates, somebody rejects, forged tokens do nothing.
#
#   ci/approval.sh BUILD_FOLDER [REPOSITORY]     default: this repository; one is made where this is none
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:?usage: ci/approval.sh BUILD_FOLDER [REPOSITORY]}
repository=${2:-$root}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/ff-approval-XXXXXX")
started=()
finish() {
  for pid in "${started[@]}"; do kill -TERM "$pid" 2> /dev/null || true; done
  wait || true
  rm -rf "$scratch"
}
trap finish EXIT
fail() {
  echo "ci/approval.sh: $1" >&2
  tail -n 20 "$scratch"/*.log >&2 || true
  exit 1
}

if ! git -C "$repository" rev-parse HEAD~1 > /dev/null 2>&1; then
  repository=$scratch/repository
  git init -q "$repository"
  for n in 1 2 3; do
    echo "$n" > "$repository/file$n"
    git -C "$repository" add .
    git -C "$repository" -c user.name=Author -c user.email=author@example.org commit -qm "Change $n"
  done
fi
author=$(git -C "$repository" log -1 --format=%ae)
commit=$(git -C "$repository" rev-parse HEAD)

# wait_for FILE TEXT
wait_for() {
  local _
  for _ in $(seq 600); do
    if grep -q -- "$2" "$1" 2> /dev/null; then return; fi
    sleep 0.05
  done
  fail "no \"$2\" in $1"
}

"$build/ff-server/ff-server" --dev --listen 127.0.0.1:0 --ops 127.0.0.1:0 > "$scratch/server.log" 2>&1 &
started+=($!)
wait_for "$scratch/server.log" '^ready$'
socket=$(sed -n 's/^dev valkey: unix socket //p' "$scratch/server.log")
FFCTL_SERVER=http://$(sed -n 's/^public listener: //p' "$scratch/server.log")
export FFCTL_SERVER
start_worker() {  # PATIENCE_MS
  "$build/ff-sdk/examples/approval/deploy_worker" "$socket" "$repository" "$1" > "$scratch/worker.log" 2>&1 &
  worker=$!
  started+=("$worker")
  wait_for "$scratch/worker.log" '^working as '
}
ffctl() { "$build/ff-server/ffctl" "$@"; }
submit() {
  ffctl submit deploy --lane deployments --payload HEAD~1..HEAD --content-type text/plain |
    grep -o '[0-9]*-[0-9A-Z]\{26\}'
}

# wait_at ID LABEL: until the execution waits there.
wait_at() {
  local _
  for _ in $(seq 600); do
    if ffctl waitpoints "$1" | grep -q "\"state\":\"suspended\".*\"label\":\"$2\""; then return; fi
    sleep 0.05
  done
  fail "execution $1 does not wait at $2"
}

# mint ID LABEL SOURCE: into the file SOURCE.token
mint() { ffctl token mint "$1" "$2" --source "$3" --expires-in-ms 600000 > "$scratch/$3.token"; }

# tell ID SOURCE NAME STATUS PATTERN: what an outside system does, with nothing but curl and its token.
tell() {
  local status
  status=$(printf 'header = "Authorization: Bearer %s"\n' "$(cat "$scratch/$2.token")" |
    curl -sS --config - -o "$scratch/answer" -w '%{http_code}' -H 'Content-Type: application/json' \
      -d "{\"name\":\"$3\"}" "$FFCTL_SERVER/v1/executions/$1/signals")
  echo "$2 says $3: $status $(cat "$scratch/answer")"
  [ "$status" = "$4" ] || fail "$2's $3 was answered $status, not $4"
  grep -q -- "$5" "$scratch/answer" || fail "no $5 in the answer to $2"
}

echo '--- two of three approve, the author does not count'
start_worker 600000
id=$(submit)
wait_at "$id" approval
for who in alice bob carol "$author"; do mint "$id" approval "$who"; done
sed 's/.$//' "$scratch/alice.token" > "$scratch/mallory.token"
tell "$id" mallory approve 401 bad_token
tell "$id" alice escalate 403 name_not_allowed
tell "$id" alice approve 200 '"duplicate":false,"resumed":false'
tell "$id" alice approve 200 '"duplicate":true'
tell "$id" "$author" approve 200 '"resumed":false'
ffctl waitpoints "$id" | grep -q '"have":1' || fail 'somebody was counted twice, or the author was'
tell "$id" bob approve 200 '"resumed":true'
ffctl wait "$id" --timeout-ms 60000 > /dev/null || fail 'the approved deployment did not complete'
ffctl result "$id" --raw > "$scratch/result"
cat "$scratch/result"
grep -q "^deployed $commit, approved by alice, bob$" "$scratch/result" || fail 'another change than this was approved'
tell "$id" carol approve 409 already_finished
tell "$id" alice approve 200 '"duplicate":true'

echo '--- one rejects'
rejected=$(submit)
wait_at "$rejected" approval
mint "$rejected" approval dave
tell "$rejected" alice reject 401 bad_token # A token of another execution.
tell "$rejected" dave reject 200 '"resumed":true'
status=0
ffctl wait "$rejected" --timeout-ms 60000 > "$scratch/answer" || status=$?
[ "$status" = 4 ] || fail "a rejected deployment ended with exit code $status"
grep -q 'rejected by dave' "$scratch/answer" || fail 'nobody knows who rejected'
kill -TERM "$worker"
wait "$worker" || fail 'the worker did not drain'

echo '--- nobody answers, and it escalates'
start_worker 300
id=$(submit)
wait_at "$id" escalation
cp "$scratch/bob.token" "$scratch/earlier.token"
tell "$id" earlier approve 401 bad_token
mint "$id" escalation manager
ffctl token attenuate "$scratch/manager.token" --names reject > "$scratch/deputy.token"
tell "$id" deputy approve 401 bad_token # Narrowed: it may only reject.
tell "$id" manager approve 200 '"resumed":true'
ffctl wait "$id" --timeout-ms 60000 > /dev/null || fail 'the escalated deployment did not complete'
ffctl result "$id" --raw | grep -q "^deployed $commit, approved by manager$" || fail 'the release manager was not heard'
echo "ci/approval.sh: passed in $SECONDS s"
