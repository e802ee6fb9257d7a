"""A small compute node that treats the program as a Bacalhau node treats a container.

    inputs.py    what each source type leaves under a target        launch.py   what a node hands to a runner
    process.py   the checkout's program, in namespaces of its own   cgroup.py   limits of CPU and memory
    engine.py    the built image, in a container                    publish.py  tar.gz, and `job get` that merges them
    node.py      jobs, their executions, and what befalls them      table.py    every kind of input, name and output
    failures.py  jobs that fail, and what must be said of them

By hand: `python -m tests.bacalhau_node --help`. Not covered: scheduling, download and publishing over a network.
"""
