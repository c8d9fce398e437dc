# SPDX-License-Identifier: GPL-2.0
"""Is a page or a JUnit file of pinreport well formed, and in need of nothing else?

Prints what is wrong, and for JUnit the counts as pinreport's text has them.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree


def needs_nothing(root):
    ids = set()
    for element in root.iter():
        tag = element.tag.rpartition("}")[2]
        if tag in ("script", "link", "img", "image", "iframe", "object", "embed", "base"):
            print(f"element {tag}")
        if tag == "style" and re.search(r"url\(|@import", element.text):
            print("style from elsewhere")
        for name, value in element.items():
            name = name.rpartition("}")[2]
            if name in ("src", "srcset", "data") or name == "href" and not value.startswith("#"):
                print(f"{name}={value}")
            if name.startswith("on") or "url(" in value and "url(#" not in value:
                print(f"{name}={value}")
            if name == "id" and value in ids:
                print(f"two of {value}")
            if name == "id":
                ids.add(value)


def count(suites):
    cases = suites.findall("testsuite/testcase")
    for one in (suites, *suites.findall("testsuite")):
        there = {"tests": "testcase", "skipped": "skipped", "failures": "failure",
                 "errors": "error"}
        for key, tag in there.items():
            number = len(one.findall(f".//{tag}"))
            if int(one.get(key)) != number:
                print(f"{one.get('name')}: {key} {one.get(key)}, there are {number}")
    if len({(case.get("classname"), case.get("name")) for case in cases}) != len(cases):
        print("two cases of one name")
    bad = len(suites.findall(".//failure")) + len(suites.findall(".//error"))
    skipped = len(suites.findall(".//skipped"))
    print(f"{len(cases) - bad - skipped} passed, {bad} failed, {skipped} skipped")


for path in sys.argv[1:]:
    try:
        tree = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as err:
        print(err)
        continue
    needs_nothing(tree)
    if tree.tag == "testsuites":
        count(tree)
