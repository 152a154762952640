"""What the project's performance figures are made with: `python -m benchmarks`.

Every figure is a ratio to something else that ran in the same run on the same machine. Frameworks
that are not installed are left out.
"""
