"""What the page says whatever was measured."""

__all__ = ["END", "INTRODUCTION", "LIMITS", "METHOD", "REPEAT", "TARGETS"]

INTRODUCTION = """\
# Benchmark report

wscore measured against other libraries, on the same machine at the same time: every target that was
set, whether it was reached or missed, all figures, and how to measure them again. `make report`
writes this page from the result files of the benchmarks; no figure on it is typed by hand."""

TARGETS = """\
## Targets

The targets are set in the code of the benchmarks, mostly as a ratio to another library. 1.05x means
1.05 times as many per second, or that the other library takes 1.05 times as long; sizes are given
as a fraction of the other's. A ratio is that of the medians, rounded to two decimals before it is
judged; its range over the rounds is in brackets. Where the medians reached a target, but not every
round did, the table says so. Where CPU time is shown beside the target, wall-clock time is what is
judged: if the two differ, the server waited. A target for several cases is reached if it is reached
in all of them. "16 x 32 in flight" means 16 connections with 32 messages under way on each."""

METHOD = """\
## Method

- **Interleaved rounds.** In each round every contender is measured once, in a short sample; the
  next round goes through them in the opposite order. A slow minute of the machine slows all of
  them. Where this was done differently, the section says so.
- **Medians and ranges.** Figures are medians over the rounds. "Lowest to highest" is over all
  rounds, with nothing left out. The lines on the bars of the charts show the same range.
- **Pinned.** The server, or whatever else is measured, runs alone on one core, the load on the
  other (`sched_setaffinity`).
- **CPU time beside wall-clock time.** CPU time is that of the measured process
  (`clock_getcpuclockid`), user and system. Other work on the machine disturbs it least. "Core in
  use" is CPU time by wall-clock time: a server that used less than its core was waiting for the
  load, or something else kept it from its core.
- **The load is checked.** It is written in C, unless a section says otherwise. Where it was
  recorded, tables show how much of its own core the load used: near 100%, it would be the load that
  is measured.
- **Output is checked.** A contender whose echo is wrong is refused, and listed as such.
- **The same settings.** The event loop is uvloop unless a name says "asyncio"; socketify, Node
  and daphne have their own. Sizes and limits are the same for all. The code for each library is in
  [bench/servers](../bench/servers), [bench/clients](../bench/clients) and
  [bench/targets](../bench/targets): tell us if your library could be used better."""

LIMITS = """\
## What the figures do not say

- **One core.** What is measured has one core, and the load another: nothing here says how servers
  scale with cores. Another machine gives different figures, and different ratios. A virtual one
  shares its cores with others; the ranges show how much figures vary from one round to the next.
- **Loopback.** There is no network: no latency, no loss, no network card, only a kernel that copies
  from one process to the other. If the network is the bottleneck, all servers are as fast as it is.
- **Echoes.** The applications here do nothing. If yours spends far more on a message than the
  server does, a faster server hardly helps.
- **Full load.** Latencies are those of servers that do as much as they can, not those at the load
  that one plans for.
- **Defaults.** Libraries differ in what they do: some check less, some do more for each message.
  Only WebSocket's own rules were compared: see [the attack suite](attacks.md).
- **Who measured.** The authors of wscore did. The code is there for others to run."""

REPEAT = """\
## How to repeat it

You need Linux with at least two cores, Python 3.11 or newer, a C compiler, Node.js with npm, Redis
and Chromium (what is missing is left out, and the page says so), on a machine that does nothing
else:

```sh
make report MEASURE=1             # measures everything, then writes this page: more than an hour
make report MEASURE=1 ROUNDS=3    # the same in fewer rounds; the page says so
make bench-end-to-end ROUNDS=3    # one section; ARGS="--seconds 0.3" makes samples shorter, too
make report                       # only this page and its charts, from the files: seconds
```"""

END = """\
A benchmark that is interrupted leaves a file with what it has measured so far. Targets that are not
in it, or that are newer than it, are listed as not measured. Each file has the rounds of all
contenders, the machine and the versions."""
