"""A line of the journal: a record, the input that it is of, and the results that the input left."""

from binascii import crc32
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from entrypoint.checks import checked_object, checked_text
from entrypoint.inputstate import InputState
from entrypoint.jsontext import compact, decoded, decoded_texts
from entrypoint.results.framerecords import Opener, StoredDetections
from entrypoint.results.paths import parts_of
from entrypoint.values import Record

# Within a string of JSON's, quotes do not stand alone.
_BEHIND_RECORD, _FILES, _CHECKSUM = b', "input": ', b', "files": ', b', "crc32": '
_DONE, _DETECTION, _VIDEO = b', "failure": null, ', b'{"name": ', b', "frames_read": '


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, the input it is of (None where there was no file to look at), and its results' paths."""

    record: Record
    state: InputState | None
    files: tuple[str, ...]

    def record_text(self) -> bytes:
        """The record's JSON; that of a video refers to the file with its detections."""
        found = self.record.detections
        if isinstance(found, StoredDetections):
            return compact(replace(self.record, detections=()).to_json() | {"detections": found.to_json()})
        return compact(self.record.to_json())

    def to_line(self, record: bytes | None = None) -> bytes:
        """The line; `record` is the record's JSON where it is at hand already."""
        record = record or self.record_text()
        state = b"null" if self.state is None else self.state.to_text()
        text = record[:-1] + _BEHIND_RECORD + state + _FILES + compact(list(self.files))
        return text + _CHECKSUM + b"%d}\n" % crc32(text)

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Raises ValueError that says what is wrong."""
        entry = cls.from_json(intact(line))
        _keep_text(entry.record, _text_of(line))
        return entry

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises ValueError that says what is wrong."""
        plain = checked_object(value, "record")
        state, files = plain.get("input"), plain.get("files")
        if not isinstance(files, list):
            raise ValueError("files is not a list of paths")
        for file in files:
            parts_of(checked_text(file, "files"))
        return cls(_record(plain), None if state is None else InputState.from_json(state), tuple(files))

    def stored(self, opener: Opener) -> Self:
        """The same, where `opener` opens the files of the run folder that detections may lie in."""
        record = stored(self.record, opener)
        return self if record is self.record else replace(self, record=record)


def stored(record: Record, opener: Opener) -> Record:
    """As `Entry.stored`, for a record alone."""
    found = record.detections
    if not isinstance(found, StoredDetections):
        return record
    return replace(record, detections=replace(found, opener=opener))


def record_in(line: bytes) -> Record:
    """The record alone that is in a line. Raises ValueError that says what is wrong."""
    _require_intact(line)
    text = _text_of(line)
    return _keep_text(_record(decoded(text or line)), text)


def intact(line: bytes) -> dict[str, Any]:
    """The JSON object that a line of the journal is. Raises ValueError, also where its checksum is another."""
    _require_intact(line)
    return decoded(line)


def _require_intact(line: bytes) -> bytes:
    """What stands before the checksum of a line; nothing of those about segments and of older versions, without one.

    Raises ValueError where it is the checksum of something else.
    """
    text, behind, checksum = line.rpartition(_CHECKSUM)
    if behind and checksum.rstrip() != b"%d}" % crc32(text):
        raise ValueError("its checksum is that of another line: it has been damaged")
    return text


def _text_of(line: bytes) -> bytes | None:
    """The record's JSON in a line; None for a line of another shape."""
    end = line.rfind(_BEHIND_RECORD)
    return None if end < 0 else line[:end] + b"}"


def _keep_text(record: Record, text: bytes | None) -> Record:
    """The same, which need not be made into text again; the line of a video refers to a file with its detections."""
    return record if text is None or record.video else record.read_from(text)


def _record(plain: dict[str, Any]) -> Record:
    if not isinstance(plain.get("detections"), dict):
        return Record.from_json(plain)
    record = Record.from_json(plain | {"detections": []})
    if record.video is None or record.width is None or record.height is None:
        raise ValueError("detections of what is no video lie in a file")
    return replace(record, detections=StoredDetections.from_json(plain["detections"], record.width, record.height))


class Done(NamedTuple):
    """The results and the number of detections of an input that was looked at with success; of a video its frames."""

    files: tuple[str, ...]
    detections: int
    frames: int | None = None

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """As an entry has it."""
        record = entry.record
        frames = None if record.video is None else record.video.frames_read
        return cls(entry.files, len(record.detections or ()), frames)


def glance(line: bytes, state: InputState) -> Done | None:
    """What a line says of an image that is still as `state` has it, and was looked at with success.

    It takes a tenth of the time that decoding the line does. None where the line has to be decoded: it is of another
    input or attempt, of a video, or not as it was written, which its checksum tells.
    """
    try:
        text = _require_intact(line)
        record, _, rest = text.rpartition(_BEHIND_RECORD)
        found, _, files = rest.partition(_FILES)
        if not text or found != state.to_text() or _DONE not in record or _VIDEO in record:
            return None
        return Done(tuple(decoded_texts(files)), record.count(_DETECTION))
    except ValueError:
        return None
