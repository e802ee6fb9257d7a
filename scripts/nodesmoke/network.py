"""What the network offers that the client is set to: its nodes, where they take inputs from, and how they publish."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from scripts.nodesmoke.client import call


class LeftOutError(Exception):
    """A check cannot be made here; why."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node that runs jobs, with what it says of itself."""

    id: str
    sources: frozenset[str]
    publishers: frozenset[str]
    labels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Network:
    """The connected nodes that run Docker jobs. `managed`: the orchestrator has a bucket for results, `s3managed`."""

    nodes: tuple[Node, ...]
    managed: bool

    def wants(self, *, sources: Iterable[str] = (), publisher: str = "local", nodes: int = 1) -> None:
        """Raises LeftOutError where a node lacks one of these, or where there are fewer nodes."""
        if publisher == "s3managed" and not self.managed:  # nodes name it all the same
            raise LeftOutError("the orchestrator has no bucket for the publisher s3managed")
        if len(self.nodes) < nodes:
            raise LeftOutError(f"it takes {nodes} nodes, and there are {len(self.nodes)}")
        for node in self.nodes:
            if missing := {source.lower() for source in sources} - node.sources:
                raise LeftOutError(f"node {node.id} takes no inputs by {', '.join(sorted(missing))}")
            if publisher.lower() not in node.publishers:
                raise LeftOutError(f"node {node.id} has no publisher {publisher}")


def connected() -> Network:
    """The network as it is now."""
    states = json.loads(call("node", "list", "--output", "json"))
    nodes = [_node(state["Info"]) for state in states if _is_connected(state)]
    publishers = json.loads(call("agent", "config", "--output", "json"))["Publishers"]["Types"]
    managed = bool((publishers.get("S3Managed") or {}).get("Bucket"))
    return Network(tuple(node for node in nodes if node), managed)


def _is_connected(state: dict[str, Any]) -> bool:
    status = (state.get("ConnectionState") or {}).get("Status") or state.get("Connection")
    return str(status).upper() == "CONNECTED"


def _node(info: dict[str, Any]) -> Node | None:
    compute = info.get("ComputeNodeInfo") or {}
    if "docker" not in (compute.get("ExecutionEngines") or ()):
        return None
    return Node(
        id=info["NodeID"],
        sources=frozenset(map(str.lower, compute.get("StorageSources") or ())),
        publishers=frozenset(map(str.lower, compute.get("Publishers") or ())),
        labels=frozenset(f"{key}={value}" for key, value in (info.get("Labels") or {}).items()),
    )
