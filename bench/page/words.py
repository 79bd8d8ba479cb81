"""What the page says whatever was measured."""

__all__ = ["END", "INTRODUCTION", "LIMITS", "METHOD", "REPEAT", "TARGETS"]

INTRODUCTION = """\
# Benchmark report

What wscore does beside other libraries, on the same machine at the same time: every target that was
set, whether it was reached or missed, all figures, and how to measure them again. `make report`
writes this page from the files that the benchmarks have written; no figure in it is typed by
hand."""

TARGETS = """\
## Targets

Targets stand in the code of the benchmarks, mostly as a ratio to another library. 1.05x means 1.05
times as many a second, or that the other takes 1.05 times as long; sizes are told as a part of the
other's. A ratio is that of the medians, rounded to two decimals before it is judged; in brackets
stands its range over the rounds. Where a target was reached by the medians but not in each round,
the table says so. Where CPU time is told beside the target, it is wall-clock time that is judged:
where the two differ, the server waited. One target for several cases is reached when it is in all
of them. "16 x 32 in flight" is 16 connections with 32 messages under way on each."""

METHOD = """\
## Method

- **Interleaved rounds.** In each round every contender is measured once, in a short sample; the
  next round goes through them in the opposite order. A slow minute of the machine slows all of
  them. Where it was done otherwise, the section says so.
- **Medians, and ranges.** Figures are medians over the rounds. "Lowest to highest" is over all
  rounds, with nothing left out. The lines on the bars of charts are the same range.
- **Pinned.** The server or whatever else is measured runs alone on one core, the load on the other,
  by `sched_setaffinity`.
- **CPU time beside wall-clock time.** CPU time is that of the measured process
  (`clock_getcpuclockid`), user and system. Other work on the machine disturbs it least. "Core in
  use" is CPU time by wall-clock time: a server that used less than its core was waiting for the
  load, or something else kept it from its core.
- **The load is checked.** It is in C but where a section says otherwise. Where it was recorded,
  tables tell the part of its own core that it used: near 100% it would be the load that is
  measured.
- **Output is checked.** A contender whose echo is wrong is refused, and listed as such.
- **The same settings.** Event loops are uvloop where a name does not say "asyncio"; socketify, Node
  and daphne have their own. Sizes and limits are the same for all. Each library's code is in
  [bench/servers](../bench/servers), [bench/clients](../bench/clients) and
  [bench/targets](../bench/targets): say if yours could be used better."""

LIMITS = """\
## What the figures do not say

- **One core.** What is measured has one core, and the load another: nothing here says how servers
  scale with cores. Another machine gives other figures, and other ratios. A virtual one shares its
  cores with others; the ranges show how much figures vary from one round to the next.
- **Loopback.** There is no network: no latency, no loss, no card, and a kernel that copies from one
  process to the other. Where a network is the bottleneck, all servers are as fast as it is.
- **Echoes.** Applications here do nothing. One that spends far more on a message than the server
  does is hardly faster for a better one.
- **Full load.** Latencies are those of servers that do as much as they can, not those at the load
  that one plans for.
- **Defaults.** Libraries offer different things: some check less, some do more for each message.
  Only WebSocket's own rules were compared; see [attacks](attacks.md) for what servers let pass.
- **Who measured.** The authors of wscore did. The code is there to be run by others."""

REPEAT = """\
## How to repeat it

On Linux with two cores at least, Python 3.11 or newer, a C compiler, Node.js with npm, Redis and
Chromium (what is not there is left out, and the page says so), on a machine that does nothing
else:

```sh
make report MEASURE=1             # measures everything, then writes this page: more than an hour
make report MEASURE=1 ROUNDS=3    # the same in fewer rounds; the page says so
make bench-end-to-end ROUNDS=3    # one section; ARGS="--seconds 0.3" makes samples shorter, too
make report                       # only this page and its charts, from the files: seconds
```"""

END = """\
A benchmark that is interrupted leaves a file with what it had measured. Targets that are not in it,
or that are newer than it, are listed as not measured. Each file has the rounds of all contenders,
the machine and the versions."""
