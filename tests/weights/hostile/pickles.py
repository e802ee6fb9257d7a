"""Pickles that mean harm by their opcodes alone; each is tried in both formats."""

import pickle
import struct
from pathlib import Path

from tests.weights.hostile.assemble import called, long1, named, node, plain, text, whole

MILLION = 1_000_000
CONV, MODEL, SEQUENTIAL = "models.common.Conv", "models.yolo.Model", "torch.nn.modules.container.Sequential"
REBUILT = "torch._tensor._rebuild_from_type_v2"


def pickles(canary: Path) -> dict[str, bytes]:
    """Whole pickles by what they try; those that would run code would make `canary`."""
    found = {what: whole(b"}" + text("model") + opcodes + b"s") for what, opcodes in attacks(canary, CONV).items()}
    return {**found, **_nesting(), **_hashes(), **_amplified(), **_declared(), **_confused(), **_monotone()}


def attacks(canary: Path, layer: str) -> dict[str, bytes]:
    """The opcodes of values that would run code; where one needs a layer it is of the class `layer`."""
    home, _, name = layer.rpartition(".")
    touch = text(f"touch {canary}")
    system = called("posix.system", touch)
    opened = text(f"open({str(canary)!r}, 'w')")
    return {
        "calls system": system,
        "calls eval": called("__builtin__.eval", opened),
        "calls exec": called("builtins.exec", opened),
        "starts a process": called("subprocess.Popen", plain(["touch", str(canary)])),
        "has torch load it again": called("torch.serialization.load", text(str(canary)), b"N", b"N", b"\x89"),
        "gets an attribute": called("__builtin__.getattr", named("posix.system"), text("__call__")),
        "in the state of a layer": node(layer, b"}" + text("a") + system + b"s"),
        "in the arguments of a layer": called(layer, system),
        "in the arguments of what is ignored": called("pathlib.PosixPath", system),
        "as a layer's whole state": node(layer, system),
        "as the class of an object": system + b")\x81",
        "by its name on the stack": text("posix") + text("system") + b"\x93(" + touch + b"tR",
        "by a remembered name": text("posix") + b"q\0" + text("system") + b"q\x0100h\0h\x01\x93(" + touch + b"tR",
        "by a path of attributes": text(home) + text(f"{name}.__init__.__globals__") + b"\x93",
        "by INST": b"(" + touch + b"iposix\nsystem\n",
        "by OBJ": b"(" + named("posix.system") + touch + b"o",
        "by keyword arguments": named("subprocess.Popen") + b")" + plain({"args": "true"}) + b"\x92",
        "by the extension registry": b"\x82\x01",
        "by the extension registry, 4 bytes": b"\x84\x01\0\0\x7f",
        "by what rebuilds types": called(REBUILT, named("posix.system"), named("torch.Tensor"), b"(" + touch + b"t"),
        "by a codec": called("_codecs.decode", text("x" * 100), text("rot13")),
        "by punycode": called("_codecs.encode", text("\xfc" * 50_000), text("punycode")),
        "a name with a forged line": text("os\nyolo-bac: done\x1b[2J") + text("system") + b"\x93",
        "a name of surrogates": text("\ud800\udfff") + text("\udc80") + b"\x93",
    }


def _nesting() -> dict[str, bytes]:
    level = b"h\0)\x81}" + text("_modules") + b"}" + text("model")
    chain = named(MODEL) + b"q\x000" + level * 9000 + b"h\0)\x81" + b"ssb" * 9000
    itself = named(SEQUENTIAL) + b")\x81q\0}" + text("_modules") + b"}" + text("m") + b"h\0ssb"
    return {
        "a tuple nested 2 million deep as a key": whole(b"})" + b"\x85" * 2 * MILLION + b"Ns"),
        "a tuple nested 90,000 deep as a key": whole(b"})" + b"\x85" * 90_000 + b"Ns"),
        "tuples nested 90,000 deep": whole(b")" + b"\x85" * 90_000),
        "pairs nested 40,000 deep": whole(b"N" * 40_000 + b")" + b"\x86" * 40_000),
        "triples nested 30,000 deep": whole(b"N" * 60_000 + b")" + b"\x87" * 30_000),
        "marked tuples nested 45,000 deep": whole(b"(" * 45_000 + b"t" * 45_000),
        "lists nested 45,000 deep": whole(b"]" * 45_000 + b"a" * 44_999),
        "marked lists nested 45,000 deep": whole(b"(" * 45_000 + b"l" * 45_000),
        "dicts nested 30,000 deep": whole(b"}" + b"K\0}" * 30_000 + b"s" * 30_000),
        "marked dicts nested 30,000 deep": whole(b"(K\0" * 30_000 + b"N" + b"d" * 30_000),
        "sets within sets": whole(b"\x8f(" * 900 + b"\x8f" + b"\x90" * 900),
        "layers nested 9,000 deep": whole(b"}" + text("model") + chain + b"s"),
        "a layer within itself": whole(b"}" + text("model") + itself + b"s"),
        "marks without end": whole(b"(" * 99_000),
        "what rebuilds itself": whole(called(REBUILT, named(REBUILT), b"N", b"(" + named(REBUILT) + b"NNt")),
    }


def _hashes() -> dict[str, bytes]:
    prime = (1 << 61) - 1
    halves = b")q\x000" + b"".join(b"h%ch%c\x86q%c0" % (i, i, i + 1) for i in range(50))
    numbers = range(1 << 40, 1 << 60, ((1 << 60) - (1 << 40)) // 19_000 >> 15 << 15)  # alike in their lowest 15 bits
    fractions = b"".join(plain(2.0**-i) + b"N" for i in range(1000))
    return {
        "a hash that doubles with each level": whole(halves + b"}h\x32Ns"),
        "a set of doubled hashes": whole(halves + b"\x8f(h\x32\x90"),
        "30,000 whole numbers of one hash": whole(
            b"}(" + b"".join(long1(i * prime) + b"N" for i in range(30_000)) + b"u"
        ),
        "19,000 whole numbers that meet in the table": whole(b"}(" + b"".join(long1(i) + b"N" for i in numbers) + b"u"),
        "a set of 19,000 that meet in the table": whole(b"\x8f(" + b"".join(map(long1, numbers)) + b"\x90"),
        "50,000 numbers as keys": whole(b"}(" + b"".join(long1(i << 40) + b"N" for i in range(50_000)) + b"u"),
        "50,000 fractions as keys": whole(b"}(" + fractions * 50 + b"u"),
        "memo indices that meet in the table": whole(
            b"N" + b"".join(b"r" + struct.pack("<I", i << 15) for i in range(1 << 16))
        ),
        "a layer as a key": whole(b"}" + named(CONV) + b")\x81Ns"),
        "a list as a key": whole(b"}]Ns"),
        "a list within a key": whole(b"}]\x85Ns"),
        "a class as a key": whole(b"}" + named(CONV) + b"Ns"),
        "a number of 2,000 bits as a key": whole(b"}" + long1(1 << 2000) + b"Ns"),
        "keys of 1 MB that are equal": whole(b"}" + (text("k" * MILLION) + b"Ns") * 14),
        "a set made 15,000 times of 20,000": whole(
            b"](" + b"K\1" * 20_000 + b"eq\0" + named("__builtin__.set") + b"q\1" + b"h\1h\0\x85R" * 15_000
        ),
    }


def _amplified() -> dict[str, bytes]:
    """Little that asks for much, by remembering."""

    def laughs(start: bytes, step: bytes) -> bytes:
        return whole(
            start + b"q\0" + b"".join(step.replace(b"h", b"h" + bytes([i])) + b"q" + bytes([i + 1]) for i in range(90))
        )

    state = plain({f"k{i}": None for i in range(8000)})
    return {
        "lists that double": laughs(b"]", b"](hhe"),
        "tuples that double": laughs(b")", b"hh\x86"),
        "dicts that double": laughs(b"}", b"}(K\0hK\1hu"),
        "tuples of a hundred, ten times over": laughs(b")", b"(" + b"h" * 100 + b"t"),
        "as names, lists that double": whole(
            b"}" + text("model") + node(MODEL, b"}" + text("names") + laughs(b"]", b"](hhe")[2:-1] + b"s") + b"s"
        ),
        "one state for 15,000 layers": whole(state + b"q\0" + named(CONV) + b"q\1" + b"h\1)\x81h\0b0" * 15_000),
        "a list that holds itself": whole(b"]q\0h\0a"),
        "a dict that holds itself": whole(b"}q\0K\0h\0s"),
        "a layer whose state is itself": whole(named(CONV) + b")\x81q\0h\0b"),
        "100,000 empty sets": whole(b"\x8f" * 99_000),
        "text of 20 MB": whole(text("a" * 20 * MILLION)),
        "text of 15 MB, 4 bytes a character": whole(text("\U0001f600" + "a" * 15 * MILLION)),
        "bytes of 20 MB": whole(b"B" + struct.pack("<I", 20 * MILLION) + bytes(20 * MILLION)),
        "90,000 names": whole(b"".join(named(f"a{i}.b") for i in range(90_000))),
        "a class's name of 1 MB": whole(b"c" + b"a" * MILLION + b"\nb\n"),
        "390,000 opcodes in 15 MB": whole(b"(" + b"K\0" * 390_000 + b"t0" + text(" " * 14 * MILLION)),
    }


def _declared() -> dict[str, bytes]:
    """Lengths far beyond the file."""
    ten_gb, most = struct.pack("<Q", 10_000_000_000), b"\xff" * 8
    return {
        "a bytearray of 10 GB": b"\x80\x05\x96" + ten_gb + bytes(32) + b".",
        "a bytearray of 16 EB": b"\x80\x05\x96" + most + b".",
        "bytes of 10 GB": b"\x80\x05\x8e" + ten_gb + b".",
        "text of 10 GB": b"\x80\x05\x8d" + ten_gb + b".",
        "text of 16 EB": b"\x80\x05\x8d" + most + b".",
        "text of 4 GB": whole(b"X\xff\xff\xff\xff"),
        "bytes of 4 GB": whole(b"B\xff\xff\xff\xff"),
        "old text of 4 GB": whole(b"T\xff\xff\xff\xff"),
        "a whole number of 2 GB": whole(b"\x8b\xff\xff\xff\x7f"),
        "a whole number of less than no bytes": whole(b"\x8b\xff\xff\xff\xff"),
        "a whole number of 4 MB": whole(b"\x8b" + struct.pack("<I", 4 * MILLION) + b"\x7f" * 4 * MILLION),
        "a whole number of a million digits": b"L" + b"9" * MILLION + b"L\n.",
        "a frame of 16 EB": b"\x80\x04\x95" + most + b"N.",
        "the memo's last index": whole(b"}r\xff\xff\xff\xff"),
        "memo index 4 billion": whole(b"}r" + struct.pack("<I", 4_000_000_000)),
        "a value that was never remembered": whole(b"j\xff\xff\xff\xff"),
        "buffers from elsewhere": b"\x80\x05" + b"\x97\x98" * 10 + b".",
    }


def _confused() -> dict[str, bytes]:
    """What does not fit together."""
    conv = named(CONV)
    return {
        "a name that is a number": whole(b"K\1K\2\x93"),
        "a name that is a tuple": whole(b"))\x93"),
        "a name without an end": whole(b"cposix\n" + b" " * 2000),
        "a name that is no text": whole(b"c\xff\xfe\n\xff\n"),
        "text that is no text": whole(b"X\2\0\0\0\xff\xff"),
        "old text beyond ASCII": whole(b"U\2\xff\xff"),
        "text of surrogates": whole(b"}" + text("\ud800") + text("\udfff") + b"s"),
        "a state that is a pair": whole(conv + b")\x81N}\x86b"),
        "a state that is a number": whole(conv + b")\x81K\1b"),
        "a state with numbers as keys": whole(conv + b")\x81}K\1Nsb"),
        "a state for a list": whole(b"]}b"),
        "a state for a class": whole(conv + b"}b"),
        "a state for a function": whole(named("collections.OrderedDict") + b"}b"),
        "items of a tuple": whole(b")K\1K\2s"),
        "items of a list": whole(b"](K\1K\2u"),
        "items of a class": whole(conv + b"(K\1K\2u"),
        "an item without a value": whole(b"}(K\1u"),
        "appended to text": whole(text("a") + b"(K\1e"),
        "appended to a tuple": whole(b")K\1a"),
        "appended to a dict": whole(b"}(K\1e"),
        "added to a list": whole(b"](K\1\x90"),
        "text that is called": whole(text("posix.system") + b")R"),
        "a layer that is called": whole(conv + b")\x81)R"),
        "called with a list": whole(named("__builtin__.set") + b"]R"),
        "an ordered dict of pairs that are none": whole(called("collections.OrderedDict", plain([1, 2]))),
        "more values than there are": whole(b"0000"),
        "tuples of nothing": whole(b"\x87"),
        "a mark that is missing": whole(b"t"),
        "a mark as a value": whole(b"(s"),
        "no value at all": whole(b""),
        "no opcode at all": b"",
        "no end": b"\x80\x02" + b"N" * 1000,
        "an opcode that is none": whole(b"\xfe"),
        "protocol 6": b"\x80\x06N.",
        "protocol 255": b"\x80\xffN.",
        "protocol 0": pickle.dumps({"a": [1, 2.5, float("nan"), "\u2028", None, True]}, 0),
        "protocol 1": pickle.dumps({"a": [1, 2.5, 1 << 70]}, 1),
        "text with escapes": b"S'" + b"\\x41" * 1000 + b"'\n.",
        "a number that is nan in text": b"Fnan\n.",
        "a persistent id in text": b"P" + b"storage\n.",
        "an honest value": pickle.dumps({"epoch": 3, "floats": [float("inf"), float("nan")]}, 2),
    }


def _monotone() -> dict[str, bytes]:
    """Files of one opcode."""
    opcodes = {"None": b"N", "marks": b"(", "lists": b"]", "dicts": b"}", "tuples": b")", "pops": b"0", "copies": b"N2"}
    opcodes |= {
        "stops": b".",
        "protocols": b"\x80\x02",
        "frames": b"\x95" + bytes(8),
        "memo": b"\x94",
        "line ends": b"\n",
    }
    return {f"3 million times {what}": b"\x80\x04" + code * 3 * MILLION for what, code in opcodes.items()}
