/* SPDX-License-Identifier: MIT */
/* Elements of arrays of any type. */
#ifndef KY_ARRAY_H
#define KY_ARRAY_H

#include "kytape/base.h"

/* The element at `at`, as a double; NaN of an unknown type. */
double ky__number(ky_dtype dtype, const void *at);

#endif
