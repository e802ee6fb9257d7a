"""What the checks of an image take for its layers of packages. The checks themselves need a Docker engine."""

import click
import pytest

from scripts.smoke.layers import Layer, of_packages

BASE = Layer("sha256:0", 30_000_000, "base")
TORCH = Layer("sha256:1", 900_000_000, "COPY /layers/torch/ / # buildkit")
OTHERS = Layer("sha256:2", 200_000_000, "COPY /layers/packages/ / # buildkit")
PROGRAM = Layer("sha256:3", 1_000_000, "COPY entrypoint /opt/yolo-bac/app/entrypoint # buildkit")


def test_layers_of_packages_are_told_from_the_others() -> None:
    assert of_packages("an/image", [BASE, TORCH, OTHERS, PROGRAM]) == [TORCH, OTHERS]


def test_an_image_without_a_layer_of_packages_is_no_image_of_which_they_are_the_same() -> None:
    with pytest.raises(click.ClickException, match="an/image: expected a layer of packages, found none among its 2"):
        of_packages("an/image", [BASE, PROGRAM])
