"""Which verbs make and look at bundles? `petmood export` and `petmood bundle verify`."""

from pathlib import Path

import click

from petmood.cli.show import bar

__all__ = ["bundle", "export"]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--to", required=True, type=click.Path(path_type=Path), help="The bundle's folder, such as bundles/first."
)
@click.option("--name", help="The model's name; the folder's name where none is given.")
def export(*, run: Path, to: Path, name: str | None) -> None:
    """Make a bundle from RUN: ONNX compared with torch, golden photos, reference data and a model card."""
    from petmood.training.export import export_run
    from petmood.training.folder import open_run

    made = export_run(open_run(run), to=to, name=name, track=bar)
    click.echo(f"Bundle: {to}, {made.manifest.name} {made.manifest.version}. Next: petmood predict {to} photo.jpg")


@click.group()
def bundle() -> None:
    """Look at bundles."""


@bundle.command()
@click.argument("folder", type=click.Path(path_type=Path))
def verify(*, folder: Path) -> None:
    """Check that a bundle is whole and answers its golden photos as it was trained to."""
    from petmood.inference.load import open_bundle

    model = open_bundle(folder).model
    click.echo(f"{folder} is whole: {model.name} {model.version}, manifest {model.sha256[:12]}.")
