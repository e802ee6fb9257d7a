"""Which layers of an image a node lacks that has another one: python -m scripts.smoke.compare OLD NEW"""

import sys

import click

from scripts.smoke.layers import Layer, layers_of, of_packages


@click.command()
@click.argument("old")
@click.argument("new")
def main(old: str, new: str) -> None:
    """Say what a node pulls for NEW that has OLD; the exit code is 1 where the layers of packages are not the same."""
    before, after = layers_of(old), layers_of(new)
    kept = _kept(before, after)
    for number, layer in enumerate(after):
        is_equal = any(layer.digest == other.digest for other in before)
        state = "same" if number < kept else "above a new one" if is_equal else "new"
        click.echo(f"{layer.digest[:19]} {layer.compressed / 1e6:7.1f} MB {state:15} {layer.made[:60]}")
    pulled = sum(layer.compressed for layer in after[kept:])
    click.echo(f"a node with {old} pulls {pulled / 1e6:.1f} of {sum(layer.compressed for layer in after) / 1e6:.1f} MB")
    sys.exit(_packages(old, before) != _packages(new, after))


def _kept(before: list[Layer], after: list[Layer]) -> int:
    """How many layers, from the lowest on, are the same: engines keep a layer only for what lies below it, too."""
    pairs = zip(before, after, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a.digest != b.digest), min(len(before), len(after)))


def _packages(image: str, layers: list[Layer]) -> list[str]:
    return [layer.digest for layer in of_packages(image, layers)]


if __name__ == "__main__":
    main()
