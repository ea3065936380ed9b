/* SPDX-License-Identifier: MIT */
/* Recording functions, part of ops.h: attention, and what else works on sequences. What ops.h
 * says about dtypes, errors and source lines holds here. */
#ifndef KYTAPE_OPS_SEQUENCE_H
#define KYTAPE_OPS_SEQUENCE_H

#include "ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Scaled dot-product attention: r = softmax(scale q k' + mask) v, for each head. q [b,h,t,d], k
 * [b,n,s,d], v [b,n,s,e] -> [b,h,t,e]; h is a multiple of n, and head i of q uses head i / (h /
 * n) of k and v. mask: ky_none(), or broadcasts to [b,h,t,s]: a mask, 1 where a row sees a
 * column, or of q's dtype and added. causal: 1 lets row i see columns 0..i alone, and a mask
 * besides. scale: 0 for 1 / sqrt(d). A row that sees nothing is 0, and so are its gradients
 * (PyTorch: NaN). With w the weights, gw = g v', gs = w (gw - sum gw w): gq = scale gs k, gk =
 * scale gs' q, gv = w' g, gmask = gs, summed where they broadcast. Memory: one number a row is
 * kept for the reverse sweep, which computes the weights again; they are never there as a
 * whole. q, k and v may be views, nothing is copied. Errors: BAD_SHAPE, BAD_DTYPE, BAD_ARGUMENT
 * (scale is not finite). Source: Dao et al., "FlashAttention", section 3. */
KY_API ky_var ky_attention(ky_tape *t, ky_var q, ky_var k, ky_var v, ky_var mask, int causal,
                           double scale);

/* Which elements of a row of d make a pair. */
typedef enum ky_rope_pairs {
  KY_ROPE_HALVES,     /* j and d/2 + j, as in GPT-NeoX and Hugging Face's LLaMA */
  KY_ROPE_NEIGHBOURS, /* 2j and 2j + 1, as in the paper */
} ky_rope_pairs;

/* Rotary position embedding: pair j of row p, (u, v), becomes (u cos a - v sin a, v cos a + u
 * sin a) with the angle a = (first + p) base^(-2j / d). x [...,t,d] with an even d -> the same;
 * rows are counted along t. ga = g, turned back. first: position of row 0, for instance the
 * number of tokens before this piece. base: above 0, 10000 in the paper. Angles are formed in
 * double; the table of them is made in each sweep, nothing is kept. x may be a view. Errors:
 * BAD_SHAPE, BAD_ARGUMENT (base, pairs). Source: Su et al., "RoFormer: Enhanced Transformer
 * with Rotary Position Embedding", equation 34. */
KY_API ky_var ky_rope(ky_tape *t, ky_var x, int64_t first, double base, ky_rope_pairs pairs);

#ifndef KY_NO_SITES
  #define ky_attention(t, ...) ky_attention(ky_at(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_rope(t, ...)      ky_rope(ky_at(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
