"""Benchmarks that measure the performance figures of docs/performance.md: `python -m benchmarks`.

Every figure is compared with something else that was measured in the same run on the same machine.
Frameworks that are not installed are left out.
"""
