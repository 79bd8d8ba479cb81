/* What a load measures: latencies, and the CPU time of the server. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stddef.h>
#include <sys/types.h>

/* Keep one latency in seconds; those beyond some millions are not kept. */
void note_latency(double seconds);

/* The latency below which *share* of those noted lie. */
double latency_quantile(double share);

/* CPU seconds that process *pid* has used; dies when there is no such process. */
double cpu_seconds(pid_t pid);

#endif
