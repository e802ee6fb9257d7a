"""Finished records by content: which of them each input is to have, in the order in which the inputs are best read."""

from pathlib import Path

from entrypoint.results.journalentry import Entry
from entrypoint.shards.contents import Contents
from entrypoint.values import Record


def test_inputs_come_in_the_order_in_which_they_were_asked_for(tmp_path: Path) -> None:
    contents = Contents(tmp_path / "database")
    digests = {name: f"{number:064x}" for number, name in enumerate("dcba")}
    for number in range(2):
        for name, sha256 in digests.items():
            if ord(name) % 2 == number:
                contents.put(number, name, Entry(Record(name, 1, 1, (), sha256=sha256), None, ()))
    contents.all_put()
    for place, name in ((3, "d"), (0, "a"), (2, "c"), (1, "b")):
        contents.want(place, name, digests[name], None)
    found = [[(place, entry.record.file) for place, _, entry in contents.wanted(number)] for number in range(2)]
    contents.close()
    assert found == [[(3, "d"), (1, "b")], [(0, "a"), (2, "c")]]
