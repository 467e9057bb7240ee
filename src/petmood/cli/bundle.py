"""Commands for bundles: `petmood export` and `petmood bundle verify, sign, bom, upgrade`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from petmood.cli.progress import progress_bar
from petmood.cli.registry_options import public_key_option
from petmood.core.commands import shell_command

if TYPE_CHECKING:
    from petmood.pipelines.run_folder import RunFolder

__all__ = ["bundle", "export"]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    "to",
    required=True,
    type=click.Path(path_type=Path),
    help="The bundle's folder, such as bundles/first.",
)
@click.option("--name", help="The model's name; default: the folder's name.")
@click.option("--variant", metavar="int8", help="Add this variant of the network, made with `petmood optimize RUN`.")
def export(*, run: Path, to: Path, name: str | None, variant: str | None) -> None:
    """Export RUN as a bundle: ONNX compared with torch, golden photos, reference data and a model card."""
    from petmood.pipelines.export import export_run
    from petmood.pipelines.run_folder import open_run

    opened = open_run(run)
    made = export_run(opened, to=to, name=name, variant=variant, progress=progress_bar)
    predict = shell_command("predict", to, _photo_of(opened))
    click.echo(f"Bundle: {to}, {made.manifest.name} {made.manifest.version}. Next: {predict}")


def _photo_of(run: "RunFolder") -> Path:
    """Return a photo that the run did not learn from, or a name to replace where its dataset has gone."""
    from petmood.core.errors import DataError
    from petmood.data.index import Split, read_index
    from petmood.training.dataset import evaluation_rows

    try:
        folder = run.dataset()
        rows = evaluation_rows(read_index(folder).rows, Split.TEST)
    except (DataError, OSError):
        return Path("PHOTO")
    return next((folder / row.path for row in rows if (folder / row.path).is_file()), Path("PHOTO"))


@click.group()
def bundle() -> None:
    """Verify, sign, describe or upgrade bundles."""


@bundle.command()
@click.argument("folder", type=click.Path(path_type=Path))
@public_key_option
def verify(*, folder: Path, public_key: Path | None) -> None:
    """Verify the hashes and golden photos of a bundle. With a public key, its signature is verified too."""
    from petmood.core.signature import check_signature, read_signature
    from petmood.inference.load import load_bundle

    if public_key is not None:
        check_signature(folder, read_signature(folder), public_key=public_key)
    model = load_bundle(folder).model
    signed = "" if public_key is None else f", signed for {public_key}"
    click.echo(f"{folder} is valid: {model.name} {model.version}, manifest {model.sha256[:12]}{signed}.")


@bundle.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--key",
    required=True,
    type=click.Path(path_type=Path),
    help="Private elliptic curve key, a PEM file: openssl ecparam -name prime256v1 -genkey -noout -out KEY.",
)
def sign(*, folder: Path, key: Path) -> None:
    """Sign a bundle with a private key (OpenSSF model signing). The signature is written beside the folder."""
    from petmood.core.signature import sign as sign_bundle

    made = sign_bundle(folder, key=key)
    click.echo(f"Signature: {made}. Next: {shell_command('bundle', 'verify', folder, '--public-key', 'PUB')}")


@bundle.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", "-o", "to", type=click.Path(path_type=Path), help="File to write; default: print it.")
def bom(*, folder: Path, to: Path | None) -> None:
    """Write the ML-BOM of a bundle (CycloneDX 1.6). It has the model, the data version, files and metrics."""
    from petmood.core.bundle import verify as verify_bundle
    from petmood.core.files import atomic_write_text
    from petmood.export.ml_bom import ml_bom

    text = ml_bom(verify_bundle(folder))
    if to is None:
        click.echo(text, nl=False)
        return
    atomic_write_text(to, text)
    click.echo(f"Bill of materials: {to}")


@bundle.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", "-o", "to", required=True, type=click.Path(path_type=Path), help="The new bundle's folder.")
def upgrade(*, folder: Path, to: Path) -> None:
    """Convert a bundle of schema version 1 to the current version. The old folder is not changed."""
    from petmood.export.upgrade import upgrade_bundle

    made = upgrade_bundle(folder, to=to)
    click.echo(
        f"Bundle: {to}, {made.manifest.name} {made.manifest.version}. Next: {shell_command('bundle', 'verify', to)}"
    )
