/* SPDX-License-Identifier: MIT */
/* Checkpoints: files of named arrays, to go on with later: weights, what an optimizer remembers
 * of them, counters of the caller's. The format is safetensors, which PyTorch, JAX and numpy
 * read and write.
 *
 * Threads: a checkpoint and what it names are used by one thread at a time. */
#ifndef KYTAPE_CHECKPOINT_H
#define KYTAPE_CHECKPOINT_H

#include "nn.h"
#include "optim.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A list of what belongs together, by name. Made once, it both writes and reads: reading fills
 * what writing wrote. Whatever it names is borrowed and must outlive it. */
typedef struct ky_checkpoint ky_checkpoint;

/* Bytes of a name or prefix, the ending 0 too. They are UTF-8. */
#define KY_CHECKPOINT_NAME 256

/* Makes an empty list. allocator: NULL for malloc; copied, its `user` must outlive the
 * checkpoint. *out: the caller frees it with ky_checkpoint_free. Errors: BAD_ARGUMENT (out is
 * null), NO_MEMORY; *out is NULL then. */
KY_API ky_status ky_checkpoint_new(const ky_allocator *allocator, ky_checkpoint **out);

/* Adds a tensor. A file may hold another floating type: reading converts it, as ky_convert
 * does. A tensor may have several names; optimizers know it by the first one.
 * Errors: BAD_ARGUMENT (a null pointer; a name that is empty, too long, not UTF-8,
 * "__metadata__", or there already), NO_MEMORY; the list is unchanged, and
 * ky_checkpoint_message tells more. */
KY_API ky_status ky_checkpoint_add(ky_checkpoint *c, const char *name, ky_tensor *w);

/* Adds an array of the caller's: dense, row-major, of product(dims) elements of any type, which
 * the file must hold, too. data: borrowed as long as the checkpoint lives. Errors: those of
 * ky_checkpoint_add, BAD_SHAPE (the rank is not in 0..KY_MAX_RANK, an extent is negative, the
 * size overflows), BAD_DTYPE. */
KY_API ky_status ky_checkpoint_add_array(ky_checkpoint *c, const char *name, ky_dtype dtype,
                                         int rank, const int64_t *dims, void *data);

/* Adds the weights and buffers of a module by their paths, such as "2.bias"; with a prefix
 * "net", as "net.2.bias". They have the same names in a sequential of PyTorch, so its files can
 * be read. prefix: NULL or "" for none. Errors: those of ky_checkpoint_add. */
KY_API ky_status ky_checkpoint_add_module(ky_checkpoint *c, const char *prefix, ky_module *m);

/* Adds what an optimizer remembers of the tensors and weights in the list, be they added before
 * or later: with a prefix "adam", "adam.2.bias.moment1" and so on, and "adam.tensors", of how
 * many it remembers something. What it does not remember is not written; after reading, it
 * remembers of these tensors just what the file has, and that is all of it.
 *   Other things that a training goes on with are the caller's to add or restore: the rate,
 * clip, options and factors of the optimizer; what random operations draw next (ky_tape_draw,
 * ky_exec_draw); a ky_rng, as an array of KY_I64; the place in the data.
 * Errors: those of ky_checkpoint_add, BAD_ARGUMENT (the optimizer is there already, or the
 * prefix is NULL or empty). */
KY_API ky_status ky_checkpoint_add_optimizer(ky_checkpoint *c, const char *prefix,
                                             ky_optimizer *o);

/* Writes all of it to a file. The new file grows beside the old one, under the name `path` with
 * ".part" or ".part1", ..., and takes its place and mode once it is complete; what a link leads
 * to is replaced, not the link. Errors: BAD_ARGUMENT (null; an array of an optimizer's has the
 * name of another; a header of 100 MB), NO_FILE (it cannot be written, or there is something
 * that is no regular file), NO_MEMORY: what was there is as it was. */
KY_API ky_status ky_checkpoint_write(ky_checkpoint *c, const char *path);

/* Fills all of it from a regular file, which may hold more, but nothing more of an optimizer in
 * the list. Tensors are changed through ky_tensor_write: a tape or an execution that has run
 * has the old values until the next forward sweep. Other numbers than 0 in a mask become 1.
 * Errors: BAD_ARGUMENT (as for writing), NO_FILE (it cannot be read), BAD_FILE (it is no
 * safetensors file, is cut short, or lacks something), BAD_SHAPE, BAD_DTYPE (it has something
 * else by that name), NO_MEMORY: nothing is changed then. */
KY_API ky_status ky_checkpoint_read(ky_checkpoint *c, const char *path);

/* What was wrong in the last call, such as "net.safetensors: 2.bias is f32 [3], not f32 [4]",
 * or "" if nothing was. Borrowed until the next call. "" for NULL. */
KY_API const char *ky_checkpoint_message(const ky_checkpoint *c);

/* Frees the list, nothing that it names. NULL is fine. */
KY_API void ky_checkpoint_free(ky_checkpoint *c);

#ifdef __cplusplus
}
#endif
#endif
