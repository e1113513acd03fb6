# Sourced by the scripts here: builds the release's ff_bench. FF_BENCH_BUILT=1: takes the one that is there.
# shellcheck shell=bash
if [ -z "${FF_BENCH_BUILT:-}" ]; then
  cmake --preset release >/dev/null
  cmake --build --preset release --parallel "${FF_CI_JOBS:-$(nproc)}" --target ff_bench >/dev/null
fi
