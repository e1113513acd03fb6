# Sourced by the checks. files GLOB…: the repository's own files that match, NUL-separated, new ones included.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

files() {
  local pattern path
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard
  else
    find . -type f -not -path './build/*' -not -path './.git/*' -printf '%P\0'
  fi | sort -z | while IFS= read -r -d '' path; do
    [ -f "$path" ] || continue
    for pattern in "$@"; do
      # shellcheck disable=SC2053  # The right side is a pattern on purpose.
      if [[ $path == $pattern ]]; then printf '%s\0' "$path"; break; fi
    done
  done
}

failures=0
# complain WHERE WHAT: one finding.
complain() {
  printf '%s: %s\n' "$1" "$2" >&2
  failures=$((failures + 1))
}

# finish NAME: the check's last line and exit code.
finish() {
  if [ "$failures" -gt 0 ]; then printf '%s: %d findings\n' "$1" "$failures" >&2; exit 1; fi
  printf '%s: ok\n' "$1"
}
