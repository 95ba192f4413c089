"""Known vulnerabilities of the locked versions, as pip-audit and the package index know them.

python -m tests.audit        # or `make audit`; needs the network

Exit status 1 where one is known. What could not be looked up is said, and is no failure: not every
index has advisories.
"""

import json
import subprocess
import sys

from tests.project import BIN, ROOT

COMMAND = [BIN / "pip-audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
NAMED = 5  # of those that could not be looked up


def summary(dependencies: list[dict]) -> tuple[str, int]:
    """(what to print, exit status) for the dependencies that pip-audit reports."""
    skipped = [one["name"] for one in dependencies if "skip_reason" in one]
    lines = [
        f"{one['name']} {one['version']}: {each['id']}"
        + (f" (fixed in {', '.join(each['fix_versions'])})" if each["fix_versions"] else "")
        for one in dependencies
        for each in one.get("vulns", ())
    ]
    checked = len(dependencies) - len(skipped)
    if not checked:
        return "Not audited: the package index knows no advisories of any locked version.", 0
    said = f"{checked} of {len(dependencies)} locked versions looked up, "
    said += f"{len(lines)} known vulnerabilities."
    if skipped:
        more = ", ..." if len(skipped) > NAMED else ""
        said += f" Not found: {', '.join(skipped[:NAMED])}{more}."
    return "\n".join([*lines, said]), 1 if lines else 0


def main() -> int:
    lock = ROOT / "requirements.lock"
    command = [*COMMAND, "--format", "json", "--requirement", lock]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        print(f"Not audited: {last[:300]}")
        return 0
    said, status = summary(dependencies)
    print(said)
    return status


if __name__ == "__main__":
    sys.exit(main())
