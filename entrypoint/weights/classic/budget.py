"""What the pickles of one file may cost, so that a small file can take neither much time nor much memory."""

import pickle

# The largest YOLOv5 checkpoint (x6, with its optimizer) takes 280,000; yolov5n 34,000 in a file of 4 MB.
_MOST_OPCODES, _FREE_OPCODES, _BYTES_PER_OPCODE = 400_000, 100_000, 32
_MOST_TEXT_BYTES = 16 << 20  # of all text in a checkpoint: names, notes of its training, source code of its classes
_MOST_COPIES = 1_000_000  # values that are looked at or copied once more after their opcode
_MOST_ODD_KEYS = 20_000  # of which the hash can be chosen; colliding ones cost the square of their number
_MAX_KEY_LENGTH = 1000  # characters; text that is equal but not the same is compared whole
_MAX_KEY_ITEMS = 8
_MAX_KEY_INT = (1 << 61) - 1  # from here on, any number of whole numbers share a hash


class Budget:
    """What the pickles of one file may cost, all together. What goes beyond raises pickle.UnpicklingError."""

    def __init__(self, file_bytes: int) -> None:
        self.file_bytes = file_bytes
        self.opcodes = min(_MOST_OPCODES, _FREE_OPCODES + file_bytes // _BYTES_PER_OPCODE)
        self._text, self._copies, self._odd_keys = _MOST_TEXT_BYTES, _MOST_COPIES, _MOST_ODD_KEYS

    def take_text(self, count: int) -> None:
        """Bytes of text that an opcode brings along."""
        self._text -= count
        if self._text < 0:
            raise pickle.UnpicklingError(f"it holds more than {_MOST_TEXT_BYTES} bytes of text")

    def take_copies(self, count: int) -> None:
        """Values that are looked at once more, for an opcode that is a few bytes long."""
        self._copies -= count
        if self._copies < 0:
            raise pickle.UnpicklingError("it copies its values over and over")

    def take_key(self, key: object) -> None:
        """A key of a dict or a set; one is refused whose hash or comparison may cost more than its bytes."""
        if type(key) is str:
            if len(key) > _MAX_KEY_LENGTH:
                raise pickle.UnpicklingError(f"a key of {len(key)} characters")
            return
        items = key if type(key) is tuple and len(key) <= _MAX_KEY_ITEMS else (key,)
        self._odd_keys -= max(1, len(items))
        if self._odd_keys < 0:
            raise pickle.UnpicklingError(f"it has more than {_MOST_ODD_KEYS} keys that are no text")
        for item in items:
            if type(item) is int and not -_MAX_KEY_INT < item < _MAX_KEY_INT:
                raise pickle.UnpicklingError("a whole number of more than 61 bits as a key")
            if type(item) is str and len(item) > _MAX_KEY_LENGTH:
                raise pickle.UnpicklingError(f"a key of {len(item)} characters")
            if type(item) not in (str, int, bool, float, type(None)):
                raise pickle.UnpicklingError(f"a {type(item).__name__} as a key, or within one")
