#!/usr/bin/env bash
# Fetches DuckDB's shared library and the header that goes with it, from packages of npm: DESTINATION_DIR
# gets libduckdb.so and duckdb.h. What was fetched is compared with what is known of it.
set -eu
library_package=@duckdb/node-bindings-linux-x64@1.4.4-r.4
library_sha256=1ef33048e12235115ac0d277a0aaccbb560e33248144f488b5ac005cd9ba81b5
header_package=duckdb@1.4.4
header_sha256=cbe6a827284375c5a646b8f27dbd3a00808ce8738b5bbb49c190cb1e08540281
here=$(realpath "$(dirname "$0")") destination=$(realpath -m "$1")

if [ "$(uname -m)" != x86_64 ]; then
    echo "take_duckdb.sh: there is a library for x86_64 only; put libduckdb.so 1.4 and duckdb.h into $destination" >&2
    exit 1
fi
command -v npm >/dev/null || "$here/install_packages.sh" npm
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

take() { # PACKAGE FILE_IN_IT SHA256: fetches without running anything of the package
    local archive
    archive=$(npm pack --silent "$1")
    tar -xzf "$archive" "$2"
    rm "$archive"
    echo "$3  $2" | sha256sum --check --quiet
}

take "$library_package" package/libduckdb.so "$library_sha256"
take "$header_package" package/src/duckdb/src/include/duckdb.h "$header_sha256"
mkdir -p "$destination"
mv package/src/duckdb/src/include/duckdb.h "$destination/duckdb.h"
touch package/libduckdb.so "$destination/duckdb.h"
mv package/libduckdb.so "$destination/libduckdb.so"
