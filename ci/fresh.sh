#!/usr/bin/env bash
# shellcheck disable=SC2317  # Functions are called through `measure`.
# Proves that a stranger's machine is enough: builds a bare Debian in a temporary folder, copies a clean clone of HEAD
# into it and runs our two commands there. As root; nothing of this machine is used but its package mirror.
#
#   ci/fresh.sh [bookworm|trixie|both] [install|quickstart|test|both]    default: both both
#
# Prints one line per command: PASS or FAIL and its duration; logs stay in build/fresh/. FLOWFABRIC_FRESH_KEEP=1
# keeps the roots.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
suites=${1:-both} what=${2:-both}
[ "$suites" = both ] && suites='bookworm trixie'
case $what in
  both) commands='ci/quickstart.sh ci/test.sh' ;;
  install|quickstart|test) commands=ci/$what.sh ;;
  *) echo "ci/fresh.sh: unknown command $what (install, quickstart, test, both)" >&2; exit 2 ;;
esac
[ "$(id -u)" = 0 ] || { echo "ci/fresh.sh: run as root" >&2; exit 1; }
if ! command -v debootstrap >/dev/null; then
  apt-get -qq -o DPkg::Lock::Timeout=300 update
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends debootstrap
fi

# The mirror this machine installs Debian itself from: no address is written here.
codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -1)
[ -n "$mirror" ] || mirror=$(sed -n "s/^deb  *\(\[[^]]*\]  *\)\{0,1\}\([^ ]*\)  *$codename .*/\2/p" \
                                 /etc/apt/sources.list 2>/dev/null | head -1)
[ -n "$mirror" ] || { echo "ci/fresh.sh: no Debian mirror in the apt configuration" >&2; exit 1; }

scratch=$(mktemp -d "${TMPDIR:-/tmp}/ff-fresh-XXXXXX")
# Mounts are made in a namespace of their own (run_inside) and end with it: nothing of the host is ever in this folder.
trap '[ -n "${FLOWFABRIC_FRESH_KEEP:-}" ] || rm -rf --one-file-system "$scratch"' EXIT
logs=$root/build/fresh
mkdir -p "$logs"

make_root() {  # SUITE
  local suite=$1 target=$scratch/$1
  debootstrap --variant=minbase "$suite" "$target" "$mirror" || return
  cp /etc/resolv.conf "$target/etc/resolv.conf" || return
  # Debian's installer and images write this; debootstrap does not.
  printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' > "$target/etc/hosts" || return
  # Proxy and date settings without which the mirror does not answer from this machine.
  apt-config dump | grep -E '^Acquire::(http|https|Check-Valid-Until|Check-Date|ForceIPv4)' | grep -v '::$' \
    | grep -v ' "";$' > "$target/etc/apt/apt.conf.d/90host" || true
  git clone --quiet --no-local --no-hardlinks "file://$root" "$target/root/FlowFabric"
}

run_inside() {  # SUITE COMMAND
  # shellcheck disable=SC2016  # Expanded by the inner shell.
  unshare --mount --pid --fork --kill-child --propagation private sh -c '
    mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" || exit 1
    exec chroot "$1" /usr/bin/env -i HOME=/root TERM=dumb LANG=C.UTF-8 \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      sh -c "cd /root/FlowFabric && exec bash $2"' sh "$scratch/$1" "$2"
}

failed=0
report=
measure() {  # NAME COMMAND…: runs it with its output in a log, notes PASS or FAIL.
  local name=$1 log="$logs/${1//[^a-zA-Z0-9]/-}.log" began=$SECONDS verdict=PASS
  shift
  printf '%s: running, log %s\n' "$name" "$log"
  if ! "$@" > "$log" 2>&1; then
    verdict=FAIL
    failed=1
    tail -n 40 "$log"
  fi
  report="$report$(printf '%s  %4d s  %s' "$verdict" "$((SECONDS - began))" "$name")"$'\n'
  [ "$verdict" = PASS ]
}

[ -z "$(git -C "$root" status --porcelain)" ] || echo "ci/fresh.sh: uncommitted changes are not part of this run" >&2
for suite in $suites; do
  measure "$suite debootstrap" make_root "$suite" || continue
  for command in $commands; do
    measure "$suite $command" run_inside "$suite" "$command" || true
    if [ "$command" = ci/test.sh ]; then grep '% tests passed' "$logs/$suite-ci-test-sh.log" || true; fi
  done
  [ -n "${FLOWFABRIC_FRESH_KEEP:-}" ] || rm -rf --one-file-system "${scratch:?}/$suite"
done
printf '\n%s' "$report"
exit "$failed"
