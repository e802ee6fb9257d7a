"""What a reader of the report can do about inputs that failed, by the kind of the failure."""

from collections.abc import Mapping

ADVICE: Mapping[str, str] = {
    "changed": "It was replaced or written to while it was read. Run again once nothing writes to it.",
    "defect": "The program did not foresee this. The log names the place; a report of it is welcome.",
    "timed_out": "Reading it had not ended when the time did. The same command again tries it once more.",
    "damaged": "Its data is broken. Copy it again from where it comes from, and compare the sizes.",
    "encrypted": "It is a member of an archive that asks for a password. Bring the archive without one.",
    "link": "It is a link inside an archive, and those are not followed. Bring the file itself.",
    "dangling_link": "It is a link to something that is not there. In a container: mount what it points to as well.",
    "empty": "The file has no content. Copy it again from where it comes from.",
    "inference": "The network could not compute it. Run again with --device cpu to see whether that helps.",
    "link_loop": "It is a link that leads back to itself, so there is nothing to read. Remove the link.",
    "missing": "The list names it, but it is not there. Correct the list, or mount the folder it lies in.",
    "no_frames": "The video holds no picture. Export it again.",
    "not_a_file": "It has the name of an image but is a folder or a device. Rename it, or leave it out.",
    "not_a_video": "It has the name of a video but is something else. Rename it, or leave it out.",
    "not_an_image": "It has the name of an image but is something else. Rename it, or leave it out.",
    "not_done": "The time ended before its turn. The same command again continues the run.",
    "not_written": "Its results could not be written. The failure says which; a shorter name may help.",
    "out_of_memory": "Give the job more memory, or a smaller --batch-size or --imgsz.",
    "too_large": "It is larger than what is read. Scale it down first.",
    "truncated": "The end of its data is missing, as after a broken download. Copy it again.",
    "unreadable": "It could not be opened. Make it readable to the user that the job runs as.",
    "unsupported": "This kind of file is not read. Convert it to JPEG, PNG or MP4.",
    "vanished": "It was there when the run began and gone at its turn. Run again when nobody changes the folder.",
}

UNKNOWN = "The log and status.json may say more."


def advice_on(kind: str) -> str:
    """One or two sentences on a kind of failure."""
    return ADVICE.get(kind, UNKNOWN)
