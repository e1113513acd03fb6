# Sourced by the scripts here: builds the release's ff_bench. FLOWFABRIC_BENCH_BUILT=1: takes the one that is there.
# shellcheck shell=bash
if [ -z "${FLOWFABRIC_BENCH_BUILT:-}" ]; then
  cmake --preset release >/dev/null
  cmake --build --preset release --parallel "${FLOWFABRIC_CI_JOBS:-$(nproc)}" --target ff_bench >/dev/null
fi
