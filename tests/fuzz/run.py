"""Runs the fuzz targets side by side, each from its corpus for so many seconds, and prints what they did.

Run: make fuzz SECONDS=60      or, on targets that are built: python3 tests/fuzz/run.py --seconds 60 gguf yaml

New inputs that reach new code are kept in BUILD/fuzz/corpus and used by the next run. A finding is a crash, a sanitizer's
report, an exception that is no answer to a bad file, more than a second for an input or too much memory: the input that
shows it lies in BUILD/fuzz/findings, and the exit code is 1.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
# The targets themselves allow an input one second (fuzz.h), so the timeout here is for what never ends. One block of memory
# may take no more than a whole load should; AddressSanitizer needs about as much again for itself.
LIMITS = ["-malloc_limit_mb=300", "-rss_limit_mb=800", "-timeout=60", "-report_slow_units=3600"]
# Freed memory is held back for use-after-free; the usual 256 MB of it would drown the limit above.
ASAN = "quarantine_size_mb=16:allocator_release_to_os_interval_ms=500"


@dataclasses.dataclass
class Outcome:
    target: str
    executions: int = 0
    seconds: float = 0.0
    inputs: int = 0
    findings: list = dataclasses.field(default_factory=list)


def names_of_targets() -> list:
    return sorted(folder.name for folder in (HERE / "corpus").iterdir())


def environment() -> dict:
    symbolizer = "/usr/bin/llvm-symbolizer-16"
    known = {"ASAN_SYMBOLIZER_PATH": symbolizer} if os.path.exists(symbolizer) else {}
    return {**os.environ, **known, "ASAN_OPTIONS": ASAN, "UBSAN_OPTIONS": "print_stacktrace=1"}


def run(options, target: str) -> Outcome:
    outcome = Outcome(target)
    program = options.build / f"fuzz_{target}"
    grown, findings = options.build / "fuzz/corpus" / target, options.build / "fuzz/findings"
    for folder in (grown, findings):
        folder.mkdir(parents=True, exist_ok=True)
    dictionary = HERE / "dictionaries" / f"{target}.dict"
    command = [program, *LIMITS, f"-max_total_time={options.seconds}", "-print_final_stats=1", "-reload=0", f"-artifact_prefix={findings}/{target}-"]
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    log = options.build / "fuzz" / f"{target}.log"
    before = set(findings.iterdir())
    start = time.monotonic()
    with open(log, "w") as output:
        code = subprocess.run([*command, grown, HERE / "corpus" / target], env=environment(), stdout=output, stderr=output).returncode
    outcome.seconds = time.monotonic() - start
    counts = re.findall(r"^(?:stat::number_of_executed_units:\s*|#)(\d+)", log.read_text(errors="replace"), re.MULTILINE)
    outcome.executions = int(counts[-1]) if counts else 0
    outcome.inputs = len(list(grown.iterdir()))
    if code != 0:
        outcome.findings = [path for path in sorted(set(findings.iterdir()) - before) if path.name.startswith(f"{target}-")] or [log]
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/asan"), help="folder that holds the targets")
    parser.add_argument("--seconds", type=int, default=60, help="how long each target runs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="targets at a time")
    parser.add_argument("targets", nargs="*", help="default: all")
    options = parser.parse_args()
    options.build = options.build.resolve()
    targets = options.targets or names_of_targets()
    for target in targets:
        if not (options.build / f"fuzz_{target}").exists():
            parser.error(f"{options.build}/fuzz_{target}: no such program; `make fuzz` builds it; known: {', '.join(names_of_targets())}")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(lambda target: run(options, target), targets))
    print(f"{'target':<14}{'executions':>12}{'per second':>12}{'new inputs':>12}{'findings':>10}")
    for each in outcomes:
        rate = each.executions / each.seconds if each.seconds else 0
        print(f"{each.target:<14}{each.executions:>12}{rate:>12.0f}{each.inputs:>12}{len(each.findings):>10}")
    findings = [(each.target, finding) for each in outcomes for finding in each.findings]
    for target, finding in findings:
        print(f"fuzz: {target}: a finding: {finding}\n      again: {options.build}/fuzz_{target} {finding}; its log: {options.build}/fuzz/{target}.log")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
