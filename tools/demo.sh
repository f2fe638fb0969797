#!/usr/bin/env bash
# The demo: starts asofd, registers examples/flights, streams a year of New York flights in, and
# reads their features: as of now, and as of a past evening. Run by `make demo`.
#
# On a terminal the server is left running, to be played with; elsewhere it is stopped at the end.
# Stops a server that an earlier demo left.
set -eu
build=$1
home=$build/demo
pid_file=$home/asofd.pid
log=$home/asofd.log
port=${ASOF_DEMO_PORT:-6390}
http_port=${ASOF_DEMO_HTTP_PORT:-6392}

bold= dim= reset=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' reset=$'\e[0m'
fi

title() { printf '\n%s%s%s\n' "$bold" "$1" "$reset"; }
note() { printf '%s%s%s\n' "$dim" "$1" "$reset"; }
run() { # shows a command as one would type it, and runs it
    printf '%s$ %s%s\n' "$bold" "$(printf '%s ' "$@" | sed "s|^$build/||; s|-p $port ||; s| \$||")" "$reset"
    "$@"
}

stop_server() {
    [ -f "$pid_file" ] || return 0
    local pid
    pid=$(cat "$pid_file")
    rm -f "$pid_file"
    [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$(realpath "$build/asofd")" ] || return 0
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
}

start_server() {
    : >"$home/ready"
    "$build/asofd" --data "$home/data" --resp-port "$1" --rpc-port "$2" --http-port "$3" \
        >"$home/ready" 2>"$log" </dev/null &
    local pid=$!
    echo "$pid" >"$pid_file"
    while ! grep -q '^asofd ready' "$home/ready"; do
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.05
    done
    disown "$pid"
}

mkdir -p "$home"
stop_server
rm -rf "$home/data"

title "asof: features that are true now, and as of any moment"
if ! start_server "$port" 6391 "$http_port"; then
    note "port $port, 6391 or $http_port is taken, so this demo takes free ones"
    start_server 0 0 0 || { cat "$log" >&2; exit 1; }
fi
sed 's|data=.*|data=build/demo/data|' "$home/ready"
port=$(sed -E 's/.*resp=[^ ]*:([0-9]+) .*/\1/' "$home/ready")
rpc_port=$(sed -E 's/.*rpc=[^ ]*:([0-9]+) .*/\1/' "$home/ready")
export ASOF_SERVER=127.0.0.1:$rpc_port

title "1. Register what the features mean"
note "examples/flights: two sources, six entities, seven views. One file of YAML per subject."
run "$build/asof" apply examples/flights

title "2. Stream a year in: every flight out of New York in 2013"
run "$build/asof" push departures "$build/flights/departures.ndjson"
run "$build/asof" push arrivals "$build/flights/arrivals.ndjson"
run "$build/asof" list

title "3. Read, as a model server or the person on call does"
note "The clock of these sources is their newest event, so 'now' is the last departure of the year."
run redis-cli -p "$port" HMGET airport_departures:JFK departures_1h delay_avg_1h late_share_1h
run "$build/asof" get plane_arrivals N14228 N711HK \
    --features last_delay,last_delays,dests_ever,km_ever,idle_seconds

title "4. The same features as of 8 February 2013, when the blizzard Nemo came"
note "The same function over the same events, at another T: what a training job reads for its labels."
columns=departures_1h,delay_avg_1h,cancelled_today,visibility_last,wind_avg_3h
run "$build/asof" get airport_departures JFK EWR LGA --features $columns --at 2013-02-08T13:00:00Z
run "$build/asof" get airport_departures JFK EWR LGA --features $columns --at 2013-02-09T03:00:00Z

title "5. A label's own event does not leak into its features"
note "United 651 leaves Newark on 2 January, 2 h 35 min late. The bank it is in, with and without it:"
run "$build/asof" get gate_departures 'EWR|UA' \
    --features bank_departures,bank_delay_avg,bank_seconds --at 2013-01-02T13:33:00Z
run "$build/asof" get gate_departures 'EWR|UA' \
    --features bank_departures,bank_delay_avg,bank_seconds --at 2013-01-02T13:33:00Z --exclusive

title "6. A training set: 40,000 departures of the winter, with what was known just before each"
note "The labels are departures themselves. Each gets its features as of its own time, but for its own event."
head -n 40000 "$build/flights/departures.ndjson" >"$home/labels.ndjson"
run "$build/asof" export training --labels "$home/labels.ndjson" --time-column at --exclusive \
    --features 'airport_departures.delay_avg_1h,gate_departures.bank_delay_avg,flight_number_departures.last_delays' \
    --out "$home/train.parquet"
note "All columns of the labels, then the features. As pandas reads some of them:"
"$build/venv/bin/python" - "$home/train.parquet" <<'EOF'
import sys, pandas
columns = ["at", "origin", "carrier", "flight", "dep_delay", "delay_avg_1h", "bank_delay_avg", "last_delays"]
print(pandas.read_parquet(sys.argv[1], columns=columns).tail(5).to_string(index=False))
EOF
note "docs/training-sets.md shows what leaks without --exclusive, and without 'as of'."

if [ -t 0 ] && [ -t 1 ]; then
    title "It is yours: asofd goes on running on port $port"
    cat <<EOF
  export ASOF_SERVER=$ASOF_SERVER PATH=\$PWD/$build:\$PATH
  asof describe airport_departures          what a view computes
  asof get carrier_departures UA DL         a row an entity
  redis-cli -p $port HGETALL route_arrivals:JFK\|LAX
  redis-cli -p $port --scan --pattern 'plane_arrivals:N1*' | head
  edit examples/flights, asof plan examples/flights, asof apply examples/flights
  kill $(cat "$pid_file")                              stops it
EOF
else
    stop_server
    title "Done; the server was stopped. Run make demo on a terminal to keep it."
fi
