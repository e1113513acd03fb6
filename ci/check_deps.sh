#!/usr/bin/env bash
# The include graph against its allow-list: which module may include which, and who may know which third-party library.
set -euo pipefail
# shellcheck source=ci/files.sh
. "$(dirname "$0")/files.sh"

# Arrows of ARCHITECTURE.md. A module may always include itself.
declare -A allowed=(
  [core]=''
  [script]='core'
  [scheduler]='script core'
  [engine]='script core'
  [sdk]='scheduler script core'
  [server]='sdk engine scheduler script core'
)
# Prefix of an include, and the modules that may have it.
third_party='
hiredis/           script
pistache/          server
prometheus/        server
boost/beast        server
boost/json         server sdk
date/              sdk
boost/url          server
boost/asio/ip      script server
boost/asio/ssl     script server
boost/asio/local   script server
boost/             script scheduler engine sdk server
openssl/           core script server
'

check_include() {  # FILE MODULE LINE INCLUDE
  local file=$1 module=$2 line=$3 include=$4 other prefix owners
  case $include in
    ff/*/*)
      other=${include#ff/}; other=${other%%/*}
      [ "$other" = "$module" ] && return
      case " ${allowed[$module]} " in
        *" $other "*) ;;
        *) complain "$file:$line" "ff-$module may not include ff-$other ($include)" ;;
      esac
      return ;;
    ../*|*/../*)
      complain "$file:$line" "no include through .. ($include): a private header of another folder"
      return ;;
  esac
  while read -r prefix owners; do
    [ -n "$prefix" ] || continue
    case $include in "$prefix"*) ;; *) continue ;; esac
    case " $owners " in
      *" $module "*) ;;
      *) complain "$file:$line" "only ${owners// /, } may include $prefix ($include)" ;;
    esac
    return  # The longest prefix stands first.
  done <<< "$third_party"
}

while IFS= read -r -d '' file; do
  module=${file#ff-}; module=${module%%/*}
  if [ -z "${allowed[$module]+known}" ]; then
    complain "$file" "ff-$module is not in the allow-list of ci/check_deps.sh"
    continue
  fi
  case $file in */examples/*) continue ;; esac  # Programs of a user, who may use what he likes.
  while IFS=: read -r line include; do
    [ -z "$include" ] || check_include "$file" "$module" "$line" "$include"
  done < <(perl -ne 'print "$.:$1\n" if /^\s*#\s*include\s*[<"]([^>"]+)[>"]/' "$file")
done < <(files 'ff-*.cpp' 'ff-*.hpp')

# Public headers must not show the parser: a user of ff-script would need hiredis to compile.
while IFS= read -r -d '' file; do
  if grep -nE '#[[:space:]]*include[[:space:]]*[<"](hiredis|openssl|pistache|prometheus)/' "$file" >&2; then
    complain "$file" "a public header includes a library that is linked privately"
  fi
done < <(files 'ff-*/include/*.hpp')
finish check_deps
