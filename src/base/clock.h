/* clock.h: the only way to read the time.
 *
 * In builds for tests (-Dtest_hooks=true) the clock of an instance can be moved: DIR/data/run/clock holds an
 * offset that every role maps; `postroad clock +3d` advances it for all of them at once. Release builds
 * never look. Monotonic readings move with it too, so that time-outs can be tested. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/err.h"

/* Milliseconds since 1970-01-01 UTC. */
int64_t clock_now_ms(void);
/* Milliseconds of a clock that never goes back; for time-outs only. */
int64_t clock_mono_ms(void);
/* Microseconds of real CPU-independent time; for measuring only, never moved. */
int64_t clock_real_us(void);

/* Map the instance's clock file, created when missing. Does nothing in release builds. */
bool clock_attach(const char *path, struct err *e);
/* Advance the attached clock. Fails in release builds. */
bool clock_advance(int64_t ms, struct err *e);

#endif
