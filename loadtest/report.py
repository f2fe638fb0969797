"""docs/benchmarks.md: the machine, the versions, the commands and the numbers of one run; and the goals in README.md."""

import dataclasses
import datetime
import os
import pathlib
import platform
import re
import subprocess

import freshness
import goals
import kafka_cost
import kafka_reads
import latency
import offline_snapshot
import past
import pushes
import reads
import rpc_bench
import rpc_python
import window_cost
from measure import REDIS_BENCHMARK, Spread
from replay import percentile_ms
from servers import ASOFD, LOAD_CPU, REDIS_SERVER, ROOT, SERVER_CPU, BenchError

INTRODUCTION = f"""\
Written by `make bench`; each run writes it anew. Each server is pinned to CPU {SERVER_CPU}, all load to CPU {LOAD_CPU}.
CPU is the server's, user and system, all threads (its process clock). The view is
[loadtest/payments.yaml](../loadtest/payments.yaml): 20 features over five windows, one of them a session.
Where rounds are told, asofd and redis-server took turns (A B A B); numbers are medians, least and greatest in brackets."""
README_BEGIN, README_END = "<!-- bench: begin; make bench writes what is between -->", "<!-- bench: end -->"


@dataclasses.dataclass
class Results:
    """All that one run measured; None where a subject was left out."""

    started: datetime.datetime
    arguments: list     # of bench.py; that of --out shows no path
    load_before: float  # the machine's load average of one minute, before anything was started
    took_s: float = 0.0
    reads: object = None    # reads.ReadsResult
    latency: list = None    # of latency.RateResult
    mixed: object = None    # latency.MixedResult
    past: object = None     # past.PastResult
    pushes: list = None     # of pushes.PushesResult, one a round
    freshness: list = None  # of freshness.RateResult
    window: list = None     # of window_cost.WindowCost
    restart: object = None  # restart.RestartResult
    rpc: object = None      # rpc_bench.RpcResult
    kafka: object = None    # kafka_bench.KafkaResult
    offline: object = None  # offline_bench.OfflineResult


def render(results):
    """The whole document."""
    sections = ((_reads, results.reads), (_memory, results.reads), (_latency, results.latency), (_mixed, results.mixed),
                (_pushes, results.pushes), (_freshness, results.freshness), (_window, results.window),
                (_past, results.past), (_restart, results.restart), (_rpc, results.rpc), (_kafka, results.kafka),
                (_offline, results.offline))
    parts = ["# Benchmarks", INTRODUCTION, "## Goals\n\n" + _goals(results),
             *(section(measured) for section, measured in sections if measured is not None),
             _commands(results), _machine(results)]
    return "\n\n".join(parts) + "\n"


def update_readme(results, path):
    """Puts the goals, the date and the machine between the two marks of README.md. BenchError where they are not."""
    text = path.read_text()
    before, _, rest = text.partition(README_BEGIN)
    _, mark, after = rest.partition(README_END)
    if not mark:
        raise BenchError(f"{path.name} lacks the line {README_BEGIN!r}, or {README_END!r} behind it")
    block = (f"Measured by `make bench` on {results.started:%Y-%m-%d}, on {_cpu()}, at commit {_commit()}, "
             f"one worker; ratios are of the same run.\n\n{_goals(results)}")
    path.write_text(f"{before}{README_BEGIN}\n{block}\n{README_END}{after}")


def _table(header, rows):
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _plot(name, about):
    return f"\n\n![{about}](plots/{name}.svg)"


def _goals(results):
    judged = goals.judge(results)
    missed = [goal for goal in judged if goal.verdict is goals.Verdict.MISSED]
    unmeasured = [goal for goal in judged if goal.verdict is goals.Verdict.UNMEASURED]
    reached = len(judged) - len(missed) - len(unmeasured)
    rows = [[goal.what, goal.goal, goal.measured, goal.verdict.value] for goal in judged]
    return (f"Of {len(judged)} goals {reached} are reached, {len(missed)} are not, and {len(unmeasured)} "
            f"could not be measured.\n\n{_table(['what', 'goal', 'measured', ''], rows)}")


def _reads(result):
    rows = []
    for at in result.pipelines:
        rows.append([str(at.pipeline), at.asofd_per_s.text("{:,.0f}"), at.redis_per_s.text("{:,.0f}"),
                     at.ratio.text("{:.2f}"), at.asofd_cpu_us.text("{:.2f}"), at.redis_cpu_us.text("{:.2f}"),
                     at.cpu_ratio.text("{:.2f}")])
    load = [[str(at.pipeline), at.asofd_p99_ms.text("{:.2f}"), at.redis_p99_ms.text("{:.2f}"),
             at.asofd_load_busy.text("{:.2f}"), at.redis_load_busy.text("{:.2f}")] for at in result.pipelines]
    floor = [[str(at.pipeline), at.floor_per_s.text("{:,.0f}"), at.floor_cpu_us.text("{:.2f}"),
              f"{at.floor_cpu_us.median / at.redis_cpu_us.median:.2f}"] for at in result.pipelines]
    return (f"## Hot reads\n\nHMGET of 10 of the 20 features of a random entity; {result.entities:,} entities of 10 events. "
            f"redis-server has the same rows as hashes. {reads.CONNECTIONS} connections, A B A B in {result.rounds} rounds; "
            "medians, least and greatest of the rounds; a ratio is asofd to redis-server of the same round.\n\n"
            + _table(["pipeline", "asofd, requests/s", "redis-server, requests/s", "ratio", "asofd, CPU µs a request",
                      "redis-server, CPU µs a request", "ratio"], rows)
            + _plot("throughput", "Throughput over pipeline depth")
            + "\n\nLatency as redis-benchmark sees it, and the part of its CPU that it used: near 1.00 it is the load that "
            "limits.\n\n" + _table(["pipeline", "asofd, p99 ms", "redis-server, p99 ms", "load busy, asofd",
                                    "load busy, redis-server"], load)
            + "\n\nThe floor: a loop that answers each request with the same bytes and looks at nothing "
            "([loadtest/floor.c](../loadtest/floor.c)), in the same rounds. What it costs, sockets cost.\n\n"
            + _table(["pipeline", "requests/s", "CPU µs a request", "to redis-server"], floor))


def _memory(result):
    rows = [["asofd", f"{result.asofd_entity_bytes:,.0f}"], ["redis-server", f"{result.redis_entity_bytes:,.0f}"]]
    return (f"## Memory\n\nGrowth of RSS from the empty server, over {result.entities:,} entities; asofd with all events "
            "loaded and each row read once. Its write buffers and caches are in it, so few entities make it look worse.\n\n"
            + _table(["server", "bytes an entity"], rows))


def _pushes(rounds):
    def over(value, pattern="{:,.0f}"):
        return Spread.of([value(result) for result in rounds]).text(pattern)

    rows = [["events a round", over(lambda at: at.events)],
            ["bytes an event, JSON", over(lambda at: at.event_bytes)],
            ["events per CPU second, with a full compaction", over(lambda at: at.events_per_cpu_s)],
            ["events per CPU second, until quiet", over(lambda at: at.events / at.cpu_quiet_s)],
            ["events per CPU second, while pushing", over(lambda at: at.events / at.cpu_push_s)],
            ["events/s", over(lambda at: at.events_per_s)],
            ["sorted files flushed", over(lambda at: at.flushed_files)],
            ["bytes written to disk before that compaction, an event", over(lambda at: at.written_bytes / at.events)],
            ["growth of RSS, MiB", over(lambda at: at.rss_growth_bytes / 2**20)]]
    return (f"## Pushes\n\n`ASOF.PUSH` of {pushes.EVENTS_PER_CALL} events a call, `durability: fsync`, {pushes.CONNECTIONS} "
            "connections with one call in flight each, keys skewed by Zipf's law; median, least and greatest of "
            f"{len(rounds)} rounds. A round is too short for RocksDB to come to a compaction of all levels, so that of "
            "the whole database (`asofd --compact`) is added.\n\n" + _table(["what", "measured"], rows))


def _freshness(results):
    rows = [[f"{at.rate:,}", _reached(at.reached, at),
             *(f"{percentile_ms(latencies, percent):.3f}" for latencies in (at.probe.reads, at.probe.latencies)
               for percent in (50, 99)), str(at.probe.answered), str(at.probe.stale)] for at in results]
    return ("## Read after write\n\nA push of one event on one connection; from its acknowledgement to its value read on "
            f"another, while others push {freshness.EVENTS_PER_CALL} events a call at a fixed rate. "
            f"{freshness.PROBES_PER_S} such pushes a second, each timed from the moment it was due. The client's own "
            "time is in it. *Stale* are first reads that missed the acknowledged event; there must be none.\n\n"
            + _table(["events/s", "reached", "ack to value, p50 ms", "p99 ms", "push to ack, p50 ms", "p99 ms", "probes",
                      "stale"], rows))


def _reached(per_s, one):
    """What was reached of a rate, and what spoils it."""
    spoiled = [text for text, is_so in ((" (not held)", not one.is_held), (" (load late)", one.is_load_late)) if is_so]
    return f"{per_s:,.0f}{''.join(spoiled)}"


def _latency_cells(one):
    """What one server reached of one rate, and the percentiles."""
    return [_reached(one.per_s.median, one),
            *(spread.text("{:.3f}") for spread in (one.p50_ms, one.p99_ms, one.p999_ms))]


def _latency(points):
    rows = [[name, f"{point.rate:,}", *_latency_cells(one)] for point in points
            for name, one in (("asofd", point.asofd), ("redis-server", point.redis))]
    return ("## Latency at fixed rates\n\nThe same HMGET, from the moment each request is due to its answer: an open loop "
            f"over {latency.CONNECTIONS} connections, so a request also waits for those before it (coordinated omission is "
            "corrected). *Not held*: the server did not keep up. *Load late*: the load itself did not.\n\n"
            + _table(["server", "requests/s", "reached", "p50 ms", "p99 ms", "p99.9 ms"], rows)
            + _plot("latency", "Latency over rate"))


def _mixed(mixed):
    rows = [[name, f"{reads_latency.rate:,}", *_latency_cells(reads_latency), writes.p99_ms.text("{:.3f}"),
             cpu.text("{:.2f}")]
            for name, reads_latency, writes, cpu in (
                ("asofd", mixed.asofd, mixed.asofd_writes, mixed.asofd_cpu),
                ("redis-server", mixed.redis, mixed.redis_writes, mixed.redis_cpu))]
    return (f"## Reads while events are written\n\nHMGET at {latency.READS_PER_S_MIXED:,}/s while "
            f"{latency.EVENTS_PER_S:,} events/s are written to the same entities, all of them alike: to asofd by "
            f"ASOF.PUSH of {latency.EVENTS_PER_CALL} events with fsync, to redis-server by {latency.EVENTS_PER_CALL} HSETs of "
            f"a whole row at once, kept in memory only. {mixed.rounds} rounds, once the same load has written to each entity "
            f"{latency.WARM_WRITES} times on the average. The ratio of p99 is "
            f"{mixed.ratio.text('{:.2f}')}.\n\n"
            + _table(["server", "reads/s", "reached", "p50 ms", "p99 ms", "p99.9 ms", "writes, p99 ms",
                      "server CPU, seconds a second"], rows)
            + _plot("percentiles", "Latency over percentiles"))


def _window(costs):
    rows = [[f"{cost.events:,}", *(cost.read_us[view].text("{:,.1f}") for view in window_cost.VIEWS),
             cost.push_us.text("{:,.1f}")] for cost in costs]
    return ("## Cost over events in the window\n\nSix features over seven days of entities whose events lie evenly over six "
            "days ([loadtest/windows.yaml](../loadtest/windows.yaml)). An event is pushed, with fsync, before each read; the "
            "CPU of pushes without reads is taken off and shown beside. Small entities are many, used in turn.\n\n"
            + _table(["events", *(f"CPU µs a read, {view}" for view in window_cost.VIEWS), "CPU µs a push"], rows)
            + _plot("cost", "Cost over events in the window"))


def _past(result):
    rows = [["rows per CPU second", result.rows_per_cpu_s.text("{:,.0f}")],
            ["CPU µs a row", result.cpu_us.text("{:.1f}")], ["rows/s", result.rows_per_s.text("{:,.0f}")]]
    return (f"## Point in time\n\nASOF.GET of ten features of a random entity of {result.entities:,} as of a random T of its "
            f"six days. asofd was started anew, with `{' '.join(past.CACHE)}`, so its events are in sorted files, and read until their blocks were in the "
            f"cache; {result.rounds} rounds.\n\n" + _table(["what", "measured"], rows))


def _restart(result):
    rows = [["entities", f"{result.entities:,}"], ["seconds to the ready line", result.ready_s.text("{:.2f}")],
            ["write-ahead log, MiB", _mib(result.log_bytes)]]
    return (f"## Start after a crash\n\nkill -9 right after the last acknowledgement, then a start with the same data; "
            f"{result.rounds} kills, with further events between them. What was acknowledged is read afterwards.\n\n"
            + _table(["what", "measured"], rows))


def _rpc(rpc):
    def table(comparison):
        return _table(["", "CPU µs", "a second", "p99 ms"],
                      [[name, side.cpu_us.text("{:,.2f}"), side.per_s.text("{:,.0f}"), side.p99_ms.text("{:.2f}")]
                       for name, side in comparison.sides.items()])

    python = rpc.python
    clients = [["asof, to_dict()", python.asof.text("{:.1f}"), python.asof_ms.text("{:.2f}")],
               [f"Feast {python.version}, to_dict()", python.feast.text("{:.1f}"), python.feast_ms.text("{:.2f}")],
               ["Feast, without to_dict()", "", python.feast_without_dict_ms.text("{:.2f}")]]
    return (f"## Reads over RPC\n\nGetFeatures ([loadtest/rpc.yaml](../loadtest/rpc.yaml)) over {rpc_bench.CONNECTIONS} connections "
            f"with {rpc_bench.IN_FLIGHT} calls in flight on each, a closed loop ([loadtest/rpc_load.c](../loadtest/rpc_load.c)); "
            f"{rpc.entities:,} entities, {rpc.rounds} rounds, in each of which all took turns. redis-server has the same rows, a "
            "hash a view and entity, read by HMGETs that are pipelined; grpc++ is its callback server "
            "([loadtest/peers/grpcpp](../loadtest/peers/grpcpp/constant.cc)), which answers with a constant of the same bytes. "
            f"Answers of both framings were held against the Redis protocol, value by value.\n\n1 entity, 10 features:\n\n"
            f"{table(rpc.one)}\n\n{rpc_bench.BATCH} entities, 50 features of five views (of redis-server: 500 HMGETs):\n\n"
            f"{table(rpc.batch)}\n\nThe same batch from Python, one after the other; Feast with its Redis store of "
            f"{rpc_python.FEAST_ENTITIES:,} entities, on the same redis-server:\n\n"
            + _table(["", "calls/s", "ms a call"], clients)
            + f"\n\nPoint in time, {rpc_bench.PAST_ROWS} rows of 10 features a call, each as of a random moment of its own, all "
            f"blocks in the cache: {rpc.past_rows_per_cpu_s.text('{:,.0f}')} rows a CPU second.")


def _kafka(kafka):
    def over(results, value, pattern):
        return Spread.of([value(result) for result in results]).text(pattern)

    streams = kafka.streams
    columns = (("{:.2f}", lambda at: at.cpu_us), ("{:,.0f}", lambda at: at.per_s),
               ("{:.2f}", lambda at: at.cpu_read_s / at.events * 1e6), ("{:.2f}", lambda at: at.cpu_compact_s / at.events * 1e6))
    rows = [[name, *(over(results, value, pattern) for pattern, value in columns)]
            for name, results in (("asofd, hopping", kafka.hopping), ("asofd, sliding", kafka.exact))]
    rows.append(["Kafka Streams 3.9, exactly_once_v2", streams.cpu_us.text("{:.2f}"), streams.per_s.text("{:,.0f}"),
                 "", ""])
    return (f"## Kafka\n\n{kafka.events:,} events of {kafka.entities:,} entities, skewed by Zipf's law, in a topic of four "
            "partitions, JSON, lz4; the broker runs on the load's CPU and is not counted. Features "
            "([loadtest/kafka.yaml](../loadtest/kafka.yaml)): a count over 5 minutes that hops by 1, an average over an hour "
            "that hops by 5 minutes, a session of 30 minutes. asofd reads the whole topic into an empty database; its CPU is "
            f"counted from the definition until it is quiet, with one read of each entity; {len(kafka.hopping)} rounds; a "
            "full compaction is shown beside. Kafka Streams "
            "([loadtest/peers/streams](../loadtest/peers/streams/Features.java)) computes the same three, without ids of events "
            f"and without lateness; of its run the first {streams.warm_up_s:.0f} s ({streams.warm_up_events:,} events) are left "
            f"out, in which it starts and is compiled, and the {streams.wall_s:.0f} s after them count ({streams.events:,} "
            f"events, in {kafka_cost.PARTS} parts). Both count the busiest entity's events right, or the run fails.\n\n"
            + _table(["", "CPU µs an event", "events/s", "of that, reads", "compaction, CPU µs an event"], rows)
            + "\n\n" + _kafka_reads(kafka))


def _kafka_reads(kafka):
    fresh, caught = kafka.freshness, kafka.catch_up
    rows = [[f"produced to read, at {fresh.events_per_s:,.0f} events/s", *_percentiles(fresh.latencies)],
            ["HMGET, idle", *_percentiles(caught.idle)],
            [f"HMGET while it catches up, {caught.events / caught.wall_s:,.0f} events/s", *_percentiles(caught.busy)]]
    late = " (load late)" if caught.is_load_late else ""
    return (f"Latencies in ms. *Produced to read*: from the producer's call to the first answer that counts the event, "
            f"{kafka_reads.PROBES_PER_S} a second, one after the other, while others are produced ({fresh.late_ms:.0f} ms late "
            f"at most). HMGET of the three features at {kafka_reads.READS_PER_S:,}/s over {kafka_reads.CONNECTIONS} connections, "
            f"from when each was due{late}; asofd had been stopped, and {caught.waiting:,} events were waiting for it.\n\n"
            + _table(["", "p50", "p99", "p99.9", "slowest", "how many"], rows))


def _offline(offline):
    return f"{_training(offline.training)}\n\n{_snapshot(offline.snapshot)}"


def _training(training):
    return (f"## Training sets\n\n{training.labels:,} labels and {training.events:,} events of {training.cards:,} cards, some far "
            "more active than others, over 30 days; ten features over 1 hour, 1 day and 7 days, one of them a count of distinct "
            "values ([loadtest/offline.yaml](../loadtest/offline.yaml)). asofd has the events, was just started, and has one CPU; "
            "the command that sends labels and takes the file has the other. DuckDB reads the same Parquet files; its SQL says what "
            "the windows mean, once by a range join, once by window functions "
            "([loadtest/offline_training.py](../loadtest/offline_training.py)); a process each. All write zstd Parquet. Every value "
            "of every label was held against ours: all the same, doubles to 9 digits (DuckDB adds them up in any order). "
            f"{training.rounds} rounds. The goals compare with the better form of DuckDB with one CPU; with two it took "
            f"{training.speed_two.text('{:.1f}')} times as long as asofd with one, and the whole of asofd at its peak is "
            f"{training.memory_whole.text('{:.2f}')} of the smaller DuckDB process. Feast {training.feast_version} joins rows that were "
            "computed before, one an event, by get_historical_features: an easier task, in which nothing is known of windows; its "
            f"file store has only the first {training.feast_file_labels:,} labels, as more need many GB.\n\n"
            + _sides(training.sides))


def _sides(sides):
    """What each took, the fastest first."""
    rows = [[name, side.wall_s.text("{:.2f}"), side.cpu_s.text("{:.2f}"), f"{side.rows_per_s.median:,.0f}",
             *(_mib(spread, "{:.0f}") for spread in (side.rest_bytes, side.peak_bytes))]
            for name, side in sorted(sides.items(), key=lambda side: side[1].wall_s.median)]
    return _table(["", "seconds", "CPU seconds", "rows/s", "RSS before, MiB", "RSS at most, MiB"], rows)


def _snapshot(snapshot):
    reads = snapshot.reads
    rows = [["HMGET, idle", *_percentiles(reads.idle)], ["HMGET while a snapshot is exported", *_percentiles(reads.busy)]]
    late = " (load late)" if reads.is_load_late else ""
    return (f"## Snapshots\n\n{snapshot.entities:,} entities with {offline_snapshot.EVENTS_EACH} events each, of ages from a "
            "second to six days, 20 features, to zstd Parquet at a path on the server "
            f"({snapshot.file_bytes / 2**20:.0f} MiB); DuckDB copies the same table, which it has in memory, as it is. "
            f"{snapshot.rounds} rounds.\n\n{_sides(snapshot.sides)}\n\nHMGET of ten features of a random entity at "
            f"{offline_snapshot.READS_PER_S:,}/s over {offline_snapshot.CONNECTIONS} connections, from when each was due{late}; the "
            "export shares the server's CPU with it. In ms.\n\n"
            + _table(["", "p50", "p99", "p99.9", "slowest", "how many"], rows))


def _percentiles(latencies):
    return [*(f"{percentile_ms(latencies, percent):.3f}" for percent in (50, 99, 99.9, 100)),
            f"{latencies.get_total_count():,}"]


def _mib(spread, pattern="{:.1f}"):
    return Spread(*(number / 2**20 for number in (spread.median, spread.low, spread.high))).text(pattern)


def _commands(results):
    def shown(command):
        text = " ".join(word or "''" for word in command)
        return re.sub(r"-p \d+", "-p PORT", text)

    peers = ["asofd --data DIR --resp-port PORT --rpc-port PORT --http-port off",
             "redis-server --port PORT --bind 127.0.0.1 --save '' --appendonly no --dir DIR"]
    lines = [*peers, *(shown(command) for command in (results.reads.commands if results.reads else []))]
    lines.append(f"replay PORT SECONDS load:reads:FILE:RATE:{latency.CONNECTIONS} ...")
    return (f"## Commands\n\n`{' '.join(['loadtest/bench.py', *results.arguments])}` ran, for asofd and redis-server in turn "
            "(`replay` is [loadtest/replay.c](../loadtest/replay.c)):\n\n    " + "\n    ".join(lines))


def _machine(results):
    kernel = platform.uname()
    memory_kib = int(_proc("meminfo", r"MemTotal:\s*([0-9]+)"))
    rows = [["date", results.started.strftime("%Y-%m-%d %H:%M UTC")], ["took", f"{results.took_s:.0f} s"],
            ["asof", f"{_first_line([ASOFD, '--version'])}, commit {_commit()}"],
            ["redis-server", _first_line([REDIS_SERVER, "--version"])],
            ["redis-benchmark", _first_line([REDIS_BENCHMARK, "--version"])],
            ["CPU", _cpu()],
            ["memory", f"{memory_kib / 2**20:.1f} GiB"],
            ["kernel", f"{kernel.system} {kernel.release}"],
            ["load average before", f"{results.load_before:.2f}"]]
    return "## Machine\n\n" + "\n".join(f"- {name}: {value}" for name, value in rows)


def _cpu():
    model = _proc("cpuinfo", r"model name\s*: (.*)")
    return f"{model}, {os.cpu_count()} CPUs"


def _first_line(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def _proc(name, pattern):
    match = re.search(pattern, pathlib.Path("/proc", name).read_text())
    return match[1] if match else "0"


def _commit():
    """The commit that the server was built from, as far as that can be known."""
    def git(*words):
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True).stdout.strip()

    if not pathlib.Path(ASOFD).resolve().is_relative_to(ROOT):
        return "unknown (built elsewhere)"
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (
        ", with changes" if git("status", "--porcelain", "--", "server") else "")
