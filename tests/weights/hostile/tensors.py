"""Tensors and storages that are not what they claim; each is tried in both formats."""

from tests.weights.hostile.assemble import called, named, node, plain, storage, tensor, text, whole

VALUES = bytes(range(64))
"""What is in storage 0: 16 float32."""
TB, PB = 10**12, 10**15


def tensors() -> dict[str, bytes]:
    """Whole pickles by what their tensors claim; in the file there is one storage, "0", of VALUES."""
    ours = storage(plain(16))
    cases = {
        "a storage of 1 TB": storage(plain(TB // 4)),
        "a storage of 1 PB": storage(plain(PB // 4)),
        "a storage of 2^62 values": storage(plain(1 << 62)),
        "a storage of 2^400 values": storage(plain(1 << 400)),
        "a storage of -1 values": storage(plain(-1)),
        "a storage of half a value": storage(plain(0.5)),
        "a storage of True values": storage(plain(True)),
        "a storage that is too small": storage(plain(17)),
        "a storage of two kinds": storage(plain(16)) + b"0" + storage(plain(32), kind="torch.HalfStorage"),
        "a storage that is missing": storage(plain(16), text("nowhere")),
        "a storage by a path": storage(plain(16), text("../../../etc/passwd")),
        "a storage by a number": storage(plain(16), plain(0)),
        "a storage by a list": storage(plain(16), plain([0])),
        "a storage with a view": storage(plain(16), rest=plain(("0", 0, 4))),
        "a storage with more to it": storage(plain(16), rest=b"NNN"),
        "a storage that is a layer": storage(plain(16), kind="models.common.Conv"),
        "a storage of quarters": storage(plain(16), kind="torch.QUInt4x2Storage"),
        "a persistent number": plain(7) + b"Q",
        "a persistent nothing": b")Q",
        "a persistent module": b"(" + text("module") + named("posix.system") + text("f") + text("source") + b"tQ",
        "a persistent function": b"(" + text("module") + named("torch.Size") + text("f") + text("source") + b"tQ",
        "a tensor of 1 TB": tensor(ours, plain(0), plain((TB // 4,)), plain((0,))),
        "a tensor of 1 PB": tensor(ours, plain(0), plain((PB // 4,)), plain((1,))),
        "a tensor of 2^124 values": tensor(ours, plain(0), plain((1 << 62, 1 << 62)), plain((0, 0))),
        "a tensor of 2^400 values": tensor(ours, plain(0), plain((1 << 400,)), plain((0,))),
        "a tensor of no values but huge sides": tensor(ours, plain(0), plain((0, 1 << 62, 1 << 62)), plain((1, 1, 1))),
        "a tensor with a stride of 2^62": tensor(ours, plain(0), plain((2,)), plain((1 << 62,))),
        "a tensor with a negative stride": tensor(ours, plain(15), plain((16,)), plain((-1,))),
        "a tensor with a negative size": tensor(ours, plain(0), plain((-4,)), plain((1,))),
        "a tensor before its storage": tensor(ours, plain(-4), plain((4,)), plain((1,))),
        "a tensor behind its storage": tensor(ours, plain(16), plain((1,)), plain((1,))),
        "a tensor at 2^63": tensor(ours, plain(1 << 63), plain((1,)), plain((1,))),
        "a tensor with too few strides": tensor(ours, plain(0), plain((4, 4)), plain((1,))),
        "a tensor of 90 dimensions": tensor(ours, plain(0), plain((1,) * 90), plain((1,) * 90)),
        "a tensor of True by True": tensor(ours, plain(True), plain((True,)), plain((True,))),
        "a tensor whose size is text": tensor(ours, plain(0), text("16"), plain((1,))),
        "a tensor without a storage": tensor(plain([1.0]), plain(0), plain((1,)), plain((1,))),
        "a tensor of nothing": called("torch._utils._rebuild_tensor_v2"),
        "a parameter of nothing": called("torch._utils._rebuild_parameter"),
    }
    arguments = tensor(ours, plain(0), plain((4, 4)), plain((4, 1)))[:-1] + b"q\x0000"
    rebuilt = named("torch._utils._rebuild_tensor_v2") + b"q\x010"
    cases["20,000 tensors of one storage"] = arguments + rebuilt + b"h\1h\0R0" * 20_000 + b"N"
    state = b"}" + text("weight") + tensor(ours, plain(0), plain((1, 3, 64, 64)), plain((0, 0, 0, 0))) + b"s"
    cases["a weight that is one value over and over"] = node("torch.nn.modules.conv.Conv2d", state)
    return {what: whole(b"}" + text("model") + opcodes + b"s") for what, opcodes in cases.items()}
