// SPDX-License-Identifier: BSD-3-Clause
/* lists, limits and config: what changes the policy goes through the publisher, and is answered
 * when the data plane has taken or refused it. */
#include "api/api_command.h"

#include "config/config_classes.h"
#include "config/config_lists.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

struct change {
    struct api_request *request;
    char class[sizeof((struct policy_class *)0)->name]; // of the list or limit; "": the default
    bool add;                                           // to a list
    struct prefix prefix;
    enum limit limit;
    uint64_t value;       // of the limit, unless
    enum limit_mode mode; // this is not MODE_COUNT
};

static void change_done(void *context, const struct publisher_outcome *outcome)
{
    struct change *change = (struct change *)context;
    if (outcome->error)
        api_request_error(change->request, "%s", outcome->text);
    else
        api_request_ok(change->request,
                       json_pack("{s:I, s:b}", "generation", (json_int_t)outcome->generation,
                                 "published", (int)outcome->published));
    free(change);
}

static void change_submit(const struct change *facts, publisher_edit *edit, publisher_done *done)
{
    struct change *change = malloc(sizeof *change);
    CHECK(change);
    *change = *facts;
    struct publication publication = {.edit = edit, .done = done, .context = change};
    if (publisher_submit(&facts->request->plane->publisher, &publication) == 0)
        return;
    api_request_error(facts->request, "too many changes wait, try again");
    free(change);
}

// lists

static json_t *prefixes_json(const struct config_prefixes *prefixes)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < prefixes->count; i++) {
        char text[PREFIX_TEXT_SIZE];
        json_array_append_new(list, json_string(prefix_format(&prefixes->items[i], text)));
    }
    return list;
}

static json_t *list_files_json(const struct config *config)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < config->list_files_count; i++) {
        const struct config_list_file *file = &config->list_files[i];
        const struct list_prefixes *prefixes = file->prefixes;
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:I, s:I}", "name", file->name, "class",
                                        config->head.classes[file->class].name, "file", file->file,
                                        "ipv4", (json_int_t)prefixes->ipv4, "ipv6",
                                        (json_int_t)prefixes->count - prefixes->ipv4));
    }
    return list;
}

void api_lists_list(struct api_request *request)
{
    const struct config *config = request->plane->publisher.config;
    json_t *o = json_object();
    for (int class = CLASSES_MAX - 1; class >= CLASS_MARTIAN; class --)
        if (config->head.classes[class].name[0])
            json_object_set_new(o, config->head.classes[class].name,
                                prefixes_json(&config->lists[class]));
    json_object_set_new(o, "from files", list_files_json(config));
    json_object_set_new(o, "error", json_string(request->plane->lists_error));
    api_request_ok(request, o);
}

static int edit_lists_reload(void *context, struct config **candidate, struct config_errors *errors)
{
    return config_lists_reload(*candidate, errors);
}

static void lists_reload_done(void *context, const struct publisher_outcome *outcome)
{
    struct plane *plane = ((struct change *)context)->request->plane;
    snprintf(plane->lists_error, sizeof plane->lists_error, "%s",
             outcome->error ? outcome->text : "");
    change_done(context, outcome);
}

void api_lists_reload(struct api_request *request)
{
    change_submit(&(struct change){.request = request}, edit_lists_reload, lists_reload_done);
}

void api_lists_test(struct api_request *request)
{
    const struct config *config = request->plane->publisher.config;
    const char *text = api_request_text(request, "address");
    struct addr addr;
    struct config_lists_match match;
    if (!text)
        return;
    if (!addr_parse(text, &addr)) {
        api_request_error(request, "address: expected an IPv4 or IPv6 address");
    } else if (!config_lists_find(config, &addr, &match)) {
        api_request_ok(request, json_pack("{s:s}", "class", "default"));
    } else {
        char prefix[PREFIX_TEXT_SIZE];
        api_request_ok(request,
                       json_pack("{s:s, s:s, s:s}", "class", config->head.classes[match.class].name,
                                 "prefix", prefix_format(&match.prefix, prefix), "file",
                                 match.file ? match.file->file : ""));
    }
}

// A reload that came first may have taken it away.
static int class_unknown(struct config_errors *errors, const char *class)
{
    struct config_place place = {.file = "classes", .path = class};
    config_errors_add(errors, &place, "no such class any more");
    return -ENOENT;
}

static int edit_list(void *context, struct config **candidate, struct config_errors *errors)
{
    const struct change *change = (const struct change *)context;
    int class = config_class_find(*candidate, change->class);
    if (class < 0)
        return class_unknown(errors, change->class);
    struct config_prefixes *list = &(*candidate)->lists[class];
    int error = change->add ? config_prefixes_add(list, &change->prefix)
                            : config_prefixes_remove(list, &change->prefix);
    if (error == 0)
        return 0;
    char text[PREFIX_TEXT_SIZE];
    struct config_place place = {.file = change->class,
                                 .path = prefix_format(&change->prefix, text)};
    config_errors_add(errors, &place, "%s",
                      error == -EEXIST   ? "is on the list already"
                      : error == -ENOENT ? "is not on the list"
                                         : "the list is full");
    return error;
}

static void lists_change(struct api_request *request, bool add)
{
    struct change change = {.request = request, .add = add};
    const char *list = api_request_text(request, "list");
    const char *text = list ? api_request_text(request, "prefix") : NULL;
    if (!text)
        return;
    if (config_class_find(request->plane->publisher.config, list) < 0)
        api_request_error(request, "list: expected allow, deny, martian or a class of the "
                                   "configuration");
    else if (!prefix_parse(text, &change.prefix))
        api_request_error(request, "prefix: expected a prefix such as 192.0.2.0/24 or "
                                   "2001:db8::/32, host bits zero");
    else if (snprintf(change.class, sizeof change.class, "%s", list) > 0)
        change_submit(&change, edit_list, change_done);
}

void api_lists_add(struct api_request *request)
{
    lists_change(request, true);
}

void api_lists_remove(struct api_request *request)
{
    lists_change(request, false);
}

// limits

const char *api_limit_name(enum limit limit, char name[LIMIT_NAME_SIZE])
{
    const char *upper = limit_facts(limit)->name;
    size_t i = 0;
    for (; i < LIMIT_NAME_SIZE - 1 && upper[i]; i++)
        name[i] = (char)tolower((unsigned char)upper[i]);
    name[i] = '\0';
    return name;
}

// All workers' count of that limit's refusals in shadow.
static json_t *shadow_json(const struct dataplane_link *link, const uint64_t *first)
{
    uint64_t total = 0;
    for (unsigned worker = 0; worker < link->client.workers; worker++)
        total += __atomic_load_n(first + worker * (sizeof(struct counter_block) / sizeof *first),
                                 __ATOMIC_RELAXED);
    return json_integer((json_int_t)total);
}

static json_t *limit_json(const struct plane *plane, int class, enum limit limit)
{
    char name[LIMIT_NAME_SIZE];
    const struct limit_facts *facts = limit_facts(limit);
    const struct policy *head = &plane->publisher.config->head;
    bool has_mode = !limit_why_modeless(limit);
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string(api_limit_name(limit, name)));
    json_object_set_new(o, "value",
                        json_integer((json_int_t)policy_limit(head, (unsigned)class, limit)));
    json_object_set_new(
        o, "mode",
        has_mode ? json_string(limit_mode_name(policy_mode(head, (unsigned)class, limit)))
                 : json_null());
    json_object_set_new(o, "own",
                        json_boolean(limit_set_has(&head->classes[class].own_limits, limit)));
    json_object_set_new(o, "by_class", json_boolean(facts->by_class));
    json_object_set_new(o, "default", json_integer((json_int_t)facts->value));
    json_object_set_new(o, "least", json_integer((json_int_t)facts->least));
    json_object_set_new(o, "most", json_integer((json_int_t)facts->most));
    json_object_set_new(o, "unit", json_string(facts->unit));
    json_object_set_new(o, "text", json_string(facts->text));
    const struct dataplane_link *link = &plane->link;
    if (has_mode && link->state == LINK_UP && link->client.counters) {
        const struct counter_block *first = &link->client.counters->blocks[0];
        json_object_set_new(o, "shadowed", shadow_json(link, &first->shadows[facts->reason]));
        json_object_set_new(o, "shadow_logins",
                            shadow_json(link, &first->shadow_logins[facts->reason]));
    }
    return o;
}

// The class whose limits are meant: named by "class", else the default one.
static bool class_argument(struct api_request *request, int *ret_class)
{
    *ret_class = CLASS_DEFAULT;
    if (!api_request_has(request, "class"))
        return true;
    const char *name = api_request_text(request, "class");
    if (!name)
        return false;
    int class = config_class_find(request->plane->publisher.config, name);
    if (class >= CLASS_NAMED && class < CLASS_DENY) {
        *ret_class = class;
        return true;
    }
    api_request_error(request, "class: expected a class of the configuration");
    return false;
}

void api_limits_list(struct api_request *request)
{
    int class;
    if (!class_argument(request, &class))
        return;
    json_t *list = json_array();
    for (int i = 0; i < LIMIT_COUNT; i++)
        if (class == CLASS_DEFAULT || limit_facts((enum limit)i)->by_class)
            json_array_append_new(list, limit_json(request->plane, class, (enum limit)i));
    api_request_ok(request, json_pack("{s:o}", "limits", list));
}

static bool limit_argument(struct api_request *request, enum limit *ret_limit, int *ret_class)
{
    const char *name = api_request_text(request, "name");
    if (!name)
        return false;
    if (!limit_find(name, ret_limit)) {
        api_request_error(request, "name: no such limit; `weirctl limits` lists them");
        return false;
    }
    if (!class_argument(request, ret_class))
        return false;
    if (*ret_class == CLASS_DEFAULT || limit_facts(*ret_limit)->by_class)
        return true;
    api_request_error(request, "class: no class has a limit of its own here");
    return false;
}

void api_limits_get(struct api_request *request)
{
    enum limit limit;
    int class;
    if (limit_argument(request, &limit, &class))
        api_request_ok(request, limit_json(request->plane, class, limit));
}

static int edit_limit(void *context, struct config **candidate, struct config_errors *errors)
{
    const struct change *change = (const struct change *)context;
    struct policy *head = &(*candidate)->head;
    int index = change->class[0] ? config_class_find(*candidate, change->class) : CLASS_DEFAULT;
    if (index < 0)
        return class_unknown(errors, change->class);
    struct policy_class *class = &head->classes[index];
    if (change->mode != MODE_COUNT) {
        *(change->class[0] ? &class->modes[change->limit] : &head->modes[change->limit]) =
            (uint8_t)change->mode;
        if (change->class[0])
            limit_set_add(&class->own_modes, change->limit);
    } else {
        *(change->class[0] ? &class->limits[change->limit] : &head->limits[change->limit]) =
            change->value;
        if (change->class[0])
            limit_set_add(&class->own_limits, change->limit);
    }
    const char *wrong = config_classes_contradiction(head);
    if (wrong)
        config_errors_add(errors, &(struct config_place){.file = "limits", .path = ""}, "%s",
                          wrong);
    return wrong ? -EINVAL : 0;
}

static void limit_change(struct change *change, int class)
{
    const struct config *config = change->request->plane->publisher.config;
    memcpy(change->class, config->head.classes[class].name, sizeof change->class);
    change_submit(change, edit_limit, change_done);
}

void api_limits_set(struct api_request *request)
{
    int class;
    struct change change = {.request = request, .mode = MODE_COUNT};
    if (!limit_argument(request, &change.limit, &class))
        return;
    const struct limit_facts *facts = limit_facts(change.limit);
    if (api_request_number(request, "value", facts->least, facts->most, &change.value))
        limit_change(&change, class);
}

void api_limits_mode(struct api_request *request)
{
    int class;
    struct change change = {.request = request};
    if (!limit_argument(request, &change.limit, &class))
        return;
    const char *mode = api_request_text(request, "mode");
    if (!mode)
        return;
    while (change.mode < MODE_COUNT && strcmp(mode, limit_mode_name(change.mode)) != 0)
        change.mode++;
    if (change.mode == MODE_COUNT)
        api_request_error(request, "mode: expected enforce, shadow or off");
    else if (limit_why_modeless(change.limit))
        api_request_error(request, "name: this limit has no mode: %s",
                          limit_why_modeless(change.limit));
    else
        limit_change(&change, class);
}

// config

void api_config_check(struct api_request *request)
{
    struct config_errors errors = {0};
    int error = plane_check(request->plane, &errors);
    if (error)
        api_request_error(request, "%.*s", (int)(errors.size ? errors.size - 1 : 0), errors.text);
    else
        api_request_ok(request, json_pack("{s:s}", "file", request->plane->config_file));
}

void api_config_reload(struct api_request *request)
{
    struct change *change = calloc(1, sizeof *change);
    CHECK(change);
    change->request = request;
    if (plane_reload(request->plane, change_done, change) == 0)
        return;
    api_request_error(request, "too many changes wait, try again");
    free(change);
}
