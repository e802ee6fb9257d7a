"""Which share of the media this run looks at, and which folder its results go to, where others run beside it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from entrypoint.log import LOG
from entrypoint.settings import Settings
from entrypoint.shard import Shard, own_execution, partition


@dataclass(frozen=True, slots=True)
class Share:
    """`shard`: of the media; None for all. `part`: of the job, with a folder of its own; None where it is the whole.

    `execution`: the id of this one, where each has data of its own.
    """

    shard: Shard | None = None
    part: Shard | None = None
    execution: str | None = None

    @property
    def folder(self) -> str | None:
        """Where the results go, below the folder of the run; None for that folder itself."""
        return self.execution or (self.part.folder if self.part else None)

    def source(self, path: str) -> str:
        """What results say that they are of: equal paths of executions with data of their own are not the same."""
        return f"{path} of {self.execution}" if self.execution else path

    def nothing(self, others: int) -> str:
        """What is said when there is nothing to do; `others` media of the source are looked at by other shards."""
        if self.shard and others:
            left = f"all {others} media of the source are in others"
            return f"Nothing to do: shard {self.shard.index} of {self.shard.count} is empty, {left}."
        return "Nothing to do: the source holds no media."


def share_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> Share:
    """The share that is asked for, of what the platform says of this execution. Raises UsageError."""
    asked = settings.shard if isinstance(settings.shard, Shard) else None
    if execution := own_execution(environment):
        if settings.shard == "auto":
            LOG.info("--shard auto: each execution of this job has data of its own, so there is nothing to share out")
        return Share(asked, asked, None if asked else execution)
    here = partition(environment)
    if here and not settings.shard:
        LOG.warning(
            "this is execution %d of %d, and each looks at all it sees: where they see the same, --shard auto shares "
            "the work out; where each sees data of its own, --shard none says so",
            here.index,
            here.count,
        )
    shard = here if settings.shard == "auto" else asked
    return Share(shard, shard or here)
