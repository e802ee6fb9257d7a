"""One run from start to end: the job, its pipeline of threads, its deadline, stop signals and progress.

What detects, reads or writes lies on lower floors; this room says in which order they work.
"""
