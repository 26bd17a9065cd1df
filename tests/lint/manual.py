#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The manual pages render without a warning, and name just the keys, limits, commands, options, log
lines and fields of the session log that there are."""

import re
import subprocess

import yaml

import tree

KEYS = "controlplane/config/weir.yaml.5"
COMMANDS = "controlplane/cli/weirctl.8"
CONTROL = "controlplane/weir-controlplane.8"
DATA = "dataplane/weir-dataplane.8"
OPTIONS = {COMMANDS: "controlplane/cli/weirctl.c", CONTROL: "controlplane/main.c",
           DATA: "dataplane/main.c"}
NAMED = {("backends",), ("services",), ("domains",), ("classes",)}  # keys that the operator names
TABLE_KEY = re.compile(r'\{"(\w+)",\s+[a-z]')  # of a struct config_key table


def main():
    keys = section(KEYS, "KEYS")
    tables = (tree.text(path) for path in tree.files(".c", folders=["controlplane/config"])
              if path.name != "rules_read.c")
    schema = {key for table in tables for key in TABLE_KEY.findall(table)}
    found = tree.text("dataplane/contract/finding.def")
    schema |= {key for pair in re.findall(r'FINDING\(\w+, "(\w+)", "(\w+)"', found) for key in pair}
    rules = set(TABLE_KEY.findall(tree.text("controlplane/config/rules_read.c")))
    words = {word for key in items(keys) | headings(keys) for word in key.split(".")} - {"NAME"}
    commands = re.findall(r'^    \{"([a-z ]+)",', tree.text("controlplane/cli/cli_command.c"), re.M)
    findings = [line for page in (KEYS, COMMANDS, CONTROL, DATA) for line in warnings(page)]
    findings += [f"{KEYS}: nothing of the sample's key {key}"
                 for key in sorted(sample_keys() - items(keys) - headings(keys))]
    findings += compare(KEYS, "key", words, schema)
    findings += compare(KEYS, "key of a rule", items(section(KEYS, "RULES FILE")), rules)
    findings += check_limits(section(KEYS, "LIMITS"))
    findings += compare(COMMANDS, "command", items(section(COMMANDS, "COMMANDS")), set(commands))
    for page, source in OPTIONS.items():
        known = re.findall(r'\{"([a-z-]+)", (?:no|required)_argument', tree.text(source))
        findings += compare(page, "option", set(re.findall(r"Fl -([a-z-]+)", tree.text(page))),
                            set(known))
    findings += compare(DATA, "log line", items(section(DATA, "LOG")), log_lines("dataplane"))
    findings += check_session_log(section(CONTROL, "SESSION LOG"))
    tree.report(findings)


def warnings(page):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], cwd=tree.ROOT,
                          capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines()


def compare(page, what, told, there):
    yield from (f"{page}: nothing of the {what} {name}" for name in sorted(there - told))
    yield from (f"{page}: there is no {what} {name}" for name in sorted(told - there))


def section(page, name):
    parts = re.split(r"^\.Sh (.+)\n", tree.text(page), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))[name]


def items(text):
    """The lists' items by name, without the arguments that follow."""
    return {re.split(r" (?:Ar|Op) ", item)[0]
            for item in re.findall(r"^\.It (?:Cm|Ic|Dq) (.+)", text, re.M)}


def headings(text):
    return set(re.findall(r"^\.Ss (.+)", text, re.M))


def check_limits(text):
    limits = re.findall(r"^LIMIT\((\w+), (\d+), (\d+), (\d+),",
                        tree.text("dataplane/contract/limit.def"), re.M)
    yield from compare(KEYS, "limit", items(text), {f"limits.{row[0].lower()}" for row in limits})
    about = dict(part.split("\n", 1) for part in text.split("\n.It Cm limits.")[1:])
    for name, default, least, most in limits:
        facts = f"Default {default}, from {least} to {most}."
        if facts not in about.get(name.lower(), facts):
            yield f"{KEYS}: limits.{name.lower()}: expected \"{facts}\""


def log_lines(folder):
    return {what for path in tree.files(".c", folders=(folder,))
            for what in re.findall(r'what=\\"([^"\\]*)', tree.text(path))}


def check_session_log(text):
    """Fields by name and kind, and the words that stand in them."""
    source = tree.text("controlplane/report/session_json.c").split("json_t *session_json_row")[0]
    there = re.findall(r'json_object_set_new\(\s*o, "(\w+)",\s*(?:f->\w+ .*\? )?(\w+)', source)
    kinds = {"number": "number", "json_integer": "number", "json_null": "number",
             "recipients_of": "array of strings", "findings_of": "array of strings"}
    there = [(name, kinds.get(maker, "string")) for name, maker in there]
    told = re.findall(r"^\.It Cm (\w+) No \(([a-z ]+)\)$", text, re.M)
    yield from compare(CONTROL, "field of the session log", set(told), set(there))
    words = {word for line in re.findall(r"_?names\[\w+\] = \{([^}]+)\}", source)
             for word in re.findall(r'"(\w+)"', line)}
    told = set(re.findall(r"^\.Ql (\w+)", text, re.M))
    yield from (f"{CONTROL}: nothing of the session log's {word}" for word in sorted(words - told))


def sample_keys():
    """The paths of the sample's values: a.b.c; a list's mappings count as one."""
    found = set()
    todo = [((), yaml.safe_load(tree.text("controlplane/config/weir.yaml")))]
    for path, value in todo:  # grows as it goes
        if isinstance(value, dict) and value:
            named = path in NAMED
            todo += [((*path, "NAME" if named else key), inner) for key, inner in value.items()]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            todo += [(path, inner) for inner in value]
        else:
            found.add(".".join(path))
    return found


if __name__ == "__main__":
    main()
