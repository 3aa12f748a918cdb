"""The script beside this file makes figures with torch, which the tests do without: it is not collected."""

collect_ignore = ["make_reference.py"]
