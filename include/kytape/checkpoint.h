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

/* Bytes of a name, the ending 0 too. */
#define KY_CHECKPOINT_NAME 512

/* Makes an empty list. allocator: NULL for malloc; copied, its `user` must outlive the
 * checkpoint. *out: the caller frees it with ky_checkpoint_free. Errors: BAD_ARGUMENT (out is
 * null), NO_MEMORY; *out is NULL then. */
KY_API ky_status ky_checkpoint_new(const ky_allocator *allocator, ky_checkpoint **out);

/* Adds a tensor. A file may hold another floating type: reading rounds as ky_convert does.
 * Errors, also of the three below: BAD_ARGUMENT (a null pointer, an empty name, one that is too
 * long or there already), NO_MEMORY; the list is unchanged, and ky_checkpoint_message tells
 * more. */
KY_API ky_status ky_checkpoint_add(ky_checkpoint *c, const char *name, ky_tensor *w);

/* Adds an array of any type but of half the size of f32: dense, row-major, of product(dims)
 * elements. Errors: BAD_SHAPE (an extent is negative, or the size overflows), BAD_DTYPE. */
KY_API ky_status ky_checkpoint_add_array(ky_checkpoint *c, const char *name, ky_dtype dtype,
                                         int rank, const int64_t *dims, void *data);

/* Adds the weights and buffers of a module by their paths, such as "2.bias"; with a prefix
 * "net", as "net.2.bias". The names in a sequential of PyTorch are the same, so its files can be
 * read. prefix: NULL or "" for none. */
KY_API ky_status ky_checkpoint_add_module(ky_checkpoint *c, const char *prefix, ky_module *m);

/* Adds what an optimizer remembers of the tensors and weights in the list, whether they are
 * added before or later: with a prefix "adam", "adam.2.bias.moment1" and so on. What it does
 * not remember is not written; after reading, it remembers just what the file has. Its rate is
 * the caller's to restore. */
KY_API ky_status ky_checkpoint_add_optimizer(ky_checkpoint *c, const char *prefix,
                                             ky_optimizer *o);

/* Writes all of it to a file. A file of that name is replaced once the new one is complete,
 * which grows beside it under the name `path` and ".part". Errors: BAD_ARGUMENT (null), NO_FILE
 * (it cannot be written; an old file is as it was), BAD_ARGUMENT (two names became one),
 * NO_MEMORY. */
KY_API ky_status ky_checkpoint_write(ky_checkpoint *c, const char *path);

/* Fills all of it from a file, which may hold more. Tensors are changed through
 * ky_tensor_write. Errors: BAD_ARGUMENT (null), NO_FILE (it cannot be read), BAD_FILE (it is no
 * safetensors file, is cut short, or lacks something), BAD_SHAPE, BAD_DTYPE (it has something
 * else by that name), NO_MEMORY: nothing is changed then. */
KY_API ky_status ky_checkpoint_read(ky_checkpoint *c, const char *path);

/* What was wrong in the last call that failed, such as "net.safetensors: 2.bias is f32 [3], not
 * f32 [4]"; "" if there was none. Borrowed until the next call. "" for NULL. */
KY_API const char *ky_checkpoint_message(const ky_checkpoint *c);

/* Frees the list, nothing that it names. NULL is fine. */
KY_API void ky_checkpoint_free(ky_checkpoint *c);

#ifdef __cplusplus
}
#endif
#endif
