"""Whether results outlive the container: is there a mount under the output folder?"""

from pathlib import Path

_MOUNTINFO = Path("/proc/self/mountinfo")


def is_lost_with_the_container(folder: Path, mountinfo: Path = _MOUNTINFO) -> bool:
    """Whether `folder` lies on the overlay that is a container's own root, not on anything mounted into it."""
    try:
        mounts = [line.split(" ") for line in mountinfo.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return False
    parents = {str(folder.absolute()), *map(str, folder.absolute().parents)}
    # Fields (proc(5)): the mount point is the fifth, the file system's type follows a lone dash. Later mounts hide
    # earlier ones on the same point.
    holding = [fields for fields in mounts if len(fields) > 6 and fields[4] in parents]
    if not holding:
        return False
    nearest = max(holding, key=lambda fields: len(fields[4]))
    return nearest[4] == "/" and nearest[nearest.index("-") + 1] == "overlay"
