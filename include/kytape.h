/* SPDX-License-Identifier: MIT */
/* kytape.h: all of the public API. The parts can be included alone. */
#ifndef KYTAPE_H
#define KYTAPE_H

#include "kytape/base.h"

#include "kytape/checkpoint.h"
#include "kytape/custom.h"
#include "kytape/gradcheck.h"
#include "kytape/nn.h"
#include "kytape/ops.h"
#include "kytape/optim.h"
#include "kytape/program.h"
#include "kytape/rng.h"
#include "kytape/tape.h"
#include "kytape/tensor.h"

#endif
