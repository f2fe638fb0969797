#!/usr/bin/env bash
# Holds server/LAYERS and server/FENCES against the #include lines. Prints each that breaks them.
set -u
cd "$(dirname "$0")/.."
broken=0

room_of() { # the room of a file's path
    case $1 in
        server/main.c) echo main ;;
        client/libasof/*) echo libasof ;;
        client/*) echo client ;;
        migrations/*) echo migrations ;;
        server/*/*) local rest=${1#server/}; echo "${rest%%/*}" ;;
    esac
}

for file in server/*.c server/*/*.[ch] client/*.[ch] client/libasof/*.[ch] migrations/*.[ch]; do
    room=$(room_of "$file")
    allowed=$(awk -v room="$room" '$1 == room { for (i = 2; i <= NF; i++) print $i }' server/LAYERS)
    while read -r included; do
        target=${included%%/*}
        [ "$target" = "$included" ] && continue # of its own folder
        [ -d "server/$target" ] || continue     # a library's
        [ "$target" = "$room" ] && continue
        if ! grep -qx "$target" <<<"$allowed"; then
            echo "$file includes \"$included\": LAYERS does not allow $room -> $target"
            broken=1
        fi
    done < <(sed -nE 's/^#include "([^"]+)".*/\1/p' "$file")
done

while read -r header patterns; do
    case $header in ''|'#'*) continue ;; esac
    while IFS=: read -r file _; do
        ok=0
        for pattern in $patterns; do
            # shellcheck disable=SC2053 # the pattern is meant as one
            [[ $file == $pattern ]] && ok=1
        done
        if [ $ok = 0 ]; then
            echo "$file includes <$header...>: FENCES allow it only in $patterns"
            broken=1
        fi
    done < <(grep -rnE "^#include <$header" --include='*.[ch]' server client migrations 2>/dev/null)
done < <(set -f; cat server/FENCES)

[ $broken = 0 ] && echo "house: layers and fences hold"
exit $broken
