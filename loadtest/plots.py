"""The plots of docs/benchmarks.md, as SVG: readable on dark and light, the same bytes for the same numbers."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402  after the backend was chosen

import window_cost  # noqa: E402

ASOFD, REDIS, GREY = "#2f81f7", "#e0823d", "#8b949e"
PERCENTILES = [100 - 100 / 2**(i / 4) for i in range(1, 68)]  # 16 to 99.999, evenly on the axis of nines
STYLE = {
    "svg.hashsalt": "asof", "svg.fonttype": "none", "font.size": 11, "font.family": "sans-serif", "axes.edgecolor": GREY,
    "axes.labelcolor": GREY, "xtick.color": GREY, "ytick.color": GREY, "text.color": GREY, "axes.grid": True,
    "grid.color": GREY, "grid.alpha": 0.25, "axes.spines.top": False, "axes.spines.right": False,
    "legend.frameon": False, "axes.titlecolor": GREY,
}


def draw(results, folder):
    """Writes a file for each subject that was measured."""
    folder.mkdir(exist_ok=True)
    plots = {"throughput": (_throughput, results.reads), "latency": (_latency, results.latency),
             "percentiles": (_percentiles, results.mixed), "cost": (_cost, results.window)}
    with plt.rc_context(STYLE):
        for name, (plot, measured) in plots.items():
            if measured is None:
                continue
            figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
            plot(axes, measured)
            axes.legend()
            figure.savefig(folder / f"{name}.svg", transparent=True, metadata={"Date": None})
            plt.close(figure)


def _line(axes, x, spreads, label, color, style="-"):
    """Medians, with a bar from the least to the greatest."""
    medians = [spread.median for spread in spreads]
    bars = [[spread.median - spread.low for spread in spreads], [spread.high - spread.median for spread in spreads]]
    axes.errorbar(x, medians, yerr=bars, label=label, color=color, linestyle=style, marker="o", markersize=4, capsize=3)


def _plain_ticks(axis):
    axis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def _throughput(axes, reads):
    points = sorted(reads.pipelines, key=lambda point: point.pipeline)
    depths = [point.pipeline for point in points]
    _line(axes, depths, [point.asofd_per_s for point in points], "asofd", ASOFD)
    _line(axes, depths, [point.redis_per_s for point in points], "redis-server", REDIS)
    axes.set(xscale="log", xticks=depths, xlabel="pipeline depth", ylabel="HMGET/s", title="Hot reads of ten features")
    axes.set_ylim(bottom=0)
    for axis in (axes.xaxis, axes.yaxis):
        _plain_ticks(axis)


def _latency(axes, points):
    rates = [point.rate for point in points]
    for label, color, latencies in (("asofd", ASOFD, [point.asofd for point in points]),
                                    ("redis-server", REDIS, [point.redis for point in points])):
        _line(axes, rates, [latency.p99_ms for latency in latencies], f"{label}, p99", color)
        _line(axes, rates, [latency.p50_ms for latency in latencies], f"{label}, p50", color, ":")
    axes.set(xscale="log", yscale="log", xticks=rates, xlabel="HMGET/s, open loop", ylabel="ms",
             title="Latency from the moment a request is due")
    for axis in (axes.xaxis, axes.yaxis):
        _plain_ticks(axis)


def _percentiles(axes, mixed):
    for label, color, latency in (("asofd", ASOFD, mixed.asofd), ("redis-server", REDIS, mixed.redis)):
        axes.plot([100 / (100 - percent) for percent in PERCENTILES],
                  [latency.histogram.get_value_at_percentile(percent) / 1000 for percent in PERCENTILES],
                  label=label, color=color)
    nines = [50, 90, 99, 99.9, 99.99, 99.999]
    axes.set(xscale="log", yscale="log", xlabel="percentile", ylabel="ms", title="HMGET while events are written")
    axes.set_xticks([100 / (100 - percent) for percent in nines], [f"{percent:g}" for percent in nines])
    axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    _plain_ticks(axes.yaxis)


def _cost(axes, costs):
    events = [cost.events for cost in costs]
    for view, color, style in zip(window_cost.VIEWS, (ASOFD, ASOFD), ("-", ":")):
        _line(axes, events, [cost.read_us[view] for cost in costs], f"7 days, {view}", color, style)
    axes.set(xscale="log", yscale="log", xlabel="events in the window", ylabel="CPU µs a read",
             title="Cost of a read, an event pushed before each")
    for axis in (axes.xaxis, axes.yaxis):
        _plain_ticks(axis)
