"""The cores and the memory that a process may use."""

import math
import os

import pytest

from kvae.errors import KvaeError
from kvae.io import machine


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert machine.cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert machine.cores() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.cores() == 1


def test_available_memory_is_what_the_system_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    outside = machine.available_memory()
    assert 2**20 < outside <= math.inf
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 7\ninactive_file 500\nactive_file 100\nfile 7\n")
    (tmp_path / "memory.max").write_text("5000\n")
    assert machine.available_memory() == 5000 - 3000 + 500 + 100
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available_memory() > 2**20


def test_what_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 2**30)
    machine.require_memory(2**30, "it", "take less")
    for size, message in {
        1.5 * 2**30: "it would take 1.5 GiB of memory, and 1.0 GiB are free: take less",
        2**40: "it would take 1,024 GiB of memory",
        1e300: "it would take more than a petabyte of memory",
    }.items():
        with pytest.raises(KvaeError, match=message):
            machine.require_memory(size, "it", "take less")
    monkeypatch.setattr(machine, "available_memory", lambda: -5)
    with pytest.raises(KvaeError, match="and 0.0 KiB are free"):
        machine.require_memory(1, "it", "take less")
