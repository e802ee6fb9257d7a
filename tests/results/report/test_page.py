"""index.html as a file: what is in it, what is not, and how large it is."""

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser
from typing import Any

import pytest

from entrypoint.results.report.advice import ADVICE
from entrypoint.results.report.collect import MOST_SHOWN, Collected
from entrypoint.results.report.page import page
from entrypoint.results.runstatus import RunStatus
from entrypoint.values import Detection, Failure, Record
from entrypoint.videofacts import VideoFacts
from tests.conftest import ROOT
from tests.results.report.runs import NAMES, STATUS, collected, records


class Elements(HTMLParser):
    """The elements of a page, their attributes, and its text, as a browser understands them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called for each element."""
        self.names.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Called for each piece of text."""
        self.text += data


def made(gathered: Collected, **options: Any) -> str:
    """The page of a run without pictures."""
    given: dict[str, Any] = {"thumbnail": nothing, "links": {}, "annotated": False, "palette": "bright"} | options
    return page(given.pop("status", STATUS), gathered, NAMES, **given).decode()


def nothing(file: str) -> None:
    """No input has a picture."""


def gallery(text: str) -> Any:
    """The data of the gallery, unpacked from the page."""
    (packed,) = re.findall(r'id="data">([^<]*)<', text)
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def test_every_input_is_in_the_gallery_with_its_boxes_in_whole_pixels() -> None:
    found = gallery(made(collected(300)))
    originals = list(records(300))
    assert [image["f"] for image in found["images"]] == [record.file for record in originals]
    for image, record in zip(found["images"], originals, strict=True):
        if record.detections is None:
            assert image["e"] == str(record.failure) and "b" not in image
            continue
        numbers = [[one.class_id, round(one.confidence * 1000), *map(round, one.box)] for one in record.detections]
        assert image["b"] == [number for box in numbers for number in box]
    assert found["classes"] == list(NAMES)


def test_names_from_outside_are_text_wherever_they_stand() -> None:
    text = made(collected(50))
    found = Elements(text)
    assert not {"b", "i", "img"} & set(found.names)
    assert found.names.count("script") == 3
    assert "<b>7</b> detections" in found.text and "{{ 7 * 7 }}" in found.text


def test_the_policy_lets_the_pages_own_script_run_and_no_other() -> None:
    text = made(collected(5))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    policy = policy.replace("&#39;", "'")
    for element, name in (("script", "script-src"), ("style", "style-src")):
        (source,) = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy and "unsafe" not in policy


def test_nothing_in_the_page_is_loaded_from_elsewhere() -> None:
    text = made(collected(5))
    assert not {"src", "href", "srcset", "data", "action", "style"} & Elements(text).attributes
    assert not re.search(r"url\(|@import|fetch\(|import\(|XMLHttp", text)
    assert re.findall("https?://[^\"']*", text) == ["http://www.w3.org/2000/svg"]  # a name, not an address


def test_fifty_thousand_inputs_and_two_thousand_pictures_stay_within_fifteen_megabytes() -> None:
    picture = bytes(range(256)) * 18
    assert len(made(collected(2000), thumbnail=lambda _: picture)) < 15_000_000
    assert len(made(collected(MOST_SHOWN))) < 6_000_000


def test_of_more_inputs_some_are_shown_evenly_and_all_are_counted() -> None:
    gathered = Collected()
    for number in range(2 * MOST_SHOWN + 10):
        gathered.add(Record(f"{number:07}", 1, 1, ()))
    gathered.add(Record.failed("last", Failure("empty", "0 bytes")))
    text = made(gathered)
    shown = [image["f"] for image in gallery(text)["images"]]
    assert shown[:3] == ["0000000", "0000004", "0000008"] and shown[-1] == "last"
    assert len(shown) <= MOST_SHOWN and "evenly spread" in text
    assert "100,011" in text


def test_of_very_many_boxes_the_most_certain_of_each_input_are_shown() -> None:
    gathered = Collected()
    many = tuple(Detection(NAMES[0], 0, 1 - number / 2000, (0.0, 0.0, 1.0, 1.0)) for number in range(1000))
    for number in range(400):
        gathered.add(Record(f"{number:04}", 10, 10, many))
    first = gallery(made(gathered))["images"][0]
    assert len(first["b"]) // 6 + first["m"] == 1000
    assert first["b"][1] == 1000 and 400 * len(first["b"]) / 6 <= 300_000


def test_a_failure_comes_with_what_to_do() -> None:
    assert ADVICE["truncated"] in made(collected(50))


def test_every_kind_of_failure_that_the_program_knows_has_advice() -> None:
    kinds = set()
    for path in (ROOT / "entrypoint").rglob("*.py"):
        kinds |= set(re.findall(r"""Failure\(\s*"([a-z_]+)",""", path.read_text()))
    assert kinds and kinds <= set(ADVICE)


@pytest.mark.parametrize("gathered", [Collected(), collected(1)], ids=["no input", "one input"])
def test_a_page_of_next_to_nothing(gathered: Collected) -> None:
    assert "<h1" in made(gathered)
    assert "<h1" in made(gathered, status=RunStatus.claimed({}), annotated=True)


def test_a_video_keeps_the_times_of_its_detections() -> None:
    gathered = Collected()
    found = Detection("a", 3, 0.5, (0.0, 0.0, 1.0, 1.0), 12, 0.48)
    facts = VideoFacts(25.0, 13, 13, 0.52)
    gathered.add(Record("clip.mp4", 10, 10, (found,), video=facts))
    gathered.add(Record("empty.mp4", 10, 10, (), video=facts))
    gathered.add(Record("still.jpg", 10, 10, ()))
    video, empty, still = gallery(made(gathered))["images"]
    assert video["t"] == [0.48] and empty["t"] == [] and "t" not in still
