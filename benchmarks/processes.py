"""What processes use, read from /proc: CPU and memory of process trees, and of the whole machine."""

import os
from typing import NamedTuple

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Usage(NamedTuple):
    """CPU seconds (user and system, ended children included) and resident memory in MiB."""

    cpu: float
    rss: float


class _Process(NamedTuple):
    parent: int
    session: int
    ticks: int
    pages: int


def measure_trees(roots: dict[str, int]) -> dict[str, Usage]:
    """The usage of each named process with all that it started."""
    processes = _read_processes()
    return {name: _sum_tree(root, processes) for name, root in roots.items()}


def measure_machine() -> float:
    """CPU seconds that the machine has spent on processes since its start, all cores together.

    Interrupts are left out: here they are the loopback network's, so they are the benchmark's own.
    Time that a hypervisor took away counts, since it disturbs like a process.
    """
    with open("/proc/stat") as file:
        user, nice, system, _idle, _wait, _irq, _softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + steal) / _TICKS_PER_SECOND


def _sum_tree(root: int, processes: dict[int, _Process]) -> Usage:
    members = {pid for pid, process in processes.items() if pid == root or process.session == root}
    children: dict[int, list[int]] = {}
    for pid, process in processes.items():
        children.setdefault(process.parent, []).append(pid)
    waiting = list(members)
    while waiting:
        found = [child for child in children.get(waiting.pop(), []) if child not in members]
        members.update(found)
        waiting += found
    ticks = sum(processes[pid].ticks for pid in members)
    pages = sum(processes[pid].pages for pid in members)
    return Usage(ticks / _TICKS_PER_SECOND, pages * _PAGE / 2**20)


def _read_processes() -> dict[int, _Process]:
    processes = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                # A program's name may hold spaces and brackets: what follows the last bracket is regular.
                fields = file.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks = sum(map(int, fields[11:15]))
        processes[int(name)] = _Process(int(fields[1]), int(fields[3]), ticks, int(fields[21]))
    return processes
