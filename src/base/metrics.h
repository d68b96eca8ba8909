/* metrics.h: counters and gauges of all roles from one table, metrics.def. Each process maps a file
 * DIR/data/run/metrics/<role>; anybody can read it, so `postroad metrics` needs no role to answer. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "base/buf.h"
#include "base/err.h"

enum metric {
#define METRIC(id, type, name, help) METRIC_##id,
#include "base/metrics.def"
#undef METRIC
    METRIC_COUNT
};

/* Start this process's file. Counters go on from the process before of that name and release, gauges begin at
 * 0. Before it, metric_add counts into the void. */
bool metrics_open(const char *dir, const char *role, struct err *e);
/* Thread-safe, a relaxed atomic add. */
void metric_add(enum metric m, int64_t n);
void metric_set(enum metric m, int64_t n);
int64_t metric_get(enum metric m);

/* OpenMetrics text (https://prometheus.io/docs/specs/om/open_metrics_spec/) of every role file in `dir`,
 * with a role label, ending in "# EOF". */
bool metrics_format(const char *dir, struct buf *out, struct err *e);

#endif
