// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/password_argon2.h"

#include "base/base64.h"
#include "base/limits.h"
#include "lookup/password_hash.h"

#include <argon2.h>

// What stands before the next `end`, which is left out; the last field ends with the text.
static struct span field_take(struct span *rest, uint8_t end)
{
    struct span field = span_head(*rest, span_find(*rest, end));
    *rest = span_skip(*rest, field.size + 1);
    return field;
}

static bool number_take(struct span *rest, const char *name, uint8_t end, uint32_t *ret_number)
{
    struct span field = field_take(rest, end);
    size_t head = strlen(name);
    uint64_t number;
    if (!span_equal(span_head(field, head), span_text(name)) ||
        !span_to_u64(span_skip(field, head), UINT32_MAX, &number))
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

bool password_argon2_parse(struct span hash, struct password_argon2 *ret_argon2)
{
    struct password_argon2 argon2 = {0};
    struct span rest = hash;
    uint32_t version;
    if (field_take(&rest, '$').size != 0)
        return false;
    struct span type = field_take(&rest, '$');
    argon2.hybrid = span_equal(type, span_text("argon2id"));
    if (!argon2.hybrid && !span_equal(type, span_text("argon2i")))
        return false;
    if (!number_take(&rest, "v=", '$', &version) || version != ARGON2_VERSION_13)
        return false;
    if (!number_take(&rest, "m=", ',', &argon2.memory_kib) ||
        !number_take(&rest, "t=", ',', &argon2.passes) ||
        !number_take(&rest, "p=", '$', &argon2.lanes))
        return false;
    if (argon2.passes == 0 || argon2.lanes == 0 || argon2.memory_kib / 8 < argon2.lanes)
        return false; // RFC 9106, section 3.1
    struct span salt = field_take(&rest, '$');
    int salt_size = base64_decode_bare(salt, argon2.salt, sizeof argon2.salt);
    int tag_size = base64_decode_bare(rest, argon2.tag, sizeof argon2.tag);
    if (salt_size < (int)ARGON2_MIN_SALT_LENGTH || tag_size < 16)
        return false; // a tag that is soon guessed is no password
    argon2.salt_size = (uint8_t)salt_size;
    argon2.tag_size = (uint8_t)tag_size;
    *ret_argon2 = argon2;
    return true;
}

bool password_argon2_is_affordable(const struct password_argon2 *argon2)
{
    return argon2->memory_kib <= ARGON2_MEMORY_KIB_MAX && argon2->lanes <= ARGON2_LANES_MAX &&
           (uint64_t)argon2->memory_kib * argon2->passes <= ARGON2_WORK_MAX;
}

bool password_argon2_verify(const struct password_argon2 *argon2, struct span password)
{
    uint8_t made[ARGON2_BYTES_MAX], salt[ARGON2_BYTES_MAX], phrase[PASSWORD_MAX];
    if (password.size > sizeof phrase || !password_argon2_is_affordable(argon2))
        return false;
    if (password.size)
        memcpy(phrase, password.at, password.size);
    memcpy(salt, argon2->salt, sizeof salt);
    argon2_context context = {
        .out = made,
        .outlen = argon2->tag_size,
        .pwd = phrase,
        .pwdlen = (uint32_t)password.size,
        .salt = salt,
        .saltlen = argon2->salt_size,
        .t_cost = argon2->passes,
        .m_cost = argon2->memory_kib,
        .lanes = argon2->lanes,
        .threads = 1,
        .version = ARGON2_VERSION_13,
    };
    int error = argon2_ctx(&context, argon2->hybrid ? Argon2_id : Argon2_i);
    bool equal = error == ARGON2_OK && password_equal(span_of(made, argon2->tag_size),
                                                      span_of(argon2->tag, argon2->tag_size));
    explicit_bzero(phrase, sizeof phrase);
    explicit_bzero(made, sizeof made);
    return equal;
}
