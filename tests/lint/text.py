#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Line by line: licence, width, white space, calls that are banned here, words that must not stay."""

import re

import tree

SPDX = "SPDX-License-Identifier: BSD-3-Clause"
WIDTH = 100
BANNED = {  # call: what is used instead
    "strcpy": "span", "strncpy": "snprintf", "strcat": "span", "strncat": "span",
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "gets": "span", "strtok": "span_take",
    "strtok_r": "span_take", "atoi": "strtol with its checks", "atol": "strtol", "atoll": "strtoll",
    "atof": "strtod", "sscanf": "span", "alloca": "memory with an owner", "system": "nothing",
    "popen": "nothing", "rand": "rng", "srand": "rng", "random": "rng", "tmpnam": "mkstemp",
    "mktemp": "mkstemp", "setjmp": "results", "longjmp": "results",
}
CALL = re.compile(r"(?<![\w.>\"-])(" + "|".join(BANNED) + r")\s*\(")
COMMENT_OR_TEXT = re.compile(r'//.*|/\*.*?\*/|"(?:\\.|[^"\\])*"', re.DOTALL)
LEFT_OVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def main():
    findings = []
    for path in tree.files(".c", ".h", ".def", ".py", ".build", ".yaml"):
        if "data" in path.parts or path == tree.Path("tests/lint/text.py"):
            continue
        findings += check(path, tree.text(path).splitlines())
    tree.report(findings)


def check(path, lines):
    if path.suffix != ".yaml" and not any(SPDX in line for line in lines[:2]):
        yield f"{path}:1: no licence line"
    for number, line in enumerate(lines, 1):
        if len(line) > WIDTH and path.suffix != ".def":
            yield f"{path}:{number}: {len(line)} characters wide, {WIDTH} are allowed"
        if line.rstrip() != line or "\t" in line and path.suffix != ".build":
            yield f"{path}:{number}: white space at the end, or a tab"
        if LEFT_OVER.search(line):
            yield f"{path}:{number}: {LEFT_OVER.search(line).group()} must not stay"
    if path.suffix in (".c", ".h"):
        code = COMMENT_OR_TEXT.sub(lambda found: "\n" * found.group().count("\n"), "\n".join(lines))
        for number, line in enumerate(code.splitlines(), 1):
            for call in CALL.findall(line):
                yield f"{path}:{number}: {call}() is banned; use {BANNED[call]}"


if __name__ == "__main__":
    main()
