/* SPDX-License-Identifier: MIT */
/* The header of a safetensors file, written and read. */
#include "safetensors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../block.h"

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

/* One row a type: ours, the format's. */
#define TYPES(X)                                                                               \
  X(F32, "F32")                                                                                \
  X(F64, "F64") X(I32, "I32") X(I64, "I64") X(MASK, "BOOL") X(BF16, "BF16") X(F16, "F16")

#define DEEPEST 64 /* objects and lists in each other: arrays want three */

bool ky__array_bytes(ky_dtype dtype, int rank, const int64_t *dims, size_t *bytes) {
  size_t total = ky_dtype_size(dtype);
  bool none = false;
  for (int k = 0; k < rank; k++) {
    if (dims[k] < 0) return false;
    none |= dims[k] == 0;
    if (dims[k] > 0 && total > (size_t)PTRDIFF_MAX / (uint64_t)dims[k]) return false;
    total *= dims[k] > 0 ? (size_t)dims[k] : 1;
  }
  *bytes = none ? 0 : total;
  return true;
}

/* The bytes of the character that begins at `at`; 0 where it is none. */
static int utf8_length(const unsigned char *at) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const int length = at[0] < 0x80   ? 1
                     : at[0] < 0xc0 ? 0
                     : at[0] < 0xe0 ? 2
                     : at[0] < 0xf0 ? 3
                     : at[0] < 0xf8 ? 4
                                    : 0;
  if (length < 2) return length;
  uint32_t code = at[0] & (0x7fu >> length);
  for (int k = 1; k < length; k++) {
    if ((at[k] & 0xc0) != 0x80) return 0;
    code = code << 6 | (at[k] & 0x3f);
  }
  const bool half = code >= 0xd800 && code < 0xe000;
  return code < least[length] || code > 0x10ffff || half ? 0 : length;
}

bool ky__is_utf8(const char *text) {
  const unsigned char *at = (const unsigned char *)text;
  for (int length = 1; *at && length; at += length) length = utf8_length(at);
  return !*at;
}

/* ---- writing ----------------------------------------------------------------------------- */

typedef struct output {
  char *at;
  size_t room, length;
} output;

static void put(output *o, char c) {
  if (o->length < o->room) o->at[o->length] = c;
  o->length++;
}

static void put_format(output *o, const char *format, ...) {
  char text[64];
  va_list list;
  va_start(list, format);
  const int n = vsnprintf(text, sizeof text, format, list);
  va_end(list);
  for (int k = 0; k < n; k++) put(o, text[k]);
}

static void put_string(output *o, const char *text) {
  put(o, '"');
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') put(o, '\\');
    if ((unsigned char)*text < ' ')
      put_format(o, "\\u%04x", (unsigned)*text);
    else
      put(o, *text);
  }
  put(o, '"');
}

static const char *type_of(ky_dtype dtype) {
  switch (dtype) {
#define X(name, text)                                                                          \
  case KY_##name: return text;
    TYPES(X)
#undef X
  }
  return "";
}

static void put_record(output *o, const ky_record *r) {
  put_string(o, r->name);
  put_format(o, ":{\"dtype\":\"%s\",\"shape\":[", type_of(r->dtype));
  for (int k = 0; k < r->rank; k++) put_format(o, k ? ",%lld" : "%lld", (long long)r->dims[k]);
  put_format(o, "],\"data_offsets\":[%zu,%zu]}", r->begin, r->end);
}

size_t ky__safetensors_write(char *to, size_t room, size_t count, const ky_record *records) {
  output o = {to, room, KY_SAFETENSORS_LENGTH};
  put(&o, '{');
  for (size_t k = 0; k < count; k++) {
    if (k) put(&o, ',');
    put_record(&o, &records[k]);
  }
  put(&o, '}');
  while (o.length % 8 != 0) put(&o, ' ');
  const uint64_t length = o.length - KY_SAFETENSORS_LENGTH;
  for (size_t k = 0; k < KY_SAFETENSORS_LENGTH && k < room; k++)
    to[k] = (char)(length >> 8 * k & 0xff);
  return o.length;
}

/* ---- strings and numbers of JSON --------------------------------------------------------- */

static bool is_text(const char *json, const jsmntok_t *token, const char *text) {
  const size_t n = (size_t)(token->end - token->start);
  return token->type == JSMN_STRING && strlen(text) == n &&
         memcmp(json + token->start, text, n) == 0;
}

static uint32_t hex4(const char *digits) {
  uint32_t value = 0;
  for (int k = 0; k < 4; k++) {
    const char c = digits[k];
    value = 16 * value + (uint32_t)(c <= '9' ? c - '0' : (c | ' ') - 'a' + 10);
  }
  return value;
}

#define NO_CHARACTER 0xfffd /* instead of half of one */

/* The character of an escape at *at, which is moved behind it. */
static uint32_t escaped(const char **at, const char *end) {
  static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
  const char c = (*at)[1];
  *at += 2;
  if (c != 'u') {
    const char *name = strchr(names, c);
    return (uint32_t)(name ? values[name - names] : c);
  }
  const uint32_t code = hex4(*at);
  *at += 4;
  if (code < 0xd800 || code >= 0xe000) return code;
  const bool pair = code < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u';
  const uint32_t second = pair ? hex4(*at + 2) : 0;
  if (second < 0xdc00 || second >= 0xe000) return NO_CHARACTER;
  *at += 6;
  return 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
}

static void put_utf8(output *o, uint32_t code) {
  if (code < 0x80) {
    put(o, (char)code);
  } else if (code < 0x800) {
    put(o, (char)(0xc0 | code >> 6));
    put(o, (char)(0x80 | (code & 0x3f)));
  } else {
    if (code < 0x10000) {
      put(o, (char)(0xe0 | code >> 12));
    } else {
      put(o, (char)(0xf0 | code >> 18));
      put(o, (char)(0x80 | (code >> 12 & 0x3f)));
    }
    put(o, (char)(0x80 | (code >> 6 & 0x3f)));
    put(o, (char)(0x80 | (code & 0x3f)));
  }
}

/* False when the string needs more than `room` bytes with its ending 0, or has one inside. */
static bool take_string(const char *json, const jsmntok_t *token, char *to, size_t room) {
  output o = {to, room, 0};
  const char *at = json + token->start, *const end = json + token->end;
  while (at < end) {
    if (*at != '\\') {
      put(&o, *at++);
      continue;
    }
    const uint32_t code = escaped(&at, end);
    if (code == 0) return false;
    put_utf8(&o, code);
  }
  put(&o, 0);
  return o.length <= room;
}

static bool take_number(const char *json, const jsmntok_t *token, int64_t *value) {
  *value = 0;
  if (token->type != JSMN_PRIMITIVE) return false;
  for (int k = token->start; k < token->end; k++) {
    const int digit = json[k] - '0';
    if (digit < 0 || digit > 9 || *value > (INT64_MAX - digit) / 10) return false;
    *value = 10 * *value + digit;
  }
  return true;
}

/* ---- reading ----------------------------------------------------------------------------- */

typedef struct header {
  const char *json;
  const jsmntok_t *tokens;
  int count;
  const char *wrong;
} header;

/* The token behind the k-th and all that is inside of it. */
static int behind(const header *h, int k) {
  const int end = h->tokens[k].end;
  for (k++; k < h->count && h->tokens[k].start < end; k++) {
  }
  return k;
}

static ky_status refuse(header *h, const char *why) {
  h->wrong = why;
  return KY_BAD_FILE;
}

static bool take_type(const header *h, int k, ky_dtype *dtype) {
#define X(name, text)                                                                          \
  if (is_text(h->json, &h->tokens[k], text)) {                                                 \
    *dtype = KY_##name;                                                                        \
    return true;                                                                               \
  }
  TYPES(X)
#undef X
  return false;
}

static ky_status take_shape(header *h, int k, ky_record *r) {
  const jsmntok_t *list = &h->tokens[k];
  if (list->type != JSMN_ARRAY) return refuse(h, "a shape is no list");
  r->rank = list->size;
  for (int i = 0; i < list->size; i++) {
    int64_t extent;
    if (!take_number(h->json, &h->tokens[k + 1 + i], &extent))
      return refuse(h, "an extent is no whole number");
    if (i < KY_MAX_RANK) r->dims[i] = extent;
  }
  return KY_OK;
}

static ky_status take_offsets(header *h, int k, size_t bytes, ky_record *r) {
  const jsmntok_t *list = &h->tokens[k];
  int64_t begin, end;
  if (list->type != JSMN_ARRAY || list->size != 2 || !take_number(h->json, list + 1, &begin) ||
      !take_number(h->json, list + 2, &end))
    return refuse(h, "data_offsets are no two whole numbers");
  if (begin > end || (uint64_t)end > bytes)
    return refuse(h, "an array lies beyond the end: the file is cut short");
  r->begin = (size_t)begin;
  r->end = (size_t)end;
  return KY_OK;
}

/* The object at k, which tells of one array. */
static ky_status take_record(header *h, int k, size_t bytes, ky_record *r) {
  enum { TYPE = 1, SHAPE = 2, OFFSETS = 4 };
  unsigned seen = 0;
  bool type_known = false;
  if (h->tokens[k].type != JSMN_OBJECT) return refuse(h, "what belongs to a name is no object");
  const int end = behind(h, k);
  for (int key = k + 1; key < end; key = behind(h, key + 1)) {
    const jsmntok_t *token = &h->tokens[key];
    if (token->type != JSMN_STRING || token->size != 1) return refuse(h, "it is no JSON");
    const unsigned what = is_text(h->json, token, "dtype")          ? TYPE
                          : is_text(h->json, token, "shape")        ? SHAPE
                          : is_text(h->json, token, "data_offsets") ? OFFSETS
                                                                    : 0;
    if (seen & what) return refuse(h, "an array has dtype, shape or data_offsets twice");
    seen |= what;
    ky_status status = KY_OK;
    if (what == TYPE) type_known = take_type(h, key + 1, &r->dtype);
    if (what == SHAPE) status = take_shape(h, key + 1, r);
    if (what == OFFSETS) status = take_offsets(h, key + 1, bytes, r);
    if (status != KY_OK) return status;
  }
  if (seen != (TYPE | SHAPE | OFFSETS))
    return refuse(h, "an array lacks dtype, shape or data_offsets");
  size_t wanted;
  r->known = type_known && r->rank <= KY_MAX_RANK;
  if (r->known &&
      (!ky__array_bytes(r->dtype, r->rank, r->dims, &wanted) || wanted != r->end - r->begin))
    return refuse(h, "an array's shape and data_offsets disagree");
  return KY_OK;
}

static ky_status take_records(header *h, size_t bytes, char *name, size_t name_bytes,
                              ky_record_visit *visit, void *user) {
  if (h->count < 1 || h->tokens[0].type != JSMN_OBJECT || behind(h, 0) != h->count)
    return refuse(h, "its header is no JSON object");
  for (int key = 1; key < h->count; key = behind(h, key + 1)) {
    const jsmntok_t *token = &h->tokens[key];
    if (token->type != JSMN_STRING || token->size != 1)
      return refuse(h, "its header is no JSON");
    if (is_text(h->json, token, KY_SAFETENSORS_METADATA)) continue;
    ky_record record = {.name = name};
    ky_status status = take_record(h, key + 1, bytes, &record);
    if (status == KY_OK && take_string(h->json, token, name, name_bytes))
      status = visit(user, &record);
    if (status != KY_OK) return status;
  }
  return KY_OK;
}

/* Whether brackets are no deeper than wanted: jsmn takes long to close deep ones. */
static bool is_flat(const char *json, size_t length) {
  bool quoted = false;
  int depth = 0;
  for (size_t k = 0; k < length; k++) {
    if (quoted && json[k] == '\\')
      k++;
    else if (json[k] == '"')
      quoted = !quoted;
    else if (!quoted && (json[k] == '{' || json[k] == '[') && ++depth > DEEPEST)
      return false;
    else if (!quoted && (json[k] == '}' || json[k] == ']'))
      depth--;
  }
  return true;
}

ky_status ky__safetensors_read(const ky_allocator *allocator, const char *json, size_t length,
                               size_t bytes, size_t name_bytes, ky_record_visit *visit,
                               void *user, const char **wrong) {
  header h = {.json = json, .wrong = "its header is no JSON"};
  *wrong = h.wrong;
  if (length == 0 || memchr(json, 0, length)) return KY_BAD_FILE;
  if (!is_flat(json, length)) {
    *wrong = "the brackets of its header are too deep";
    return KY_BAD_FILE;
  }
  jsmn_parser parser;
  jsmn_init(&parser);
  h.count = jsmn_parse(&parser, json, length, NULL, 0);
  if (h.count < 1) return KY_BAD_FILE;
  ky_allocator used;
  const size_t token_bytes = (size_t)h.count * sizeof *h.tokens;
  jsmntok_t *tokens = ky__block_new(allocator, token_bytes + name_bytes, &used);
  if (!tokens) return KY_NO_MEMORY;
  jsmn_init(&parser);
  h.count = jsmn_parse(&parser, json, length, tokens, (unsigned)h.count);
  h.tokens = tokens;
  const ky_status status =
      take_records(&h, bytes, (char *)tokens + token_bytes, name_bytes, visit, user);
  *wrong = h.wrong;
  ky__block_free(used, tokens, token_bytes + name_bytes);
  return status;
}
