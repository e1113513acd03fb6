#!/usr/bin/env bash
# Checks the macs of tokens.txt with nothing but openssl: the format can be spoken without our code.
set -euo pipefail
cd "$(dirname "$0")"

hmac() { openssl dgst -sha256 -mac HMAC -macopt "hexkey:$1" -r | cut -d' ' -f1; }  # KEY_HEX, text on standard input
hex_of() {  # base64url without padding
  local text=$1
  while [ $((${#text} % 4)) -ne 0 ]; do text="$text="; done
  printf '%s' "$text" | tr '_-' '/+' | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n'
}

checked=0
while read -r fault _ ring_key _ _ namespace _ _ _ _ _ _ _ token; do
  case $fault in '#'*) continue ;; esac
  key=$(openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt "hexkey:$ring_key" \
    -kdfopt "info:ff waitpoint token 1/$namespace" HKDF | tr -d ':\n' | tr 'A-F' 'a-f')
  IFS=. read -r -a parts <<< "$token"
  covered="${parts[0]}.${parts[1]}"
  for ((i = 2; i < ${#parts[@]} - 1; ++i)); do
    covered="$covered.${parts[i]}"
    key=$(printf '%s' "$covered" | hmac "$key")
  done
  if [ "$key" != "$(hex_of "${parts[-1]}")" ]; then
    printf 'check_tokens: wrong mac: %s\n' "$token" >&2
    exit 1
  fi
  checked=$((checked + 1))
done < tokens.txt
[ "$checked" -ge 50 ] || { printf 'check_tokens: only %s tokens\n' "$checked" >&2; exit 1; }
printf 'check_tokens: %s tokens are right\n' "$checked"
