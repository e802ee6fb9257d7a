"""The command line: options to Settings, sub-commands, errors to exit codes.

Nothing heavy is imported here before a job runs, and no decision about results is taken here.
"""
