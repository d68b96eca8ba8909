/* row_filter.h: which delivery rows somebody means: of a site, a class of traffic, a list, or all. Private to
 * the operations of people. */
#ifndef STORE_ROW_FILTER_H
#define STORE_ROW_FILTER_H

#include "store/op.h"

/* Values for SQL. -1: any; -2: what was named does not exist, so nothing fits. */
struct row_filter {
    int64_t site, class, list;
    view list_address;
};

/* From the arguments: domain (empty: any), class (-1: any), list's address (empty: any). */
struct row_filter row_filter_read(struct op_run *r);

/* The condition over a row `d` of delivery; the parameters are the filter's three numbers. */
#define SQL_ROW_FITS(site, class, list)                                                                      \
    " AND (" site " = -1 OR d.dest / 4 = " site                                                              \
    ") AND (" class " = -1 OR d.dest % 4 = " class ") AND (" list " = -1 OR d.list = " list ")"

#endif
