#!/usr/bin/env bash
# Takes one file out of a Debian package, without installing that: PACKAGE FILE_IN_IT DESTINATION
set -eu
package=$1 file=$2 destination=$(realpath -m "$3")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

download() { apt-get -q -o APT::Sandbox::User= download "$package" >/dev/null 2>&1; }

if ! download; then # the list of packages is old, or not there
    sudo=
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    $sudo apt-get update -qq
    download
fi
dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x "./$file"
mkdir -p "$(dirname "$destination")"
touch "$file"
mv "$file" "$destination"
