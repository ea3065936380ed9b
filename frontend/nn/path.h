/* SPDX-License-Identifier: MIT */
/* Names of the weights of modules that stand inside of others. */
#ifndef KY_PATH_H
#define KY_PATH_H

#include "kytape/nn.h"

/* ky_module_weights of m, with "prefix." in front of the names. */
ky_status ky__weights_below(const char *prefix, const ky_module *m, ky_weight_visit *visit,
                            void *user);

#endif
