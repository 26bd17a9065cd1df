// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/passwd_file.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct passwd_table {
    struct siphash_key key;
    uint8_t *text; // the file; names were made lower case in it
    size_t text_size;
    struct passwd_user *users;
    uint32_t *buckets; // open addressing: user index + 1
    uint32_t bucket_mask;
    uint32_t count, capacity;        // users
    const struct passwd_user *scram; // the first with keys; NULL: not all who log in have them
};

static void table_free(struct passwd_table *table)
{
    if (!table)
        return;
    if (table->text)
        explicit_bzero(table->text, table->text_size);
    free(table->text);
    free(table->users);
    free(table->buckets);
    free(table);
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static uint32_t *bucket_find(const struct passwd_table *table, struct span name)
{
    uint64_t at = siphash(&table->key, name.at, name.size);
    for (;; at++) { // ends: buckets outnumber users
        uint32_t *bucket = &table->buckets[at & table->bucket_mask];
        if (*bucket == 0 || span_equal(table->users[*bucket - 1].name, name))
            return bucket;
    }
}

static const char *line_take(struct passwd_table *table, uint8_t *line, size_t size)
{
    struct span text = span_of(line, size);
    size_t name_size = span_find(text, ':');
    if (name_size == size)
        return "expected user:{SCHEME}hash";
    if (name_size == 0 || name_size > USER_NAME_MAX)
        return "user name empty or too long";
    for (size_t i = 0; i < name_size; i++) {
        line[i] = lower(line[i]);
        if (line[i] <= 0x20 || line[i] >= 0x7f)
            return "user name is not printable ASCII without spaces";
    }
    struct passwd_user *user = &table->users[table->count];
    struct span rest = span_skip(text, name_size + 1);
    user->name = span_head(text, name_size);
    if (!password_hash_parse(span_head(rest, span_find(rest, ':')), &user->scheme, &user->hash))
        return "malformed {SCHEME}hash";
    uint32_t *bucket = bucket_find(table, user->name);
    if (*bucket)
        return "user name given before";
    *bucket = ++table->count;
    return NULL;
}

// Malformed lines, each logged with its number, without its text: that may be a password.
static unsigned lines_take(struct passwd_table *table, const char *path)
{
    unsigned bad = 0, number = 0;
    for (size_t at = 0; at < table->text_size;) {
        uint8_t *line = table->text + at;
        size_t size = span_find(span_of(line, table->text_size - at), '\n');
        at += size + 1;
        number++;
        if (size > 0 && line[size - 1] == '\r')
            size--;
        if (size == 0 || line[0] == '#')
            continue;
        const char *wrong = line_take(table, line, size);
        if (wrong && bad++ < PASSWD_BAD_LINES_LOGGED)
            log_error("what=\"bad line in passwd file\" file=%s line=%u error=\"%s\"", path, number,
                      wrong);
    }
    return bad;
}

static int text_read(struct passwd_table *table, int fd, size_t size)
{
    table->text = malloc(size + 1);
    if (!table->text)
        return -ENOMEM;
    while (table->text_size < size) {
        ssize_t got = read(fd, table->text + table->text_size, size - table->text_size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        table->text_size += (size_t)got;
    }
    return 0;
}

static int table_make_room(struct passwd_table *table)
{
    table->capacity = 1;
    for (size_t i = 0; i < table->text_size; i++)
        table->capacity += table->text[i] == '\n';
    uint32_t buckets = 2;
    while (buckets < 2 * table->capacity)
        buckets *= 2;
    table->bucket_mask = buckets - 1;
    table->users = calloc(table->capacity, sizeof *table->users);
    table->buckets = calloc(buckets, sizeof *table->buckets);
    return table->users && table->buckets ? 0 : -ENOMEM;
}

static int table_read(struct passwd_table *table, int fd, size_t size, const char *path)
{
    int error = size > PASSWD_FILE_MAX ? -EFBIG : rng_secret(&table->key, sizeof table->key);
    if (!error)
        error = text_read(table, fd, size);
    if (!error)
        error = table_make_room(table);
    if (!error && lines_take(table, path) > 0)
        error = -EBADMSG;
    return error;
}

static void schemes_settle(struct passwd_file *file)
{
    unsigned unsupported = 0, others = 0;
    const struct passwd_user *scram = NULL;
    for (uint32_t i = 0; i < file->table->count; i++) {
        struct passwd_user *user = &file->table->users[i];
        if (user->scheme == PASSWORD_PLAIN && !file->allow_plain)
            user->scheme = PASSWORD_UNSUPPORTED;
        unsupported += user->scheme == PASSWORD_UNSUPPORTED;
        if (user->scheme == PASSWORD_SCRAM)
            scram = scram ? scram : user;
        else
            others += user->scheme != PASSWORD_UNSUPPORTED && user->scheme != PASSWORD_LOCKED;
    }
    file->table->scram = others ? NULL : scram;
    if (unsupported)
        log_warning("what=\"users with a password scheme that is not supported\" file=%s users=%u",
                    file->path, unsupported);
}

static int file_read(struct passwd_file *file, struct stat *ret_status)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct passwd_table *table = calloc(1, sizeof *table);
    int error = table ? 0 : -ENOMEM;
    if (!error && fstat(fd, ret_status) < 0)
        error = -errno;
    if (!error && !S_ISREG(ret_status->st_mode))
        error = -EINVAL;
    if (!error)
        error = table_read(table, fd, (size_t)ret_status->st_size, file->path);
    close(fd);
    bool better_than_nobody = error == -EBADMSG && !file->table; // the good lines
    if (error && !better_than_nobody) {
        table_free(table);
        return error;
    }
    table_free(file->table);
    file->table = table;
    file->generation++;
    schemes_settle(file);
    log_info("what=\"passwd file read\" file=%s users=%u", file->path, table->count);
    return error;
}

void passwd_file_init(struct passwd_file *file, const char *path, bool allow_plain)
{
    *file = (struct passwd_file){.path = path, .allow_plain = allow_plain};
}

void passwd_file_done(struct passwd_file *file)
{
    table_free(file->table);
    *file = (struct passwd_file){0};
}

static bool same_state(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int passwd_file_refresh(struct passwd_file *file)
{
    struct stat status = {0}; // all zero: there is none
    int error = stat(file->path, &status) < 0 ? -errno : 0;
    if (file->has_seen && same_state(&status, &file->seen))
        return file->error;
    if (!error)
        error = file_read(file, &status);
    file->seen = status;
    file->has_seen = true;
    file->error = error;
    if (error)
        log_error("what=\"passwd file not taken as it is\" file=%s users=%u error=\"%s\"",
                  file->path, passwd_file_count(file),
                  error == -EBADMSG ? "malformed lines" : strerror(-error));
    return error;
}

bool passwd_file_find(const struct passwd_file *file, struct span name,
                      struct passwd_user *ret_user)
{
    uint8_t wanted[USER_NAME_MAX];
    if (!file->table || name.size > sizeof wanted)
        return false;
    for (size_t i = 0; i < name.size; i++)
        wanted[i] = lower(name.at[i]);
    uint32_t index = *bucket_find(file->table, span_of(wanted, name.size));
    if (index == 0)
        return false;
    *ret_user = file->table->users[index - 1];
    return true;
}

bool passwd_file_some(const struct passwd_file *file, uint64_t number, struct passwd_user *ret_user)
{
    if (passwd_file_count(file) == 0)
        return false;
    *ret_user = file->table->users[number % file->table->count];
    return true;
}

bool passwd_file_scram(const struct passwd_file *file, struct passwd_user *ret_user)
{
    if (!file->table || !file->table->scram)
        return false;
    *ret_user = *file->table->scram;
    return true;
}

uint32_t passwd_file_count(const struct passwd_file *file)
{
    return file->table ? file->table->count : 0;
}
