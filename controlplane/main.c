// SPDX-License-Identifier: BSD-3-Clause
/* weir-controlplane: reads the configuration, publishes it to the data plane as a policy, keeps the
 * two look-up children alive, and answers operators. With --child it is one of those children. */
#include "api/api_server.h"
#include "base/log.h"
#include "base/span.h"
#include "config/config_files.h"
#include "link/parent_death.h"
#include "loop/plane.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char usage[] =
    "usage: weir-controlplane --config FILE [--check]\n"
    "\n"
    "  --config FILE   the configuration, one YAML file\n"
    "  --check         read and check it, say `FILE: ok` or what is wrong where, and end\n"
    "  --help\n"
    "\n"
    "SIGTERM and SIGINT end it and its children; the data plane goes on with the last policy.\n"
    "SIGHUP reads the configuration again and opens the session log anew.\n";

struct options {
    const char *config;
    bool check;
    const char *child; // this process is that child
    int parent;        // of the child
};

// 0; 1: help was asked for; -EINVAL after a line on standard error.
static int options_read(int argc, char **argv, struct options *ret_options)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
        {"child", required_argument, NULL, 'C'},  {"parent", required_argument, NULL, 'P'},
        {"help", no_argument, NULL, 'h'},         {0},
    };
    struct options options = {0};
    uint64_t parent = 0;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options.config = optarg;
            break;
        case 'k':
            options.check = true;
            break;
        case 'C':
            options.child = optarg;
            break;
        case 'P':
            if (!span_to_u64(span_text(optarg), INT32_MAX, &parent))
                return -EINVAL;
            options.parent = (int)parent;
            break;
        case 'h':
            return 1;
        default:
            return -EINVAL; // getopt has said it
        }
    }
    if (optind < argc || (!options.config && !options.child)) {
        fputs(optind < argc ? "weir-controlplane: unexpected argument\n"
                            : "weir-controlplane: --config FILE is needed\n",
              stderr);
        return -EINVAL;
    }
    *ret_options = options;
    return 0;
}

static struct lookup_area *child_area_open(void)
{
    struct lookup_area *area =
        mmap(NULL, sizeof *area, PROT_READ | PROT_WRITE, MAP_SHARED, CHILD_AREA, 0);
    close(CHILD_AREA);
    return area == MAP_FAILED ? NULL : area;
}

static int child_run(const char *name, int parent)
{
    char title[32];
    snprintf(title, sizeof title, "weir-%s", name);
    log_open(title, LOG_INFO);
    prctl(PR_SET_NAME, title);
    if (parent_death_follow(parent) < 0 || close_range(CHILD_DIAL + 1, ~0u, 0) < 0) {
        log_error("what=\"child cannot be tied to its parent\" error=\"%s\"", strerror(errno));
        return 1;
    }
    struct lookup_area *area = child_area_open();
    if (area && strcmp(name, children_name(CHILD_DNS)) == 0)
        return dns_child_run(CHILD_SOCKET, area);
    if (area && strcmp(name, children_name(CHILD_AUTH)) == 0)
        return auth_child_run(CHILD_SOCKET, CHILD_DIAL, area);
    log_error("what=\"not started by weir-controlplane\"");
    return 1;
}

static int check_run(const char *file, const struct config *config)
{
    struct config_errors errors = {0};
    int error = config_files_check(config, file, &errors);
    if (error < 0 || publisher_check(NULL, config, NULL, &errors) < 0) {
        fputs(errors.text, stderr);
        return 1;
    }
    printf("%s: ok\n", file);
    return 0;
}

static void stop_api(void *api)
{
    api_server_close((struct api_server *)api);
}

static int plane_start(const char *file, struct config *config)
{
    struct plane *plane = calloc(1, sizeof *plane);
    CHECK(plane);
    int code = 1;
    if (plane_init(plane, file, config) == 0) {
        struct api_server *api;
        int error = api_server_open(&api, plane, plane->control.api_socket);
        if (error) {
            log_error("what=\"API socket not opened\" where=%s error=\"%s\"",
                      plane->control.api_socket, strerror(-error));
            plane_stop(plane, 1);
        } else {
            plane->stop_api = stop_api;
            plane->api = api;
            log_info("what=\"started\" config=%s api=%s", file, plane->control.api_socket);
        }
        code = plane_run(plane);
    }
    free(plane);
    return code;
}

int main(int argc, char **argv)
{
    struct options options;
    int outcome = options_read(argc, argv, &options);
    if (outcome != 0) {
        fputs(usage, outcome > 0 ? stdout : stderr);
        return outcome > 0 ? 0 : 2;
    }
    if (options.child)
        return child_run(options.child, options.parent);
    log_open("weir-controlplane", LOG_INFO);
    struct config *config;
    struct config_errors errors = {0};
    if (config_read(options.config, &config, &errors) < 0) {
        fputs(errors.text, stderr);
        if (errors.count > CONFIG_ERRORS_SHOWN)
            fprintf(stderr, "%s: and %u more\n", options.config,
                    errors.count - CONFIG_ERRORS_SHOWN);
        return 1;
    }
    if (!options.check)
        return plane_start(options.config, config);
    int code = check_run(options.config, config);
    config_free(config);
    return code;
}
