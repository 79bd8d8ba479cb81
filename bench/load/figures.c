#include "figures.h"

#include "client.h"

#include <stdlib.h>
#include <time.h>

enum { MOST = 1 << 22 };

static float latencies[MOST];
static size_t kept;

void note_latency(double seconds)
{
    if (kept < MOST)
        latencies[kept++] = (float)seconds;
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

double latency_quantile(double share)
{
    if (!kept)
        die("no latency was measured");
    qsort(latencies, kept, sizeof *latencies, ascending);
    size_t place = (size_t)((double)kept * share);
    return latencies[place < kept ? place : kept - 1];
}

double cpu_seconds(pid_t pid)
{
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
        die("process %d has no CPU clock", (int)pid);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}
