"""The pieces of an annotated video joined into one, with the sound of its source; nothing is encoded again."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from entrypoint.results.videopiece import Piece
from entrypoint.sources.container import OpenVideo, open_video
from entrypoint.sources.extent import Extent
from entrypoint.sources.look import Look

_MOST_SECONDS_BACK = 0.5  # of a sound's clock; if it goes back by more, it has started again


def join(path: str, pieces: Sequence[Piece], look: Look, sound: Extent | None) -> str | None:
    """Make the video at `path`, which plays before all of it has been loaded; `sound`: where its source lies.

    Gives what there is to say of sound that was left out. Raises OSError, and MemoryError.
    """
    with ExitStack() as files:
        source = files.enter_context(open_video(sound)) if sound else None
        if not isinstance(source, OpenVideo) or not source.container.streams.audio:
            return _write(path, pieces, look, None)
        try:
            return _write(path, pieces, look, source)
        except (OSError, MemoryError):
            raise
        except av.FFmpegError as error:
            refused = " ".join(str(error.strerror).split())
    _write(path, pieces, look, None)
    return f"its sound is left out: {refused}"


def _write(path: str, pieces: Sequence[Piece], look: Look, source: OpenVideo | None) -> str | None:
    streams = source.container.streams.audio if source else ()
    with ExitStack() as files:
        target = files.enter_context(av.open(f"file:{path}", "w", format="mp4", options={"movflags": "+faststart"}))
        first = files.enter_context(av.open(f"file:{pieces[0].path}", "r", format="mp4"))
        pictures = target.add_stream_from_template(first.streams.video[0])
        pictures.time_base = look.time_base
        taken: dict[int, Stream] = {
            stream.index: target.add_stream_from_template(stream) for stream in streams if _is_taken(stream, target)
        }
        tracks = [_pictures(pieces, look, pictures)]
        if source and taken:
            tracks.append(_sounds(source, taken, look.origin))
        for packet in heapq.merge(*tracks, key=_seconds):
            target.mux_one(packet)
    left = sorted(_codec(stream) for stream in streams if stream.index not in taken)
    return f"sound that MP4 does not take is left out: {', '.join(left)}" if left else None


def _codec(stream: AudioStream) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context else "of no known codec"


def _is_taken(stream: AudioStream, target: OutputContainer) -> bool:
    return _codec(stream) in target.supported_codecs


def _seconds(packet: Packet[Stream]) -> float:
    return float((packet.dts or 0) * packet.time_base)


def _pictures(pieces: Sequence[Piece], look: Look, stream: Stream) -> Iterator[Packet[Stream]]:
    origin = round(look.origin / look.time_base)
    for piece in pieces:
        with av.open(f"file:{piece.path}", "r", format="mp4") as container:
            streams: tuple[Stream, ...] = container.streams.video[:1]
            for packet in container.demux(*streams):
                if packet.size and packet.pts is not None:
                    # A piece counts in units of its own, of which a whole number makes one of the source's.
                    finer = packet.time_base / look.time_base
                    packet.pts = packet.dts = round(packet.pts * finer) + piece.start - origin
                    packet.duration = round((packet.duration or 0) * finer)
                    packet.time_base, packet.stream = look.time_base, stream
                    yield packet


def _sounds(source: OpenVideo, taken: dict[int, Stream], origin: float) -> Iterator[Packet[Stream]]:
    """Give the packets of these streams, as far as they can be read, each later than the one before it of its stream.

    Where a stream's clock starts again, its packets go on behind the last one.
    """
    container, last = source.container, dict[int, int]()
    shift = dict.fromkeys(taken, 0)
    try:
        for packet in container.demux([container.streams[index] for index in taken]):
            place = packet.stream_index
            if not packet.size or packet.dts is None:
                continue
            before = last.get(place)
            if before is not None and (before - packet.dts - shift[place]) * packet.time_base > _MOST_SECONDS_BACK:
                shift[place] = before + (packet.duration or 1) - packet.dts
            dts = packet.dts + shift[place]
            if before is not None and dts <= before:
                continue
            last[place] = dts
            back = round(origin / packet.time_base) - shift[place]
            packet.pts, packet.dts = (packet.dts if packet.pts is None else packet.pts) - back, packet.dts - back
            packet.stream = taken[place]
            yield packet
    except MemoryError:
        raise
    except av.FFmpegError:  # damaged, as the video's record says
        return
