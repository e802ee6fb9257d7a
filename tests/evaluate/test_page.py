"""evaluation.html: names as text, no script at all, the worst images drawn."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from entrypoint.evaluate.evaluation import evaluate
from entrypoint.evaluate.page import page
from tests.evaluate.scenes import NAMES, scenes

HOSTILE = "</title><script>alert(1)</script>"


@pytest.mark.parametrize("annotated", [True, False])
def test_names_are_text_and_nothing_runs(tmp_path: Path, annotated: bool) -> None:
    truth, records = scenes(30)
    names = (HOSTILE, *NAMES[1:])
    truth["categories"][0]["name"] = HOSTILE
    truth["images"][1]["file_name"] = 'a b/ü"><img src=x>#1.jpg'
    records[1] = replace(records[1], file='a b/ü"><img src=x>#1.jpg')
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    text = page(evaluate(records, names, tmp_path / "truth.json", 0.25), annotated=annotated).decode()
    assert "<script" not in text and "<img" not in text
    assert "script-src &#39;none&#39;" in text
    assert ("images/a%20b/%C3%BC%22%3E%3Cimg%20src%3Dx%3E%231.jpg" in text) == annotated
    assert text.count('class="missed"') > 5 and text.count('class="wrong"') > 5
    assert not re.search(r'href="(?!images/)', text)


def test_a_link_leads_to_the_image_as_it_was_written(tmp_path: Path) -> None:
    truth, records = scenes(30)
    truth["images"][1]["file_name"] = "a/pic.jfif"
    records[1] = replace(records[1], file="a/pic.jfif")
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    text = page(evaluate(records, NAMES, tmp_path / "truth.json", 0.25), annotated=True).decode()
    assert 'href="images/a/pic.jfif.jpg"' in text


def test_an_evaluation_without_objects_still_has_a_page(tmp_path: Path) -> None:
    truth, records = scenes(2)
    truth["annotations"] = []
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    assert b"2 images against" in page(evaluate(records, NAMES, tmp_path / "truth.json", None), annotated=False)
