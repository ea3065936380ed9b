/* SPDX-License-Identifier: MIT */
/* Modules: layers with weights that record themselves on a tape; initialisers of weights;
 * losses. All of it is made of the public recording functions, so what is here can be written
 * outside.
 *
 * Threads: a module may be recorded on several tapes at once as long as nobody writes its
 * weights or switches its mode; one with batch normalisation in training, on one at a time.
 *
 * Modules nest: what is asked of one is asked of those inside, which takes stack for each
 * level, of which there may be thousands. */
#ifndef KYTAPE_NN_H
#define KYTAPE_NN_H

#include "ops.h"
#include "program.h"
#include "rng.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The module interface -------------------------------------------------------------- */

typedef struct ky_module ky_module;

/* What a walk over weights calls for each: `name` is a path such as "2.bias", borrowed during
 * the call. Anything but OK ends the walk. */
typedef ky_status ky_weight_visit(void *user, const char *name, ky_tensor *weight);

/* What batch normalisation of one recording in training leaves behind, see
 * ky_batchnorm_update. Tensors are borrowed from the module. */
typedef struct ky_statistics {
  ky_var mean, variance; /* of the batch, [channels] */
  int64_t count;         /* elements a channel of the batch */
  double momentum;
  ky_tensor *running_mean, *running_variance;
} ky_statistics;

/* What a walk over statistics calls for each; they are borrowed during the call. Anything but
 * OK ends the walk. */
typedef ky_status ky_statistics_visit(void *user, const ky_statistics *statistics);

/* Bytes of the name of a module inside of another, the ending 0 too. */
#define KY_INNER_NAME 32

/* What modules of one kind have in common. Set `size` to sizeof(ky_module_kind). */
typedef struct ky_module_kind {
  size_t size;
  const char *name; /* "linear" */

  /* Records the module's operations on x and returns their result, or the null var of the one
   * that failed. Calls recording functions without their macros (KY_NO_SITES), so that
   * instructions carry the source line of the ky_module_forward they belong to. */
  ky_var (*forward)(ky_module *m, ky_tape *t, ky_var x);

  /* Visits the module's own weights in a fixed order and forwards the status that `visit`
   * returns. NULL for a module without weights. */
  ky_status (*weights)(const ky_module *m, ky_weight_visit *visit, void *user);

  /* Frees the module with its weights and the modules inside. NULL when there is nothing to
   * free. */
  void (*free)(ky_module *m);

  /* The k-th module inside, NULL when there are no more. Writes what goes in front of the names
   * of its weights, as "0" of "0.bias"; nothing there leaves the names alone. What is asked of
   * a module is asked of those inside, too. NULL for a module without any. */
  ky_module *(*inner)(const ky_module *m, size_t k, char name[KY_INNER_NAME]);

  /* As `weights`, for tensors that belong to the module and are not trained. NULL for none. */
  ky_status (*buffers)(const ky_module *m, ky_weight_visit *visit, void *user);

  /* From now on `forward` records what training wants, or inference for 0. A new module records
   * the former. NULL when both are the same. */
  void (*train)(ky_module *m, int training);

  /* Visits what the last recording in training left behind; the one before it where `visit`
   * returns BAD_VAR, and so on. NULL when nothing is left behind. */
  ky_status (*statistics)(const ky_module *m, ky_statistics_visit *visit, void *user);
} ky_module_kind;

/* The first member of every module's own struct. */
struct ky_module {
  const ky_module_kind *kind; /* borrowed as long as the module lives; static, usually */
};

/* Records the module on the tape, with x as its input. x: as the module says.
 * Errors: the null var and a pending error of the tape, those of the operations recorded;
 * BAD_VAR (x is null), BAD_ARGUMENT (m is null, or its kind has no size). A null tape gives the
 * null var. */
KY_API ky_var ky_module_forward(ky_tape *t, ky_module *m, ky_var x);

/* Calls `visit` with each weight, in the order of the layers, weight before bias. Errors:
 * BAD_ARGUMENT (m or visit is null, or a path is longer than 255 bytes), or what `visit`
 * returned. */
KY_API ky_status ky_module_weights(const ky_module *m, ky_weight_visit *visit, void *user);

/* How many weights the module has. 0 for NULL. */
KY_API size_t ky_module_weight_count(const ky_module *m);

/* The k-th weight in the order of ky_module_weights; NULL when there is none. Borrowed as long
 * as the module lives. */
KY_API ky_tensor *ky_module_weight(const ky_module *m, size_t k);

/* The weight or buffer of this path, such as "2.bias" (see ky_module_weights); NULL when there
 * is none. Borrowed as long as the module lives. */
KY_API ky_tensor *ky_module_find(const ky_module *m, const char *path);

/* Calls `visit` with each tensor that belongs to the module and is not trained, such as running
 * statistics: a saved model needs them. Errors: those of ky_module_weights. */
KY_API ky_status ky_module_buffers(const ky_module *m, ky_weight_visit *visit, void *user);

/* Lets the module record what training wants, or what inference wants for 0: dropout and batch
 * normalisation differ. New modules train. What was recorded or compiled before stays as it
 * is. NULL is fine. */
KY_API void ky_module_train(ky_module *m, int training);

/* Calls `visit` with the statistics of each batch normalisation that was recorded in training,
 * in the order of the layers: those of its last recording. Where `visit` returns BAD_VAR, as
 * reading them from another tape does, it gets those of the recording before, of eight that
 * are known. Errors: BAD_ARGUMENT (m or visit is null), or what `visit` returned. */
KY_API ky_status ky_module_statistics(const ky_module *m, ky_statistics_visit *visit,
                                      void *user);

/* Lets all running statistics follow those of the batch, by ky_batchnorm_update: once a step,
 * when the tape on which the module was recorded in training has run, or the execution of a
 * program compiled from it. Of several recordings, such as one for full batches and one for the
 * smaller last one, it is the newest that the tape has, or whose values the program keeps; up
 * to eight are known. A recording in inference changes nothing about that. Without this call
 * running statistics stay 0 and 1. Without batch normalisation there is nothing to do.
 * Errors: BAD_ARGUMENT (m or the other is null, a channel had fewer than 2 elements), or those
 * of ky_data and ky_exec_data, whose message tells more; no tensor has changed then. */
KY_API ky_status ky_module_update(ky_module *m, ky_tape *t);
KY_API ky_status ky_module_update_exec(ky_module *m, ky_exec *e);

/* Writes the values that ky_module_update_exec reads, two for each batch normalisation, to
 * vars[0..room): name them in ky_compile_options.keep of the program that trains. They are of
 * the last recording in training: ask for them before there is a further one. Returns how many
 * there are, which may be more than `room`. 0 for NULL. */
KY_API size_t ky_module_kept(const ky_module *m, size_t room, ky_var *vars);

/* The name of the module's kind, such as "linear"; "" for NULL. Borrowed from the kind. */
KY_API const char *ky_module_name(const ky_module *m);

/* Frees the module, its weights and the modules it has taken, after the tapes that refer to the
 * weights. NULL is fine. */
KY_API void ky_module_free(ky_module *m);

/* ---- Layers ---------------------------------------------------------------------------- */

/* Common to the constructors. allocator: NULL for malloc; copied, its `user` must outlive the
 * module. *out: the caller frees it with ky_module_free, unless another module takes it. On an
 * error *out is NULL. */

/* x w' + b, with weights w [outputs,inputs] and, if `bias` is not 0, b [outputs].
 *   x [...,inputs] -> [...,outputs]
 * dtype: f32, f64, bf16 or f16. rng: where initial weights come from, uniform in [-k, k) with
 * k = 1/sqrt(inputs) for w and b as in PyTorch; moved on by what is used; NULL leaves zeros for
 * the caller to fill. Errors: BAD_ARGUMENT (out is null), BAD_DTYPE, BAD_SHAPE (an extent is
 * negative or a size overflows), NO_MEMORY. */
KY_API ky_status ky_nn_linear(const ky_allocator *allocator, ky_dtype dtype, int64_t inputs,
                              int64_t outputs, int bias, ky_rng *rng, ky_module **out);

/* Convolutions, see ky_conv1d, with weights w [outputs,inputs/groups,kernel...] and, if `bias`
 * is not 0, b [outputs].
 *   x [n,inputs,...] -> [n,outputs,...]
 * options: copied; NULL for stride 1 and no padding. rng: as for ky_nn_linear, with k = 1 /
 * sqrt of the elements of w that one output has. Errors: BAD_ARGUMENT (out or kernel is null,
 * the options' size, groups are negative), BAD_DTYPE, BAD_SHAPE (channels are no multiple of
 * groups, an extent is negative or the kernel's not positive, a size overflows), NO_MEMORY. */
KY_API ky_status ky_nn_conv1d(const ky_allocator *allocator, ky_dtype dtype, int64_t inputs,
                              int64_t outputs, int64_t kernel, const ky_conv_options *options,
                              int bias, ky_rng *rng, ky_module **out);
KY_API ky_status ky_nn_conv2d(const ky_allocator *allocator, ky_dtype dtype, int64_t inputs,
                              int64_t outputs, const int64_t kernel[2],
                              const ky_conv_options *options, int bias, ky_rng *rng,
                              ky_module **out);
KY_API ky_status ky_nn_conv3d(const ky_allocator *allocator, ky_dtype dtype, int64_t inputs,
                              int64_t outputs, const int64_t kernel[3],
                              const ky_conv_options *options, int bias, ky_rng *rng,
                              ky_module **out);

/* Transposed convolutions, see ky_conv_transpose1d, with weights w
 * [inputs,outputs/groups,kernel...] and, if `bias` is not 0, b [outputs].
 *   x [n,inputs,...] -> [n,outputs,...]
 * rng: as for ky_nn_linear, with k = 1 / sqrt of the elements of w that one input has. options
 * and errors: those of ky_nn_conv1d. */
KY_API ky_status ky_nn_conv_transpose1d(const ky_allocator *allocator, ky_dtype dtype,
                                        int64_t inputs, int64_t outputs, int64_t kernel,
                                        const ky_conv_options *options, int bias, ky_rng *rng,
                                        ky_module **out);
KY_API ky_status ky_nn_conv_transpose2d(const ky_allocator *allocator, ky_dtype dtype,
                                        int64_t inputs, int64_t outputs,
                                        const int64_t kernel[2], const ky_conv_options *options,
                                        int bias, ky_rng *rng, ky_module **out);
KY_API ky_status ky_nn_conv_transpose3d(const ky_allocator *allocator, ky_dtype dtype,
                                        int64_t inputs, int64_t outputs,
                                        const int64_t kernel[3], const ky_conv_options *options,
                                        int bias, ky_rng *rng, ky_module **out);

/* Pooling, see ky_max_pool1d and ky_avg_pool1d: x [n,c,length] or [n,c,height,width] -> the
 * same, smaller. options: copied. Errors: BAD_ARGUMENT (out or options is null, the options'
 * size), NO_MEMORY. */
KY_API ky_status ky_nn_max_pool1d(const ky_allocator *allocator, const ky_pool_options *options,
                                  ky_module **out);
KY_API ky_status ky_nn_max_pool2d(const ky_allocator *allocator, const ky_pool_options *options,
                                  ky_module **out);
KY_API ky_status ky_nn_avg_pool1d(const ky_allocator *allocator, const ky_pool_options *options,
                                  ky_module **out);
KY_API ky_status ky_nn_avg_pool2d(const ky_allocator *allocator, const ky_pool_options *options,
                                  ky_module **out);

/* Means of as many windows as asked for, see ky_adaptive_avg_pool1d: x [n,c,...] ->
 * [n,c,length] or [n,c,height,width]. Errors: BAD_ARGUMENT (out is null), BAD_SHAPE (an extent
 * is not positive), NO_MEMORY. */
KY_API ky_status ky_nn_adaptive_avg_pool1d(const ky_allocator *allocator, int64_t length,
                                           ky_module **out);
KY_API ky_status ky_nn_adaptive_avg_pool2d(const ky_allocator *allocator, int64_t height,
                                           int64_t width, ky_module **out);

/* The nearest place, see ky_upsample_nearest1d. Shapes and errors: those of
 * ky_nn_adaptive_avg_pool1d. */
KY_API ky_status ky_nn_upsample_nearest1d(const ky_allocator *allocator, int64_t length,
                                          ky_module **out);
KY_API ky_status ky_nn_upsample_nearest2d(const ky_allocator *allocator, int64_t height,
                                          int64_t width, ky_module **out);

/* Linear and bilinear interpolation, see ky_upsample_linear1d, which tells what align_corners
 * does; 0 in PyTorch. Shapes and errors: those of ky_nn_adaptive_avg_pool1d. */
KY_API ky_status ky_nn_upsample_linear1d(const ky_allocator *allocator, int64_t length,
                                         int align_corners, ky_module **out);
KY_API ky_status ky_nn_upsample_bilinear2d(const ky_allocator *allocator, int64_t height,
                                           int64_t width, int align_corners, ky_module **out);

/* All axes but the first as one: x [n,...] -> [n,the product of the others]. Errors:
 * BAD_ARGUMENT (out is null), NO_MEMORY. */
KY_API ky_status ky_nn_flatten(const ky_allocator *allocator, ky_module **out);

/* All axes but the first as those of `dims`: x [n,...] -> [n,dims...], of as many elements.
 * rank: of `dims`, which are copied. Errors: BAD_ARGUMENT (out or dims is null), BAD_SHAPE
 * (rank is not in 0..KY_MAX_RANK - 1, or an extent is negative), NO_MEMORY. */
KY_API ky_status ky_nn_unflatten(const ky_allocator *allocator, int rank, const int64_t *dims,
                                 ky_module **out);

/* Rows of a table w [rows,width], see ky_embedding: x [...], i32 or i64 -> [...,width].
 * padding: a row that is 0 and gets no gradient, or -1. rng: normal of mean 0 and deviation 1
 * as in PyTorch; NULL leaves zeros. Errors: those of ky_nn_linear, BAD_INDEX (padding is not -1
 * or a row). */
KY_API ky_status ky_nn_embedding(const ky_allocator *allocator, ky_dtype dtype, int64_t rows,
                                 int64_t width, int64_t padding, ky_rng *rng, ky_module **out);

/* Layer normalisation over the last axis, see ky_layernorm, with a weight of ones and a bias of
 * zeros: x [...,width] -> [...,width]. eps: 0 or more, 1e-5 in PyTorch. Errors: those of
 * ky_nn_linear, BAD_ARGUMENT (eps). */
KY_API ky_status ky_nn_layernorm(const ky_allocator *allocator, ky_dtype dtype, int64_t width,
                                 double eps, ky_module **out);

/* Root mean square normalisation over the last axis, see ky_rmsnorm, with a weight of ones:
 * x [...,width] -> [...,width]. Errors: those of ky_nn_layernorm. */
KY_API ky_status ky_nn_rmsnorm(const ky_allocator *allocator, ky_dtype dtype, int64_t width,
                               double eps, ky_module **out);

/* Group normalisation, see ky_groupnorm, with a weight of ones and a bias of zeros [channels]:
 * x [n,channels,...] -> the same. groups: 1 or more. Errors: those of ky_nn_layernorm,
 * BAD_ARGUMENT (groups), BAD_SHAPE (channels are no multiple of groups). */
KY_API ky_status ky_nn_groupnorm(const ky_allocator *allocator, ky_dtype dtype,
                                 int64_t channels, int64_t groups, double eps, ky_module **out);

/* Instance normalisation, see ky_instancenorm, by statistics of x in inference, too:
 * x [n,channels,...] -> the same. affine: unless 0, which it is in PyTorch, with a weight of
 * ones and a bias of zeros [channels]; without them dtype and channels are not read. Errors:
 * those of ky_nn_layernorm. */
KY_API ky_status ky_nn_instancenorm(const ky_allocator *allocator, ky_dtype dtype,
                                    int64_t channels, double eps, int affine, ky_module **out);

/* Batch normalisation, see ky_batchnorm, with a weight of ones and a bias of zeros:
 * x [n,channels,...] -> the same. In inference (ky_module_train) by running_mean and
 * running_var [channels], which are buffers (f32 where dtype is bf16 or f16), begin with zeros
 * and ones, and move with ky_module_update. eps: 0 or more, 1e-5 in PyTorch; momentum: 0..1,
 * 0.1 in PyTorch. Errors: those of ky_nn_linear, BAD_ARGUMENT (eps, momentum). */
KY_API ky_status ky_nn_batchnorm(const ky_allocator *allocator, ky_dtype dtype,
                                 int64_t channels, double eps, double momentum,
                                 ky_module **out);

/* Dropout, see ky_dropout: x [...] -> the same; x itself in inference (ky_module_train). p:
 * 0..1. Errors: BAD_ARGUMENT (out is null, p), NO_MEMORY. */
KY_API ky_status ky_nn_dropout(const ky_allocator *allocator, double p, ky_module **out);

/* Self-attention of several heads, see ky_attention: x [b,t,width] -> [b,t,width]. One linear
 * layer makes queries, keys and values, of which each head takes width / heads; another joins
 * what the heads give. The weights, in this order:
 *   in_proj_weight    [3 width,width]
 *   in_proj_bias      [3 width], if `bias` is not 0
 *   out_proj.weight   [width,width]
 *   out_proj.bias     [width], if `bias` is not 0
 * causal: unless 0, a position sees itself and those before it. rng: as in PyTorch,
 * ky_init_xavier_uniform for in_proj_weight, uniform in [-k, k) with k = 1/sqrt(width) for
 * out_proj.weight, biases of zeros; NULL leaves zeros. Recording fails with BAD_SHAPE where x
 * is not of rank 3. To attend to another sequence, or with a mask: ky_nn_attention_forward.
 * Errors: those of ky_nn_linear, BAD_ARGUMENT (heads), BAD_SHAPE (width is no multiple of
 * heads). Source: Vaswani et al., "Attention Is All You Need", section 3.2.2. */
KY_API ky_status ky_nn_attention(const ky_allocator *allocator, ky_dtype dtype, int64_t width,
                                 int64_t heads, int causal, int bias, ky_rng *rng,
                                 ky_module **out);

/* Records a module of ky_nn_attention as ky_module_forward does, with what that leaves out.
 *   x [b,t,width], memory [b,s,width] -> [b,t,width]
 * memory: where keys and values come from (cross-attention); ky_none(): from x. mask: which of
 * the s positions a row sees, or what is added to its scores, of a shape that broadcasts to
 * [b,heads,t,s], see ky_attention; ky_none(): all. Where sequences are padded, for instance,
 * KY_MASK [b,1,1,s] with ones at the positions that are not. Errors: those of
 * ky_module_forward, BAD_ARGUMENT (m is another module), BAD_SHAPE (also: x or memory is not of
 * rank 3). */
KY_API ky_var ky_nn_attention_forward(ky_tape *t, ky_module *m, ky_var x, ky_var memory,
                                      ky_var mask);

/* LSTM and GRU layers, each on the one before, see ky_lstm and ky_gru. They begin with zeros;
 * to carry states from call to call, as in generating: ky_nn_recurrent_forward.
 * x [t,b,inputs] -> [t,b,n]. The weights of layer k, with g = 4 or 3:
 *   weight_ih_l<k>   [g n,inputs], behind the first layer [g n,n]
 *   weight_hh_l<k>   [g n,n]
 *   bias_ih_l<k>     [g n], if `bias` is not 0
 *   bias_hh_l<k>     [g n], if `bias` is not 0
 * layers: 1 or more. rng: uniform in [-k, k) with k = 1/sqrt(n) as in PyTorch; NULL leaves
 * zeros. Errors: those of ky_nn_linear, BAD_ARGUMENT (layers). */
KY_API ky_status ky_nn_lstm(const ky_allocator *allocator, ky_dtype dtype, int64_t inputs,
                            int64_t n, int layers, int bias, ky_rng *rng, ky_module **out);
KY_API ky_status ky_nn_gru(const ky_allocator *allocator, ky_dtype dtype, int64_t inputs,
                           int64_t n, int layers, int bias, ky_rng *rng, ky_module **out);

/* What a recurrent layer carries from step to step, [b,n] each; null vars stand for zeros. A
 * GRU has no c. */
typedef struct ky_rnn_state {
  ky_var h, c;
} ky_rnn_state;

/* Records a module of ky_nn_lstm or ky_nn_gru as ky_module_forward does, from given states on.
 * before: of each layer, the first one first; NULL for zeros. after: NULL, or gets the states
 * behind the last step, of each layer, null vars where recording failed; may be `before`. To go
 * on with numbers, read them (ky_read) into the arrays of the inputs that `before` is made of.
 * Errors: those of ky_module_forward, BAD_ARGUMENT (m is another module, a GRU's c is not
 * null), BAD_SHAPE, BAD_DTYPE (of a state). */
KY_API ky_var ky_nn_recurrent_forward(ky_tape *t, ky_module *m, ky_var x,
                                      const ky_rnn_state *before, ky_rnn_state *after);

/* The activations, without weights: x [...] -> [...], by the recording function of that name.
 * Errors: BAD_ARGUMENT (out is null), NO_MEMORY. */
KY_API ky_status ky_nn_sigmoid(const ky_allocator *allocator, ky_module **out);
KY_API ky_status ky_nn_relu(const ky_allocator *allocator, ky_module **out);
KY_API ky_status ky_nn_sin(const ky_allocator *allocator, ky_module **out);
KY_API ky_status ky_nn_tanh(const ky_allocator *allocator, ky_module **out);
KY_API ky_status ky_nn_softplus(const ky_allocator *allocator, ky_module **out);
KY_API ky_status ky_nn_softsign(const ky_allocator *allocator, ky_module **out);
KY_API ky_status ky_nn_logsigmoid(const ky_allocator *allocator, ky_module **out);
KY_API ky_status ky_nn_selu(const ky_allocator *allocator, ky_module **out);
KY_API ky_status ky_nn_gelu(const ky_allocator *allocator, ky_module **out);
KY_API ky_status ky_nn_gelu_tanh(const ky_allocator *allocator, ky_module **out);
KY_API ky_status ky_nn_silu(const ky_allocator *allocator, ky_module **out);
KY_API ky_status ky_nn_mish(const ky_allocator *allocator, ky_module **out);
KY_API ky_status ky_nn_hardsigmoid(const ky_allocator *allocator, ky_module **out);
KY_API ky_status ky_nn_hardswish(const ky_allocator *allocator, ky_module **out);

/* The same with the number that the recording function takes. */
KY_API ky_status ky_nn_leaky_relu(const ky_allocator *allocator, double slope, ky_module **out);
KY_API ky_status ky_nn_elu(const ky_allocator *allocator, double alpha, ky_module **out);

/* Along an axis, which counts from the end when negative. */
KY_API ky_status ky_nn_softmax(const ky_allocator *allocator, int64_t axis, ky_module **out);
KY_API ky_status ky_nn_log_softmax(const ky_allocator *allocator, int64_t axis,
                                   ky_module **out);

/* Modules one after the other, each on the result of the one before; the identity for count 0.
 * Names of weights get the module's index in front: "0.weight". modules: on success the new
 * module owns them and the entries modules[0..count) are set to NULL; on an error they are as
 * they were and still the caller's. So the caller may free the entries either way; another
 * pointer to a module stays good for recording with that alone. out may be an entry. Errors:
 * BAD_ARGUMENT (out is null, modules is null with count > 0, an entry is null or repeated),
 * BAD_SHAPE (the size overflows), NO_MEMORY. */
KY_API ky_status ky_nn_sequential(const ky_allocator *allocator, size_t count,
                                  ky_module **modules, ky_module **out);

/* x + m(x), where m keeps the shape; the names of weights are those of m. module: on success
 * the new module owns *module, which is set to NULL; on an error it is still the caller's. out
 * may be module: *module then becomes the new one.
 * Errors: BAD_ARGUMENT (out, module or *module is null), NO_MEMORY. Source: He, Zhang, Ren,
 * Sun, "Deep Residual Learning for Image Recognition" (CVPR 2016). */
KY_API ky_status ky_nn_residual(const ky_allocator *allocator, ky_module **module,
                                ky_module **out);

/* Two modules on one sequence, one from its front and one from its end, such as two of
 * ky_nn_lstm: x [t,...,inputs] -> [t,...,n of ahead + n of back], where the second half of row
 * k is what `back` gives when it has read rows t-1 to k. Names of weights begin with "ahead."
 * and "back.". On success the new module owns *ahead and *back, which are set to NULL; on an
 * error they are still the caller's. out may be ahead or back. Errors: BAD_ARGUMENT (out,
 * ahead, back or a module is null, or both are one module), NO_MEMORY. */
KY_API ky_status ky_nn_bidirectional(const ky_allocator *allocator, ky_module **ahead,
                                     ky_module **back, ky_module **out);

/* ---- Losses ---------------------------------------------------------------------------- */

/* The type of the losses below, for functions that are given one: records the loss of a
 * prediction against a target and returns it, of rank 0. A loss given this way is called
 * without its macro: call ky_at first. Errors as with all recording functions. */
typedef ky_var ky_loss(ky_tape *t, ky_var prediction, ky_var target);

/* ky_bce, mean over all elements. prediction: probabilities; target: of the same shape, in
 * [0, 1]. */
KY_API ky_var ky_loss_bce(ky_tape *t, ky_var prediction, ky_var target);

/* ky_mse, mean over all elements. target: of the prediction's shape. */
KY_API ky_var ky_loss_mse(ky_tape *t, ky_var prediction, ky_var target);

/* ky_cross_entropy, mean over all rows. prediction: logits [...,c]; target: labels [...], i32
 * or i64 in 0..c-1. */
KY_API ky_var ky_loss_cross_entropy(ky_tape *t, ky_var prediction, ky_var target);

/* ---- Initialisers ---------------------------------------------------------------------- */

/* Common to the initialisers: they fill a weight through ky_tensor_write (bf16 and f16: with
 * what f32 would get, rounded) and move the generator on by what they use. The xavier and
 * kaiming forms take w for [out,in,...]: fan_in is in * ..., fan_out is out * .... On an error
 * nothing changes. */

/* The same value everywhere. Errors: BAD_ARGUMENT (w is null). */
KY_API ky_status ky_init_constant(ky_tensor *w, double value);

/* Uniform in [lo, hi). Errors: BAD_ARGUMENT (w is null, or as with ky_rng_uniform). */
KY_API ky_status ky_init_uniform(ky_tensor *w, ky_rng *rng, double lo, double hi);

/* Normal. Errors: BAD_ARGUMENT (w is null, or as with ky_rng_normal). */
KY_API ky_status ky_init_normal(ky_tensor *w, ky_rng *rng, double mean, double deviation);

/* Uniform in [-k, k), k = gain sqrt(6 / (fan_in + fan_out)). gain: above 0; 1 for tanh and
 * sigmoid layers, as PyTorch's default. Errors: BAD_ARGUMENT (w or rng is null, or gain is out
 * of range), BAD_SHAPE (rank below 2). Source: Glorot, Bengio, "Understanding the difficulty of
 * training deep feedforward neural networks" (AISTATS 2010), equation 16. */
KY_API ky_status ky_init_xavier_uniform(ky_tensor *w, ky_rng *rng, double gain);

/* Uniform in [-k, k), k = sqrt(6 / ((1 + slope^2) fan_in)). slope: of the leaky ReLU that
 * follows, 0 for ReLU. Errors: BAD_ARGUMENT (w or rng is null, or slope is out of range),
 * BAD_SHAPE (rank below 2). Source: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers" (ICCV
 * 2015), section 2.2. */
KY_API ky_status ky_init_kaiming_uniform(ky_tensor *w, ky_rng *rng, double slope);

/* ---- Source lines ---------------------------------------------------------------------- */

#ifndef KY_NO_SITES
  #define ky_module_forward(t, ...)                                                            \
    ky_module_forward(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_nn_attention_forward(t, ...)                                                      \
    ky_nn_attention_forward(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_nn_recurrent_forward(t, ...)                                                      \
    ky_nn_recurrent_forward(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_loss_bce(t, ...) ky_loss_bce(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_loss_mse(t, ...) ky_loss_mse(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_loss_cross_entropy(t, ...)                                                        \
    ky_loss_cross_entropy(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
