// SPDX-License-Identifier: BSD-3-Clause
#include "policy/rules_compile.h"

#include <errno.h>
#include <hs/hs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments { // of hs_compile_multi
    const char **patterns;
    unsigned *flags, *ids;
};

static int refuse(char error[RULES_ERROR_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(char error[RULES_ERROR_SIZE], const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(error, RULES_ERROR_SIZE, format, list);
    va_end(list);
    return -EINVAL;
}

static unsigned flags_of(const struct rules_source *source)
{
    // One report a rule and stream is all that is wanted, and caps what a hostile mail can cause.
    unsigned flags = HS_FLAG_SINGLEMATCH;
    if (source->caseless)
        flags |= HS_FLAG_CASELESS;
    if (source->dotall)
        flags |= HS_FLAG_DOTALL;
    if (source->multiline)
        flags |= HS_FLAG_MULTILINE;
    return flags;
}

static bool is_name(const char *name)
{
    size_t size = strlen(name);
    if (size == 0 || size >= sizeof(((struct policy_rule *)NULL)->name))
        return false;
    for (size_t i = 0; i < size; i++)
        if (name[i] < 0x20 || name[i] > 0x7e)
            return false;
    return true;
}

// A pattern of its own merits: what Hyperscan says, and what a stream can never deliver.
static int check_pattern(const struct rules_source *source, char error[RULES_ERROR_SIZE])
{
    hs_expr_info_t *info = NULL;
    hs_compile_error_t *wrong = NULL;
    if (hs_expression_info(source->pattern, flags_of(source), &info, &wrong) != HS_SUCCESS) {
        int result = refuse(error, "rule %s: %s", source->name, wrong->message);
        hs_free_compile_error(wrong);
        return result;
    }
    bool at_end = info->matches_only_at_eod;
    free(info);
    if (at_end)
        return refuse(error, "rule %s: matches only where the data ends; use multiline for $",
                      source->name);
    return 0;
}

static int check_source(const struct rules_source *source, char error[RULES_ERROR_SIZE])
{
    const unsigned all_parts = RULE_ENVELOPE | RULE_HEADERS | RULE_BODY;
    if (!is_name(source->name))
        return refuse(error, "rule name must be 1 to 31 printable ASCII characters");
    if (source->parts == 0 || (source->parts & ~all_parts) != 0)
        return refuse(error, "rule %s: parts must name envelope, headers or body", source->name);
    if (source->action >= ACTION_RULE_COUNT)
        return refuse(error, "rule %s: unknown action", source->name);
    return check_pattern(source, error);
}

struct named {
    const char *name;
    uint32_t index;
};

static int named_order(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int check_doubles(const struct rules_source *sources, uint32_t count, uint32_t *ret_index,
                         char error[RULES_ERROR_SIZE])
{
    struct named *sorted = calloc(count, sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = (struct named){sources[i].name, i};
    qsort(sorted, count, sizeof *sorted, named_order);
    int result = 0;
    for (uint32_t i = 1; i < count && result == 0; i++)
        if (strcmp(sorted[i - 1].name, sorted[i].name) == 0) {
            *ret_index = sorted[i].index;
            result = refuse(error, "rule %s: the name is taken", sorted[i].name);
        }
    free(sorted);
    return result;
}

static int serialize(const hs_database_t *database, struct rules_compiled *compiled)
{
    char *bytes = NULL;
    if (hs_serialize_database(database, &bytes, &compiled->size) != HS_SUCCESS)
        return -ENOMEM;
    compiled->database = (uint8_t *)bytes;
    return 0;
}

static int compile_database(const struct arguments *arguments, const struct rules_source *sources,
                            uint32_t count, struct rules_compiled *compiled, uint32_t *ret_index,
                            char error[RULES_ERROR_SIZE])
{
    hs_database_t *database = NULL;
    hs_compile_error_t *wrong = NULL;
    if (hs_compile_multi(arguments->patterns, arguments->flags, arguments->ids, count,
                         HS_MODE_STREAM, NULL, &database, &wrong) != HS_SUCCESS) {
        bool of_a_rule = wrong->expression >= 0 && (uint32_t)wrong->expression < count;
        *ret_index = of_a_rule ? (uint32_t)wrong->expression : count;
        int result = of_a_rule
                         ? refuse(error, "rule %s: %s", sources[*ret_index].name, wrong->message)
                         : refuse(error, "rules: %s", wrong->message);
        hs_free_compile_error(wrong);
        return result;
    }
    int result = serialize(database, compiled);
    hs_free_database(database);
    return result;
}

static int compile_all(const struct rules_source *sources, uint32_t count,
                       struct rules_compiled *compiled, uint32_t *ret_index,
                       char error[RULES_ERROR_SIZE])
{
    struct arguments arguments = {
        .patterns = calloc(count, sizeof *arguments.patterns),
        .flags = calloc(count, sizeof *arguments.flags),
        .ids = calloc(count, sizeof *arguments.ids),
    };
    compiled->rules = calloc(count, sizeof *compiled->rules);
    int result = -ENOMEM;
    if (arguments.patterns && arguments.flags && arguments.ids && compiled->rules) {
        for (uint32_t i = 0; i < count; i++) {
            arguments.patterns[i] = sources[i].pattern;
            arguments.flags[i] = flags_of(&sources[i]);
            arguments.ids[i] = i;
            struct policy_rule *rule = &compiled->rules[i];
            *rule = (struct policy_rule){.parts = sources[i].parts, .action = sources[i].action};
            memcpy(rule->name, sources[i].name, strlen(sources[i].name)); // is_name: it fits
        }
        result = compile_database(&arguments, sources, count, compiled, ret_index, error);
    }
    free(arguments.patterns);
    free(arguments.flags);
    free(arguments.ids);
    return result;
}

int rules_compile(const struct rules_source *sources, uint32_t count,
                  struct rules_compiled *ret_compiled, uint32_t *ret_index,
                  char error[RULES_ERROR_SIZE])
{
    struct rules_compiled compiled = {.count = count};
    *ret_index = count;
    if (count > RULES_COUNT_MAX)
        return refuse(error, "more than %d rules", RULES_COUNT_MAX);
    for (uint32_t i = 0; i < count; i++) {
        int result = check_source(&sources[i], error);
        if (result < 0) {
            *ret_index = i;
            return result;
        }
    }
    if (count > 0) {
        int result = check_doubles(sources, count, ret_index, error);
        if (result == 0)
            result = compile_all(sources, count, &compiled, ret_index, error);
        if (result < 0) {
            rules_compiled_free(&compiled);
            return result;
        }
    }
    *ret_compiled = compiled;
    return 0;
}

void rules_compiled_free(struct rules_compiled *compiled)
{
    free(compiled->rules);
    free(compiled->database);
    *compiled = (struct rules_compiled){0};
}
