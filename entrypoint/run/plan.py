"""What a job finds out before it takes a folder for its results: weights, media, devices, a network that was tried."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from entrypoint import __version__
from entrypoint.detect.devices import devices_for, import_ahead, may_use_gpu
from entrypoint.detect.loading import Loaded, load
from entrypoint.host import memory
from entrypoint.log import LOG
from entrypoint.results.formats import wanted
from entrypoint.run.deadline import Deadline
from entrypoint.run.share import Share, share_of
from entrypoint.run.source import find_media
from entrypoint.settings import BAKED_WEIGHTS, INPUTS, Settings
from entrypoint.sources.listing import Listing
from entrypoint.text import printable
from entrypoint.weights.find import Weights, find_weights


@dataclass(frozen=True, slots=True)
class Plan:
    """`settings`: with the values of what was left to the weights; `whole`: all media of the source, of all shards;
    `listing`: those that this run looks at.
    """

    settings: Settings
    weights: Weights
    share: Share
    source: str
    whole: Listing
    listing: Listing
    loaded: Loaded
    deadline: Deadline

    @classmethod
    def make(cls, settings: Settings, started: float) -> Self:
        """`started`: the moment of `time.monotonic` that the time budget counts from. Raises YoloBacError."""
        if may_use_gpu(settings):
            import_ahead()  # while weights and media are looked for
        else:
            memory.guard()
        weights = find_weights(settings.weights, (INPUTS, BAKED_WEIGHTS))
        for one in weights.members:
            LOG.info("of the ensemble: %s, sha256 %s", printable(one.path), one.sha256)
        share = share_of(settings)
        source, whole = find_media(settings)
        listing = whole.share(share.shard) if share.shard else whole
        deadline = Deadline(settings.time_budget, started, len(listing))
        devices = devices_for(settings)
        if not devices[0].on_gpu:
            memory.guard(by_host=True)
        # By the whole source, so that every shard's images are looked at in the same way.
        loaded = load(weights, devices, settings, whole, deadline.has_time_for)
        if devices[0].on_gpu:
            memory.guard(by_host=not loaded.lanes[0].device.on_gpu)  # CUDA has mapped its own by now
        return cls(loaded.settings, weights, share, source, whole, listing, loaded, deadline)

    @property
    def engine(self) -> str:
        """The name of what computes the network."""
        return self.loaded.lanes[0].engine.name

    def deciding(self) -> dict[str, Any]:
        """What decides the result of an image, wherever it lies."""
        return {"version": __version__, "weights": self.weights.sha256, "settings": self.settings.result_settings()}

    def identity(self) -> dict[str, Any]:
        """What makes a run the same run, so that one that was broken off is continued."""
        path = printable(os.path.abspath(self.source))  # noqa: PTH100 - a glob is no path
        return {**self.deciding(), "source": self.share.source(path), "engine": self.engine}

    def facts(self) -> dict[str, Any]:
        """What status.json tells of the run from its first moment to its last."""
        weights, share = self.weights, self.share
        return {
            "identity": self.identity(),
            "settings": {key: _plain(value) for key, value in asdict(self.settings).items()},
            "weights": {
                "file": printable(weights.label),
                "kind": weights.kind.name,
                "size": weights.size,
                "sha256": weights.sha256,
                "classes": list(self.loaded.names),
            },
            "device": self.loaded.devices,
            "engine": self.engine,
            "notes": list(self.loaded.notes) or None,
            "source": printable(self.source),
            "ignored": dict(self.listing.ignored),
            "shard": asdict(share.shard) if share.shard else None,
            "part": asdict(share.part) if share.part else None,
            "formats": tuple(kind.name for kind in wanted(self.settings, self.loaded.names)),
        }


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return printable(value) if isinstance(value, (str, Path)) else value
