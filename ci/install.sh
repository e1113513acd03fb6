#!/bin/sh
# Installs what FlowFabric builds and tests with, from Debian's own packages (ci/packages.txt). Debian 12 or 13, as
# root. A second run is a no-op that touches no network. Starts no service.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. /etc/os-release
case "${VERSION_CODENAME:-}" in
  bookworm|trixie) ;;
  *) echo "ci/install.sh: Debian 12 (bookworm) or 13 (trixie) is needed, this is ${PRETTY_NAME:-unknown}" >&2; exit 1 ;;
esac

plain=; backports=
while read -r name suite _; do
  case "$name" in ''|\#*) continue ;; esac
  dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed && continue
  if [ "$suite" = backports ] && [ "$VERSION_CODENAME" = bookworm ]; then
    backports="$backports $name"
  else
    plain="$plain $name"
  fi
done < "$here/packages.txt"
# catch2 of plain bookworm is 2.x: present is not enough.
if [ "$VERSION_CODENAME" = bookworm ] && dpkg-query -W -f '${Version}' catch2 2>/dev/null | grep -q '^2\.'; then
  backports="$backports catch2"
fi
if [ -z "$plain$backports" ]; then exit 0; fi
if [ "$(id -u)" != 0 ]; then echo "ci/install.sh: run as root to install:$plain$backports" >&2; exit 1; fi

if [ -n "$backports" ]; then
  # The mirror and the key the machine already uses for bookworm: no address is written here.
  list=/etc/apt/sources.list.d/bookworm-backports.sources
  if [ ! -e "$list" ]; then
    uri=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -1)
    [ -n "$uri" ] || uri=$(sed -n 's/^deb  *\(\[[^]]*\]  *\)\{0,1\}\([^ ]*\)  *bookworm .*/\2/p' \
                             /etc/apt/sources.list 2>/dev/null | head -1)
    [ -n "$uri" ] || { echo "ci/install.sh: no bookworm source found in /etc/apt" >&2; exit 1; }
    printf '%s\n' 'Types: deb' "URIs: $uri" 'Suites: bookworm-backports' 'Components: main' \
      'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' > "$list"
  fi
fi

# Packages may not start daemons while we install them: every test starts its own Valkey.
made=
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; made=1
fi
trap '[ -z "$made" ] || rm -f /usr/sbin/policy-rc.d' EXIT
export DEBIAN_FRONTEND=noninteractive
apt="apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -qq"
$apt update
# shellcheck disable=SC2086  # Lists of words.
[ -z "$plain" ] || $apt install -y --no-install-recommends $plain
# shellcheck disable=SC2086
[ -z "$backports" ] || $apt install -y --no-install-recommends -t bookworm-backports $backports
