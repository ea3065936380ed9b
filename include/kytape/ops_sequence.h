/* SPDX-License-Identifier: MIT */
/* Recording functions, part of ops.h: attention, and what else works on sequences. What ops.h
 * says about dtypes, errors and source lines holds here. */
#ifndef KYTAPE_OPS_SEQUENCE_H
#define KYTAPE_OPS_SEQUENCE_H

#include "ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Scaled dot-product attention: r = softmax(scale q k' + mask) v, for each head.
 *   q [b,h,t,d], k [b,n,s,d], v [b,n,s,e] -> [b,h,t,e]
 *   h is a multiple of n; head i of q uses head i / (h / n) of k and v
 *   gw = g v', gs = w (gw - sum gw w), w the weights
 *   gq = scale gs k, gk = scale gs' q, gv = w' g, gmask = gs, summed where they broadcast
 * mask: ky_none(), or broadcasts to [b,h,t,s]: a mask, 1 where a row sees a column, or of q's
 * dtype and added. causal: 1 lets row i see columns 0..i alone, and a mask besides; columns
 * count from the left, so that one new row against a cache of earlier ones passes 0. scale: 0
 * for 1 / sqrt(d). A row that sees nothing is 0, and so are its gradients (PyTorch: NaN).
 * Memory: one number a row is kept for the reverse sweep, which computes the weights again;
 * they are never there as a whole. q, k and v may be views, nothing is copied. Errors:
 * BAD_SHAPE, BAD_DTYPE, BAD_ARGUMENT (scale is not finite). Source: Dao et al.,
 * "FlashAttention", section 3. */
KY_API ky_var ky_attention(ky_tape *t, ky_var q, ky_var k, ky_var v, ky_var mask, int causal,
                           double scale);

/* Which elements of a row of d make a pair. */
typedef enum ky_rope_pairs {
  KY_ROPE_HALVES,     /* j and d/2 + j, as in GPT-NeoX and Hugging Face's LLaMA */
  KY_ROPE_NEIGHBOURS, /* 2j and 2j + 1, as in the paper */
} ky_rope_pairs;

/* Rotary position embedding: pair j of row p, (u, v), is turned by an angle a.
 *   (u cos a - v sin a, v cos a + u sin a), a = (first + p) base^(-2j / d)
 *   x [...,t,d] with an even d -> the same; rows are counted along t
 *   ga = g, turned back
 * first: position of row 0, for instance the number of tokens before this piece. base: above 0,
 * 10000 in the paper. Angles are formed in double; the table of them is made in each sweep,
 * nothing is kept. x may be a view. Errors: BAD_SHAPE, BAD_ARGUMENT (base, pairs). Source: Su
 * et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", equation 34. */
KY_API ky_var ky_rope(ky_tape *t, ky_var x, int64_t first, double base, ky_rope_pairs pairs);

/* Connectionist temporal classification loss: -ln of the summed probabilities of all paths that
 * become the targets when repetitions and then blanks are left out.
 *   log_probs        [t,b,c], ky_log_softmax's
 *   targets          i32 or i64; [b,s], of which each row's first target_lengths[b] count, or
 *                    [n], all of them one after the other
 *   both lengths     [b], i32 or i64
 *   -> [b], or [] when reduced
 *   glog_probs = -g times the share of the paths that are in the class at the step; 0 from the
 *   input's length on
 * The mean is one over the batch of losses divided by their target lengths, of which 0 counts
 * as 1. blank: the class of the blank. A sample without a path loses infinity, or 0 (without
 * gradient) if zero_infinity is not 0. (PyTorch leaves e^log_probs out of this derivative's
 * reckoning, which makes a difference only where it does not go on through log_softmax.)
 * Memory: 2s + 1 numbers of 8 bytes for each step and sample. Errors: BAD_SHAPE, BAD_DTYPE,
 * BAD_ARGUMENT (reduction), BAD_INDEX (blank); in the sweeps BAD_INDEX (a target is no class or
 * the blank; a length is out of range). Source: Graves et al., "Connectionist Temporal
 * Classification", sections 4.1 and 4.2. */
KY_API ky_var ky_ctc(ky_tape *t, ky_var log_probs, ky_var targets, ky_var input_lengths,
                     ky_var target_lengths, int64_t blank, int zero_infinity,
                     ky_reduction reduction);

/* ---- Recurrent layers: weights, gates and formulas as PyTorch's -------------------------- */

/* LSTM cell. The gates before their activations are i, f, g and o, one after the other.
 *   c' = sigmoid(f) c + sigmoid(i) tanh(g), h = sigmoid(o) tanh(c')
 *   gates [...,4n], c [...,n] -> [...,2n]: h, then c', to be told apart by ky_slice
 * gates: ky_linear of the input plus ky_linear of the state before. The reverse sweep computes
 * the activations again; nothing is kept. Errors: BAD_SHAPE, BAD_DTYPE. Source: Hochreiter and
 * Schmidhuber, "Long Short-Term Memory"; Gers et al., "Learning to Forget". */
KY_API ky_var ky_lstm_cell(ky_tape *t, ky_var gates, ky_var c);

/* GRU cell. What the input and what the state give the gates, x and s, are r, z and n one after
 * the other, biases included.
 *   r = sigmoid(x_r + s_r), z = sigmoid(x_z + s_z), n = tanh(x_n + r s_n)
 *   h' = (1 - z) n + z h
 *   x and s [...,3n], h [...,n] -> [...,n]
 * The reverse sweep computes the activations again; nothing is kept. Errors: BAD_SHAPE,
 * BAD_DTYPE. Source: Cho et al., "Learning Phrase Representations using RNN
 * Encoder-Decoder". */
KY_API ky_var ky_gru_cell(ky_tape *t, ky_var x, ky_var s, ky_var h);

/* The recurrent part of an LSTM layer, all steps: ky_lstm_cell with gates x[k] + h w', h and c
 * those of the step before.
 *   x [t,b,4n], what the inputs give the gates, with all biases; w [4n,n]
 *   h0 and c0 [b,n] or ky_none() for zeros -> [t+1,b,n]: h of each step, then the last c
 * Memory: five numbers for each element of the result are kept for the reverse sweep. Errors:
 * BAD_SHAPE (also no steps), BAD_DTYPE. */
KY_API ky_var ky_lstm_sequence(ky_tape *t, ky_var x, ky_var w, ky_var h0, ky_var c0);

/* The recurrent part of a GRU layer, all steps: ky_gru_cell with s = h w' + bias.
 *   x [t,b,3n], what the inputs give the gates, with their bias; w [3n,n]
 *   h0 [b,n] and bias [3n] or ky_none() for zeros -> [t,b,n]: h of each step
 * Memory: four numbers for each element of the result are kept for the reverse sweep. Errors:
 * BAD_SHAPE (also no steps), BAD_DTYPE. */
KY_API ky_var ky_gru_sequence(ky_tape *t, ky_var x, ky_var w, ky_var h0, ky_var bias);

/* Weights of a recurrent layer with g gates, 4 or 3:
 *   w_ih [g n,inputs], w_hh [g n,n], b_ih and b_hh [g n], each or both ky_none(). */
typedef struct ky_rnn_weights {
  ky_var w_ih, w_hh, b_ih, b_hh;
} ky_rnn_weights;

/* An LSTM layer (torch.nn.LSTM): one product for the inputs of all steps, then
 * ky_lstm_sequence.
 *   x [t,b,inputs], h0 and c0 [b,n] or ky_none() for zeros -> [t,b,n], h of each step
 * h, c: null, or get the last h and c [b,n]. Errors: BAD_SHAPE (also no steps), BAD_DTYPE,
 * BAD_ARGUMENT (w is null); *h and *c are null then. */
KY_API ky_var ky_lstm(ky_tape *t, ky_var x, const ky_rnn_weights *w, ky_var h0, ky_var c0,
                      ky_var *h, ky_var *c);

/* A GRU layer (torch.nn.GRU): one product for the inputs of all steps, then ky_gru_sequence.
 *   x [t,b,inputs], h0 [b,n] or ky_none() for zeros -> [t,b,n]
 * h: null, or gets the last one [b,n]. Errors: those of ky_lstm. */
KY_API ky_var ky_gru(ky_tape *t, ky_var x, const ky_rnn_weights *w, ky_var h0, ky_var *h);

#ifndef KY_NO_SITES
  #define ky_attention(t, ...)     ky_attention(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_rope(t, ...)          ky_rope(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_lstm_cell(t, ...)     ky_lstm_cell(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_gru_cell(t, ...)      ky_gru_cell(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_lstm_sequence(t, ...) ky_lstm_sequence(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_gru_sequence(t, ...)  ky_gru_sequence(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_ctc(t, ...)           ky_ctc(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_lstm(t, ...)          ky_lstm(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_gru(t, ...)           ky_gru(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
