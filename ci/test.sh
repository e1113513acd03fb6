#!/usr/bin/env bash
# Everything that must be true of a commit: checks, a build with ASan and UBSan and its tests, the tests labelled
# `threads` again with TSan. Ends with ctest's summaries; exit code 0 only if all of it passed.
#
#   ci/test.sh             what CI runs
#   ci/test.sh --release   the release build and its tests instead of the sanitizer builds
#   ci/test.sh --checks    only the checks
#   ci/test.sh --no-tsan   without the TSan part
#
# FLOWFABRIC_CI_MINUTES (default 60) is a hard limit on the whole; FLOWFABRIC_CI_JOBS the parallel compilations
# (default: processors); FLOWFABRIC_CI_CMAKE more words for the configure step. Variables of scripts and tests begin
# so, because the names that begin with FF_ are ff-server's, which refuses those it does not know.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${FLOWFABRIC_CI_INSIDE:-}" ]; then
  minutes=${FLOWFABRIC_CI_MINUTES:-60}
  FLOWFABRIC_CI_INSIDE=1 timeout --kill-after=15 "${minutes}m" bash ci/test.sh "$@" &
  # timeout leads a process group of its own, which Ctrl-C does not reach.
  trap 'kill -TERM %1 2>/dev/null' INT TERM
  status=0
  wait %1 || status=$?
  if [ "$status" = 124 ] || [ "$status" = 137 ]; then echo "ci/test.sh: FAILED, not done after $minutes minutes" >&2; fi
  exit "$status"
fi

presets='asan tsan' checks_only=
for option in "$@"; do
  case $option in
    --release) presets=release ;;
    --no-tsan) presets=asan ;;
    --checks) checks_only=1 ;;
    *) echo "ci/test.sh: unknown option $option (--release, --checks, --no-tsan)" >&2; exit 2 ;;
  esac
done
jobs=${FLOWFABRIC_CI_JOBS:-$(nproc)}
started=$SECONDS
step() { printf '\n=== %s (at %d s)\n' "$1" "$((SECONDS - started))"; }

# Servers and folders of tests that were killed by their time limit must not outlive this run.
scratch=$(mktemp -d "${TMPDIR:-/tmp}/ff-ci-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch

step packages
sh ci/install.sh

step checks
failed=
for check in style deps generated docs; do
  bash "ci/check_$check.sh" || failed="$failed check_$check"
done
if [ -n "$checks_only" ]; then
  [ -z "$failed" ] || { echo "ci/test.sh: FAILED:$failed" >&2; exit 1; }
  exit 0
fi

# In a container without the right to trace, LeakSanitizer ends every program: then say so and go without it.
leaks=1
echo 'int main() {}' > "$scratch/probe.cpp"
g++ -fsanitize=address "$scratch/probe.cpp" -o "$scratch/probe"
if ! ASAN_OPTIONS=detect_leaks=1 "$scratch/probe" >/dev/null 2>&1; then
  echo 'ci/test.sh: LeakSanitizer cannot run on this machine, leaks are not checked' >&2
  leaks=0
fi
export ASAN_OPTIONS=detect_leaks=$leaks:strict_string_checks=1:detect_odr_violation=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

# build_and_test PRESET: leaves ctest's output in $scratch/PRESET.log
build_and_test() {
  local preset=$1 target=all select=()
  if [ "$preset" = tsan ]; then target=tests_threads; select=(-L '^threads$'); fi
  step "configure $preset"
  # shellcheck disable=SC2086  # A list of words.
  cmake --preset "$preset" ${FLOWFABRIC_CI_CMAKE:-} || return
  step "build $preset"
  cmake --build --preset "$preset" --parallel "$jobs" --target "$target" || return
  step "test $preset"
  ctest --test-dir "build/$preset" --parallel "$((2 * jobs))" --output-on-failure --no-tests=error \
        "${select[@]}" 2>&1 | tee "$scratch/$preset.log"
}

for preset in $presets; do
  build_and_test "$preset" || failed="$failed $preset"
done

# The summaries once more, the whole suite's last.
step summary
for preset in tsan asan release; do
  [ -e "$scratch/$preset.log" ] || continue
  printf '\n%s:\n' "$preset"
  sed -n '/tests passed/,$p' "$scratch/$preset.log" | sed '/^Label Time/,/^$/d; /^$/d'
done
printf '\n'
if [ -n "$failed" ]; then echo "ci/test.sh: FAILED:$failed (after $((SECONDS - started)) s)" >&2; exit 1; fi
echo "ci/test.sh: passed in $((SECONDS - started)) s"
