#!/usr/bin/env bash
# Every path of the repository that a .md names exists; every test file is declared.
set -euo pipefail
# shellcheck source=ci/files.sh
. "$(dirname "$0")/files.sh"

# exists FOLDER PATH: from the repository's root or from the document's folder; braces and globs are tried out.
exists() {
  local base expanded path any=1
  for base in "$root" "$root/$1"; do
    any=0
    # Only letters, digits and _ . , * / { } - get here, so eval expands braces and nothing else.
    eval "expanded=($(printf '%s' "$2" | sed 's/\*/\\*/g'))"
    for path in "${expanded[@]}"; do
      compgen -G "$base/$path" >/dev/null || { any=1; break; }
    done
    [ "$any" = 0 ] && return 0
  done
  return 1
}

# A path of ours: its first folder is one of the repository's, or it is a file name with a known ending.
ours() {  # FOLDER PATH
  local first=${2%%/*}
  case $2 in
    build/*|install/*) return 1 ;;  # Made by a build.
    */*) [ -d "$root/$first" ] || { [ -d "$root/$1/$first" ] && [ "$1" != . ]; } ;;
    *.md|*.sh|*.cmake) return 0 ;;
    *) return 1 ;;
  esac
}

while IFS= read -r -d '' document; do
  folder=$(dirname "$document")
  while IFS=: read -r line path; do
    [ -n "$path" ] || continue
    path=${path%/}
    if ours "$folder" "$path" && ! exists "$folder" "$path"; then complain "$document:$line" "no such path: $path"; fi
  done < <(perl -ne 'while (/`([\w.][\w.,*\/{}-]*[\w*}\/])(?::\d+)?`/g) { print "$.:$1\n" }' "$document")
  while IFS=: read -r line path; do
    [ -n "$path" ] || continue
    [ -e "$root/$folder/$path" ] || complain "$document:$line" "broken link: $path"
  done < <(perl -ne 'while (/\]\(([^)#\s:]+)(?:#[^)\s]*)?\)/g) { print "$.:$1\n" }' "$document")
done < <(files '*.md')

declared=$(files 'tests/*.cmake' 'tests/*CMakeLists.txt' | xargs -0 -r cat)
while IFS= read -r -d '' test; do
  case $declared in
    *"$(basename "$test")"*) ;;
    *) complain "$test" "no .cmake or CMakeLists.txt under tests/ names it: it never runs" ;;
  esac
done < <(files 'tests/*_test.cpp')
finish check_docs
